"""`figures`: what the results of the rows say, as figures."""

from ..console import bar, say


def figures(options) -> None:
    from ..files.checks import free_names
    from ..results.figures import drawings, file_names, write_figure
    from ..results.maps import named_samples
    from ..results.result import check_same_images, firsts, read_results

    rows = firsts(read_results(options.results))
    check_same_images(list(rows.values()))
    samples = named_samples(options.data, next(iter(rows.values())).per_image)
    drawn = drawings(rows, samples)
    free_names(options.out, file_names(list(drawn)), overwrite=options.overwrite)
    for name in bar("drawing", "figure")(list(drawn)):
        write_figure(drawn[name], options.out, name)
    say(f"{len(drawn)} figures of {len(rows)} rows, each as PNG and PDF: {options.out}")
