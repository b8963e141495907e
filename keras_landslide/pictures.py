"""Pictures: outlines on an image, learning curves, and grids of images side by side (Figure 5)."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from .files.atomic import written_beside

OUTLINE = (255, 230, 0)  # RGB; the scar's browns and the forest's greens have no yellow as bright
# Of Okabe and Ito's colours, which are told apart with any colour vision: found, falsely marked, missed.
CONFUSION_COLOURS = {"found": (240, 228, 66), "falsely marked": (213, 94, 0), "missed": (0, 114, 178)}


def overlay(image: np.ndarray, landslide: np.ndarray) -> np.ndarray:
    """The RGB image with the outlines of `landslide`, `(H, W)` bool, drawn in yellow."""
    drawn = image.copy()
    outlines, _ = cv2.findContours(landslide.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(drawn, outlines, -1, OUTLINE, thickness=max(1, round(max(image.shape[:2]) / 250)))
    return drawn


def confusion_overlay(image: np.ndarray, truth: np.ndarray, marked: np.ndarray) -> np.ndarray:
    """The RGB image in grey, what is found, falsely marked and missed in `CONFUSION_COLOURS`; masks `(H, W)` bool."""
    drawn = np.repeat(0.7 * cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., np.newaxis], 3, axis=2)
    parts = (truth & marked, ~truth & marked, truth & ~marked)
    for part, colour in zip(parts, CONFUSION_COLOURS.values(), strict=True):
        drawn[part] = 0.35 * drawn[part] + 0.65 * np.array(colour)
    return drawn.round().astype(np.uint8)


def learning_curves(history: Sequence[dict], path: Path | str, title: str) -> None:
    """Draw loss and mIoU of training and validation over the epochs of both phases."""
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
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
        axis.legend()
    best = max(history, key=lambda line: line["val_miou"])
    miou_axis.plot(best["epoch"], best["val_miou"], "o", color="tab:red")
    miou_axis.annotate(
        f"{best['val_miou']:.3f}", (best["epoch"], best["val_miou"]), textcoords="offset points", xytext=(0, 6)
    )
    figure.suptitle(title)
    save_figure(figure, path)


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
