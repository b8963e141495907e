"""`models`: what there is to choose from, and what it costs."""

from pathlib import Path

from ..console import bar, load_tensorflow, say
from ..errors import LandslideError
from ..settings import SMALLEST_INPUT


def models(options) -> None:
    from ..paper import ROWS
    from ..results.catalogue import SHIPPED, catalogue

    size, stride = options.image_size, options.output_stride
    if size < SMALLEST_INPUT:
        raise LandslideError(f"--image-size {size} is not possible; give {SMALLEST_INPUT} or more.")
    if options.plot or (size, stride) != SHIPPED:
        load_tensorflow()
    figures = _figures(options) if options.plot else {}
    entries = catalogue(size, stride, bar("building", "model"))
    say(f"At {size}×{size} pixels, output stride {stride} (U-Net has none):\n")
    say(f"{'model':28}{'parameters':>12}{'multiply-adds':>16}  row of Table 3")
    for entry in entries:
        parameters, adds = entry.parameters / 1e6, entry.multiply_adds / 1e9
        title = ROWS[entry.name].title if entry.name in ROWS else ""
        say(f"{entry.name:28}{parameters:10.2f} M{adds:12.1f} bn  {title}".rstrip())
    say(f"\nImages of any size from {SMALLEST_INPUT} pixels a side, square or not.")
    if figures:
        _draw(figures, size, stride)
        say(f"Figures 1 to 3 of the six rows: {options.plot}")


def _figures(options) -> dict[str, Path]:
    """The rows of Table 5 and where their figures go, which is free or an earlier figure's."""
    from ..files.checks import free_names
    from ..paper import TABLE_5
    from ..results.diagrams import figure_name

    names = {row.name: figure_name(row.name) for row in TABLE_5}
    folder = free_names(options.plot, names.values(), overwrite=options.overwrite)
    return {row: folder / name for row, name in names.items()}


def _draw(figures: dict[str, Path], size: int, stride: int) -> None:
    from ..models import build_model
    from ..paper import row
    from ..results.diagrams import draw_model

    for name in bar("drawing", "model")(list(figures)):
        of, shape = row(name), (size, size, 3)
        model = build_model(
            of.architecture, of.backbone, input_shape=shape, output_stride=stride, backbone_weights=None
        )
        draw_model(model, figures[name])
