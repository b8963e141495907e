"""`prepare`: what is in a folder, and a clean copy of it."""

from ..console import bar, say


def prepare(options) -> None:
    from ..data.prepare.archive import unpacked
    from ..data.prepare.copy import write_clean_copy
    from ..data.prepare.report import report_lines
    from ..data.prepare.survey import REPORT_NAME, find_files, survey
    from ..files.atomic import write_json
    from ..files.checks import check_copy, check_file

    if options.json:
        check_file(options.json, overwrite=options.overwrite)
    if options.out:
        check_copy(options.folder, options.out, REPORT_NAME, overwrite=options.overwrite)
    with unpacked(options.folder) as folder:
        found = find_files(folder, called=options.folder)
        report = survey(found, options.split, seed=options.seed, track=bar("looking"))
        content = {**report.to_json(options.split), "folder": options.folder}
        if options.out and report.pairs:
            write_clean_copy(report, options.out, content)
    say("\n".join(report_lines(content)))
    if options.split and content["split"] is None:
        say(f"None of the images of split {options.split} is here.")
    if options.json:
        write_json(options.json, content)
        say(f"Report as JSON: {options.json}")
    if options.out:
        pairs = f"{len(report.pairs)} pairs and {len(report.negatives)} non-landslide images"
        say(f"Clean copy of {pairs}: {options.out}" if report.pairs else "No clean copy: no pair can be used.")
