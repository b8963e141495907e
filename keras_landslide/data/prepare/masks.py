"""Masks as people store them: what their values mean, and the two classes that they hold."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...errors import LandslideError
from ...files.images import read_stored, transparency
from ..sample import first_values

# What counts as soft edges, that is as two classes blurred by a lossy file or by smoothing, and not as several classes:
SOFT_VALUES = 4  # at least so many different values,
SOFT_RANGE = 64  # the two classes so far from each other,
SOFT_MIDDLE = 0.25  # at most this share of the pixels half-way between (or in colour, as far from both),
SOFT_EDGE = 4  # and those no further than so many pixels from where one class meets the other
NEAR = 32  # to black or white, in every channel: what a lossy file makes of them


@dataclass(frozen=True)
class Mask:
    """How a mask file is coded, and its classes `(H, W)` uint8, 0 background and 1 landslide.

    `coding` is `0/1`, `0/255` or two other values, `only 0` and the like for a mask of one value, `palette`, `colour`
    or `soft`, with the colours of landslide and background (`colour #ff0000 on #ffffff`), or `transparency`.
    `as_it_is` says whether training takes the file without `prepare`.
    """

    coding: str
    classes: np.ndarray
    as_it_is: bool


def read_mask(path: Path | str) -> Mask:
    """Read a mask of any coding.

    Of two values the brighter is landslide; of two colours black is background, else white; soft edges are cut
    half-way. Raises `LandslideError` if the file is unreadable or holds something else than two classes.
    """
    stored = read_stored(path)
    palette = _has_palette(path)
    values = _whole_numbers(stored, path)
    transparent = transparency(values)
    if values.ndim == 3:
        values = values[..., :3] if values.shape[2] >= 3 else values[..., :1]
        if transparent is not None:
            return _of_transparency(transparent, values, path)
        if (np.ptp(values, axis=2) > 0).any():
            return _of_colours(values, "palette" if palette else "colour", path)
        values = values[..., 0]
    mask = _of_values(values, path, soft=not palette)
    as_it_is = mask.as_it_is and values.dtype == stored.dtype
    return Mask("palette" if palette and not as_it_is else mask.coding, mask.classes, as_it_is)


def _of_transparency(transparent: np.ndarray, values: np.ndarray, path: Path | str) -> Mask:
    """What is not transparent is landslide; colours must say the same, if they differ at all."""
    mask = Mask("transparency", _of_values(transparent, path, soft=True).classes, as_it_is=False)
    if np.ptp(values.reshape(-1, values.shape[2]), axis=0).any():
        coloured = (np.ptp(values, axis=2) > 0).any()
        shown = _of_colours(values, "colour", path) if coloured else _of_values(values[..., 0], path, soft=True)
        if not np.array_equal(shown.classes, mask.classes):
            raise LandslideError(f"{path}: shows one shape in its colours and another in its transparency.")
    return mask


def _has_palette(path: Path | str) -> bool:
    """Whether a PNG's header says so; OpenCV turns its indices into colours."""
    with Path(path).open("rb") as file:
        header = file.read(26)
    return header[:8] == b"\x89PNG\r\n\x1a\n" and header[25] == 3


def _whole_numbers(stored: np.ndarray, path: Path | str) -> np.ndarray:
    if np.issubdtype(stored.dtype, np.unsignedinteger):
        return stored
    if not np.isin(stored, np.arange(256)).all():
        raise LandslideError(f"{path}: holds {stored.dtype} values that are no whole numbers from 0 to 255.")
    return stored.astype(np.uint8)


def _of_colours(bgr: np.ndarray, kind: str, path: Path | str) -> Mask:
    """Two colours are two classes; more may be two with soft edges, the two most common that are far apart."""
    colours, place, counts = np.unique(bgr.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    if len(colours) == 1:
        raise LandslideError(f"{path}: has one colour; which class it stands for cannot be known.")
    first = np.argmax(counts)
    far = _distances(colours, colours[first]) >= (SOFT_RANGE if len(colours) > 2 else 1)
    two = colours[[first, np.argmax(counts * far)]]
    distances = np.array([_distances(colours, one) for one in two])
    nearest = np.argmin(distances, axis=0).astype(np.uint8)[place].reshape(bgr.shape[:2])
    if len(colours) > 2:
        quarter = max(distances[0].max(), 2 * SOFT_RANGE) / 4
        between = (distances.min(axis=0) > quarter)[place].reshape(bgr.shape[:2])
        if kind == "palette" or len(colours) < SOFT_VALUES or not far.any() or not _only_at_edges(between, nearest):
            raise LandslideError(f"{path}: has {len(colours)} colours: neither two classes nor two with soft edges.")
    background = _background_of(two, path)
    names = ["#{2:02x}{1:02x}{0:02x}".format(*colour) for colour in two]
    coding = f"{'soft' if len(colours) > 2 else kind} {names[1 - background]} on {names[background]}"
    return Mask(coding, nearest ^ np.uint8(background), as_it_is=False)


def _distances(colours: np.ndarray, colour: np.ndarray) -> np.ndarray:
    return np.linalg.norm(colours - colour.astype(float), axis=1)


def _background_of(two: np.ndarray, path: Path | str) -> int:
    """Which of two colours, `(2, 3)`, is background: black, as in masks, else white, as on maps."""
    for alike in (two.max(axis=1) < NEAR, two.min(axis=1) > 255 - NEAR):
        if alike.any():
            return int(np.argmax(alike))
    raise LandslideError(f"{path}: has two colours, neither black nor white; which is background cannot be known.")


def _of_values(grey: np.ndarray, path: Path | str, *, soft: bool) -> Mask:
    values = np.unique(grey)
    low, high = int(values[0]), int(values[-1])
    if len(values) == 1:
        return Mask(f"only {low}", np.full(grey.shape, low > 0, np.uint8), as_it_is=True)
    classes = (2 * grey.astype(int) > low + high).astype(np.uint8)
    if len(values) == 2:
        return Mask(f"{low}/{high}", classes, as_it_is=low == 0)
    quarter = (high - low) / 4
    between = (grey > low + quarter) & (grey < high - quarter)
    many = between.any() or len(values) >= 2 * SOFT_VALUES  # not a few numbers of classes, and 255 where ignored
    if soft and many and len(values) >= SOFT_VALUES and high - low >= SOFT_RANGE and _only_at_edges(between, classes):
        return Mask("soft", classes, as_it_is=False)
    raise LandslideError(f"{path}: has the values {first_values(values)}: neither two classes nor two with soft edges.")


def _only_at_edges(between: np.ndarray, classes: np.ndarray) -> bool:
    """Whether pixels `between` two classes are few, and all of them near where one class meets the other."""
    square = np.ones((2 * SOFT_EDGE + 1, 2 * SOFT_EDGE + 1), np.uint8)
    edges = cv2.dilate(classes, square) != cv2.erode(classes, square)
    return bool(between.mean() <= SOFT_MIDDLE and not (between & ~edges).any())
