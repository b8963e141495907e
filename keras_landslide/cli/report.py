"""`report`: a page about a training run."""

from pathlib import Path

from ..console import bar, load_tensorflow, say


def report(options) -> None:
    from ..files.checks import check_made_by
    from ..results.run_record import read_settings
    from ..results.run_report import MADE_BY
    from ..settings import RUN_REPORT

    read_settings(options.folder)  # a wrong folder takes no time
    out = options.out or Path(options.folder) / RUN_REPORT
    check_made_by(out, MADE_BY)
    load_tensorflow()
    from ..results.run_folder import write_report

    made = write_report(options.folder, out, data=options.data, track=bar("drawing"))
    if not made.finished:
        say("The run is not finished: its report has the curves so far, and no scores.")
    if made.without_pictures:
        say(f"Without pictures. {made.without_pictures}")
    say(f"Report: {out}")
