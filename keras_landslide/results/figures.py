"""Figures 4 to 6, curves and the worst images, from `results/`, their maps and the images; drawn for print."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..data.sample import Sample
from ..paper import FIGURE_5, FIGURE_6, ROWS, TABLE_5
from ..pictures import ERRORS, errors_drawn, overlay, save_figure, show, subplots
from ..scores import class_scores
from .error_analysis import worst
from .estimates import image_ious
from .maps import average_precision, calibration_error, histogram, map_and_mask, precision_recall, reliability
from .result import Decision, Result

SUFFIXES = ("png", "pdf")
WIDTH = 17 / 2.54  # inches: both columns of a journal's page
PRINT: dict[Any, Any] = {
    "font.size": 7, "axes.titlesize": 7, "axes.labelsize": 7, "xtick.labelsize": 7, "ytick.labelsize": 7,
    "legend.fontsize": 7, "figure.titlesize": 8, "axes.linewidth": 0.6, "lines.linewidth": 1.2, "pdf.fonttype": 42,
}  # fmt: skip
# Okabe and Ito's colours; a line's kind says the architecture too.
COLOURS = dict(
    zip(
        ROWS,
        ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#000000", "#999999"),
        strict=True,
    )
)
LINES = {"unet": "--", "deeplabv3plus": ":", "pspnet": "-"}
BOX = "#0072B2"
SMALLEST_BOX = 0.0005  # of the image: smaller pieces are not boxed
GALLERY = (4, 6)  # lines and columns of Figure 4


def drawings(rows: Mapping[str, Result], samples: Sequence[Sample]) -> dict[str, Callable[[], Any]]:
    """The figures that can be made of `rows` and the test images, by name: each is drawn when it is called.

    Figures 5 and 6 need the images that `paper` names, curves of probabilities and the worst images a row with maps.
    """
    named = {sample.name: sample for sample in samples}
    mapped = {row: result for row, result in rows.items() if result.maps.is_dir()}
    found: dict[str, Callable[[], Any]] = {"figure4": lambda: figure_4(samples)}
    if named.keys() >= FIGURE_5.keys():
        found["figure5"] = lambda: figure_5(mapped, {named[name]: kind for name, kind in FIGURE_5.items()})
    if named.keys() >= set(FIGURE_6):
        found["figure6"] = lambda: figure_6(mapped, [named[name] for name in FIGURE_6])
    found["learning_curves"] = lambda: learning_curves(rows)
    if mapped:
        found["precision_recall"] = lambda: precision_recall_curves(mapped, samples)
        found["reliability"] = lambda: reliability_diagram(mapped, samples)
    for row, result in mapped.items():
        found[f"worst_{row}"] = lambda result=result: worst_images(result, named)  # type: ignore[misc]
    return found


def file_names(figures: Sequence[str]) -> list[str]:
    """What the files of figures of these names are called."""
    return [f"{name}.{suffix}" for name in figures for suffix in SUFFIXES]


def write_figure(draw: Callable[[], Any], folder: Path | str, name: str) -> None:
    """Draw a figure with letters of a size for print, and write it to `folder` as PNG and PDF."""
    import matplotlib

    with matplotlib.rc_context(PRINT):
        figure = draw()
        for file in file_names([name]):
            save_figure(figure, Path(folder) / file, dpi=300)


def figure_4(samples: Sequence[Sample]):
    """A gallery of test samples with their labels outlined, evenly from all of them."""
    lines, columns = GALLERY
    chosen = np.unique(np.linspace(0, len(samples) - 1, min(lines * columns, len(samples))).round().astype(int))
    figure, axes = subplots(lines, columns, figsize=(WIDTH, WIDTH * lines / columns * 1.12))
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, place in zip(axes.flat, chosen, strict=False):
        show(axis, outlined(samples[place]))
        axis.set_title(samples[place].name, pad=2)
    return figure


def outlined(sample: Sample) -> np.ndarray:
    """The image with its label outlined."""
    image, classes = sample.read()
    return overlay(image, classes == 1)


def figure_5(rows: Mapping[str, Result], kinds: Mapping[Sample, str]):
    """Image, label, and what each row of Table 5 marks; one line a landslide. A row without maps is grey."""
    columns = ["image", "label", *(row.title.replace(" (", "\n(") for row in TABLE_5)]
    read = {sample: sample.read() for sample in kinds}
    figure, axes = _lines_of([image for image, _ in read.values()], columns)
    for line, (sample, (image, classes)) in zip(axes, read.items(), strict=True):
        line[0].set_ylabel(f"{kinds[sample]}\n{sample.name}".replace(", ", ",\n"))
        show(line[0], image)
        show(line[1], classes == 1)
        for axis, row in zip(line[2:], TABLE_5, strict=True):
            found = marked(rows.get(row.name), sample.name)
            show(axis, found) if found is not None else _show_not_run(axis, image)
    return figure


def _lines_of(images: Sequence[np.ndarray], columns: Sequence[str]):
    """A figure with a line for each image, as high as the image wants, and titles above the columns."""
    heights = [image.shape[0] / image.shape[1] for image in images]
    size = WIDTH, (WIDTH - 0.5) / len(columns) * sum(heights) + 0.1 * len(heights) + 0.3
    figure, axes = subplots(len(images), len(columns), size, gridspec_kw={"height_ratios": heights})
    for axis, column in zip(axes[0], columns, strict=True):
        axis.set_title(column)
    return figure, axes


def _show_not_run(axis, image: np.ndarray) -> None:
    show(axis, np.full_like(image, 217))
    axis.text(0.5, 0.5, "not run", transform=axis.transAxes, ha="center", va="center")


def marked(result: Result | None, image: str) -> np.ndarray | None:
    """Where the most probable class is landslide, `(H, W)` bool; `None` for a row that was not run."""
    return None if result is None else result.probability(image) > result.threshold


def figure_6(rows: Mapping[str, Result], samples: Sequence[Sample]):
    """What PSPNet (MobileNet) and PSPNet (ResNet50) mark, outlined, and boxes around what they mark falsely."""
    compared = [row for row in TABLE_5 if row.architecture == "pspnet"]
    read = [sample.read() for sample in samples]
    figure, axes = _lines_of([image for image, _ in read], ["label", *(row.title for row in compared)])
    for line, sample, (image, classes) in zip(axes, samples, read, strict=True):
        show(line[0], overlay(image, classes == 1))
        line[0].set_ylabel(sample.name)
        for axis, row in zip(line[1:], compared, strict=True):
            found = marked(rows.get(row.name), sample.name)
            if found is None:
                _show_not_run(axis, image)
                continue
            show(axis, overlay(image, found))
            for box in false_boxes(classes == 1, found):
                _draw_box(axis, box)
    return figure


def false_boxes(truth: np.ndarray, found: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Left, top, width and height of what is falsely marked, piece by piece (8-connected), small ones left out."""
    _, _, facts, _ = cv2.connectedComponentsWithStats((found & ~truth).astype(np.uint8), connectivity=8)
    least = SMALLEST_BOX * truth.size
    return [tuple(piece[:4].tolist()) for piece in facts[1:] if piece[cv2.CC_STAT_AREA] >= least]


