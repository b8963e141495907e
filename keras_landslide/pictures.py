"""Pictures: outlines and errors on an image, learning curves, and grids of images side by side (Figure 5)."""

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from .files.atomic import written_beside
from .settings import IGNORE_LABEL

# RGB
OUTLINE = (255, 230, 0)  # the scar's browns and the forest's greens have no yellow as bright
LABEL = (255, 255, 255)
WRONG, MISSED = (213, 94, 0), (0, 114, 178)  # Okabe and Ito's, told apart with any colour vision
# What the colours mean.
ERRORS = {"outline of the label": LABEL, "marked, but not labelled so": WRONG, "labelled, but not marked": MISSED}
TINT = 0.5  # of those over the image, which shows through


def overlay(image: np.ndarray, landslide: np.ndarray) -> np.ndarray:
    """The RGB image with the outlines of `landslide`, `(H, W)` bool, drawn in yellow."""
    drawn = image.copy()
    _outline(drawn, landslide, OUTLINE)
    return drawn


def errors_drawn(image: np.ndarray, truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The RGB image with what was marked wrongly in orange, what was missed in blue, and the label's outline in white.

    `truth` and `found` are classes, `(H, W)` uint8. Of more than two classes, what is marked as another class than it
    is counts as marked wrongly. Pixels whose truth is 255 count nowhere.

    >>> truth, found = np.array([[0, 1, 255, 0]] * 4, np.uint8), np.array([[1, 0, 1, 0]] * 4, np.uint8)
    >>> errors_drawn(np.zeros((4, 4, 3), np.uint8), truth, found)[1].tolist()
    [[213, 94, 0], [255, 255, 255], [0, 0, 0], [0, 0, 0]]
    """
    valid = truth != IGNORE_LABEL
    wrong = valid & (found > 0) & (found != truth)
    missed = valid & (found == 0) & (truth > 0)
    drawn = image.astype(np.float32)
    for pixels, colour in ((wrong, WRONG), (missed, MISSED)):
        drawn[pixels] = (1 - TINT) * drawn[pixels] + TINT * np.array(colour, np.float32)
    drawn = drawn.astype(np.uint8)
    _outline(drawn, wrong, WRONG)
    _outline(drawn, valid & (truth > 0), LABEL)
    return drawn


def _outline(drawn: np.ndarray, pixels: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Draw the outlines of `pixels`, `(H, W)` bool, into the RGB image."""
    outlines, _ = cv2.findContours(pixels.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(drawn, outlines, -1, colour, thickness=max(1, round(max(drawn.shape[:2]) / 250)))


def learning_curves(history: Sequence[dict], path: Path | str, title: str) -> None:
    """Draw loss and mIoU of training and validation over the epochs of both phases."""
    figure = curves_figure(history)
    figure.suptitle(title)
    save_figure(figure, path)


def curves_figure(history: Sequence[dict]):
    """The figure of `learning_curves`, without a title."""
    figure, ((loss_axis, miou_axis),) = subplots(1, 2, figsize=(10, 4))
    epochs = [line["epoch"] for line in history]
    for axis, name, label in ((loss_axis, "loss", "loss"), (miou_axis, "miou", "mIoU")):
        axis.plot(epochs, [line[name] for line in history], label="training, augmented", color="tab:grey")
        axis.plot(epochs, [line[f"val_{name}"] for line in history], label="validation", color="tab:red")
        unfrozen = [line["epoch"] for line in history if line["phase"] == "unfrozen"]
        if unfrozen and unfrozen[0] > 1:
            axis.axvline(unfrozen[0] - 0.5, color="black", linestyle=":", linewidth=1)
            axis.annotate(
                " backbone\n unfrozen", (unfrozen[0] - 0.5, 0.02), xycoords=("data", "axes fraction"), fontsize=8
            )
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
        axis.legend()
    best = max(history, key=lambda line: line["val_miou"])
    miou_axis.plot(best["epoch"], best["val_miou"], "o", color="tab:red")
    miou_axis.annotate(
        f"{best['val_miou']:.3f}",
        (best["epoch"], best["val_miou"]),
        textcoords="offset points",
        xytext=(0, 6),
        horizontalalignment="center",
    )
    return figure


def comparison_figure(
    rows: Sequence[tuple[str, Sequence[np.ndarray]]], columns: Sequence[str], path: Path | str
) -> None:
    """Draw a grid of pictures as Figure 5 does: one line an image, columns such as image, label, prediction.

    `rows` hold a name and as many pictures as `columns`: `(H, W, 3)` uint8, or masks `(H, W)` bool drawn as
    black and white.
    """
    figure, axes = subplots(len(rows), len(columns), figsize=(2.2 * len(columns) + 0.4, 2.2 * len(rows) + 0.3))
    for line, (name, pictures) in zip(axes, rows, strict=True):
        line[0].set_ylabel(name, fontsize=8)
        for axis, picture in zip(line, pictures, strict=True):
            show(axis, picture)
    for axis, column in zip(axes[0], columns, strict=True):
        axis.set_title(column, fontsize=9)
    save_figure(figure, path)


def show(axis, picture: np.ndarray) -> None:
    """Draw a picture without ticks: `(H, W, 3)` uint8, or a mask `(H, W)` bool in black and white."""
    axis.imshow(picture, cmap="gray", vmin=0, vmax=1 if picture.ndim == 2 else None, interpolation="nearest")
    axis.set_xticks([])
    axis.set_yticks([])


def subplots(rows: int, columns: int, figsize: tuple[float, float], **how):
    """A figure without pyplot, which would want a screen and keep every figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=figsize, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **how)


def save_figure(figure, path: Path | str, dpi: int = 120) -> None:
    """Write a figure as its path's suffix says, `.png` or `.pdf`."""
    with written_beside(Path(path)) as beside:
        figure.savefig(beside, dpi=dpi, format=Path(path).suffix.removeprefix("."))


def svg_text(figure) -> str:
    """The figure as SVG, whose letters are shapes: it looks the same without any font, and each time."""
    from matplotlib import rc_context

    text = io.StringIO()
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": "keras-landslide"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()
