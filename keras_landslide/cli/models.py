"""`models`: what there is to choose from, and what it costs."""

from pathlib import Path

from ..console import load_tensorflow, progress, say


def models(options) -> None:
    from ..files.checks import free_folder

    if options.plot:
        free_folder(options.plot, overwrite=options.overwrite)
    load_tensorflow()
    from ..models import ARCHITECTURES, BACKBONES
    from ..models.costs import catalogue
    from ..paper import ROWS, TABLE_5
    from ..results.diagrams import draw_model, figure_name

    pairs = [(architecture, backbone) for architecture in ARCHITECTURES for backbone in BACKBONES]
    drawn = {row.name for row in TABLE_5} if options.plot else set()
    with progress(len(pairs), "building", "model") as bar:

        def done(model) -> None:
            if model.name in drawn:
                draw_model(model, Path(options.plot) / figure_name(model))
            bar.update()

        entries = catalogue(pairs, options.image_size, options.output_stride, done)
    size, stride = options.image_size, options.output_stride
    say(f"At {size}×{size} pixels, output stride {stride} (U-Net has none):\n")
    say(f"{'model':28}{'parameters':>12}{'multiply-adds':>16}  row of Table 3")
    for entry in entries:
        name = f"{entry.architecture}_{entry.backbone}"
        parameters, adds = entry.cost.parameters / 1e6, entry.cost.multiply_adds / 1e9
        title = ROWS[name].title if name in ROWS else ""
        say(f"{name:28}{parameters:10.2f} M{adds:12.1f} bn  {title}".rstrip())
    say("\nImages of any size from 64 pixels a side, square or not.")
    if options.plot:
        say(f"Figures 1 to 3 of the six rows: {options.plot}")