def _draw_box(axis, box: tuple[int, int, int, int]) -> None:
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import Normal, withStroke

    left, top, width, height = box
    around = 3  # pixels, so that the edge hides nothing
    corner = left - 0.5 - around, top - 0.5 - around
    edge = Rectangle(corner, width + 2 * around, height + 2 * around, fill=False, edgecolor=BOX, linewidth=1)
    edge.set_path_effects([withStroke(linewidth=2, foreground="white"), Normal()])
    axis.add_patch(edge)


def learning_curves(rows: Mapping[str, Result]):
    """Validation mIoU and loss over the epochs of all rows; a dot is the epoch whose weights are kept."""
    figure, ((miou, loss),) = subplots(1, 2, figsize=(WIDTH, 0.42 * WIDTH))
    for row, result in rows.items():
        epochs = [line["epoch"] for line in result.history]
        best = max(result.history, key=lambda line: line["val_miou"])
        for axis, name in ((miou, "val_miou"), (loss, "val_loss")):
            axis.plot(epochs, [line[name] for line in result.history], label=ROWS[row].title, **_style(row))
            axis.plot(best["epoch"], best[name], "o", color=COLOURS[row], markersize=3.5)
    for axis, label in ((miou, "validation mIoU"), (loss, "validation loss")):
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
    miou.legend(loc="lower right")
    return figure


def _style(row: str) -> dict[str, str]:
    return {"color": COLOURS[row], "linestyle": LINES[ROWS[row].architecture]}


def precision_recall_curves(rows: Mapping[str, Result], samples: Sequence[Sample]):
    """Precision over recall of the landslide class, all pixels pooled; marks at 0.5 and at the threshold."""
    figure, ((axis,),) = subplots(1, 1, figsize=(0.62 * WIDTH, 0.55 * WIDTH))
    for row, result in rows.items():
        counts = histogram(result, samples)
        precision, recall = precision_recall(counts)
        label = f"{ROWS[row].title}, average precision {100 * average_precision(counts):.1f} %"
        axis.plot(recall, precision, label=label, **_style(row))
        for decision in result.decisions:
            axis.plot(*_recall_and_precision(decision), _mark(decision is result), color=COLOURS[row], markersize=5)
    for faithful, label in ((True, "most probable class"), (False, "threshold of the weights")):
        axis.plot([], [], _mark(faithful), color="0.3", markersize=5, label=label)
    axis.set(xlim=(0, 1), ylim=(0, 1.01), xlabel="recall of landslide", ylabel="precision of landslide")
    axis.grid(alpha=0.3)
    axis.legend(loc="lower left")
    return figure


def _mark(faithful: bool) -> str:
    return "o" if faithful else "D"


def _recall_and_precision(decision: Decision) -> tuple[float, float]:
    scores = class_scores(decision.confusion)
    return float(scores["recall"][1]), float(scores["precision"][1])


def reliability_diagram(rows: Mapping[str, Result], samples: Sequence[Sample]):
    """How often pixels are landslide that are said to be so with a probability, and how many pixels are."""
    figure, ((shares,), (pixels,)) = subplots(
        2, 1, figsize=(0.55 * WIDTH, 0.85 * WIDTH), sharex=True, gridspec_kw={"height_ratios": (3, 1)}
    )
    shares.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
    for row, result in rows.items():
        counts = histogram(result, samples)
        probability, share, number = reliability(counts)
        label = f"{ROWS[row].title}, calibration error {100 * calibration_error(counts):.1f} %"
        shares.plot(probability, share, marker="o", markersize=3, label=label, **_style(row))
        pixels.plot(probability, number / number.sum(), **_style(row))
    shares.set(xlim=(0, 1), ylim=(0, 1), ylabel="share of pixels that are landslide")
    pixels.set(yscale="log", xlabel="probability of landslide", ylabel="share of pixels")
    pixels.yaxis.set_major_formatter("{x:g}")  # powers of ten would be printed smaller
    for axis in (shares, pixels):
        axis.grid(alpha=0.3)
    figure.legend(loc="outside lower center")
    return figure


def worst_images(result: Result, samples: Mapping[str, Sample], columns: int = 5):
    """The ten test images with the lowest IoU: the label outlined, and below it what is falsely marked and missed."""
    names, ious = worst(result), image_ious(result)
    lines = -(-len(names) // columns)
    figure, axes = subplots(2 * lines, columns, figsize=(WIDTH, 2 * lines * WIDTH / columns * 1.08))
    for axis in axes.flat:
        axis.set_axis_off()
    for place, name in enumerate(names):
        line, column = divmod(place, columns)
        above, below = axes[2 * line, column], axes[2 * line + 1, column]
        probability, truth = map_and_mask(result, samples[name])
        image, _ = samples[name].read()
        show(above, overlay(image, truth))
        show(below, errors_drawn(image, truth.astype(np.uint8), (probability > result.threshold).astype(np.uint8)))
        above.set_title(f"{name}, IoU {100 * ious[name]:.0f}", pad=2)
    figure.suptitle(ROWS[result.row].title)
    _colour_legend(figure)
    return figure


def _colour_legend(figure) -> None:
    from matplotlib.patches import Patch

    patches = [
        Patch(facecolor=(red / 255, green / 255, blue / 255), edgecolor="black", linewidth=0.5, label=name)
        for name, (red, green, blue) in ERRORS.items()
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches))
