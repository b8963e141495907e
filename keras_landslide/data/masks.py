"""Masks as people store them: what their values mean, and the two classes that they hold."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import LandslideError
from ..io import read_stored
from .folder import first_values

# What counts as soft edges, that is as two classes blurred by a lossy file or by smoothing, and not as several classes:
SOFT_VALUES = 4  # at least so many different values,
SOFT_RANGE = 64  # the brightest so far from the darkest,
SOFT_MIDDLE = 0.25  # and at most this share of the pixels in the middle half of the range


@dataclass(frozen=True)
class Mask:
    """How a mask file is coded, and its classes `(H, W)` uint8, 0 background and 1 landslide.

    `coding` is `0/1`, `0/255` or two other values, `only 0` and the like for a mask of one value, `palette`, `colour`
    or `soft`. `as_it_is` says whether training takes the file without `prepare`.
    """

    coding: str
    classes: np.ndarray
    as_it_is: bool


def read_mask(path: Path | str) -> Mask:
    """Read a mask of any coding.

    Of two values the brighter is landslide; soft edges are cut half-way. Raises `LandslideError` if the file is
    unreadable or holds something else than two classes.
    """
    stored = read_stored(path)
    palette = _has_palette(path)
    values = _whole_numbers(stored, path)
    if values.ndim == 3:
        values = values[..., :3] if values.shape[2] >= 3 else values[..., :1]
        if (np.ptp(values, axis=2) > 0).any():
            return _of_colours(values, "palette" if palette else "colour", path)
        values = values[..., 0]
    mask = _of_values(values, path, soft=not palette)
    as_it_is = mask.as_it_is and values.dtype == stored.dtype
    return Mask("palette" if palette else mask.coding, mask.classes, as_it_is)


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


def _of_colours(bgr: np.ndarray, coding: str, path: Path | str) -> Mask:
    """Two colours are two classes, black or the darker one background; more may be two with soft edges."""
    colours, place = np.unique(bgr.reshape(-1, 3), axis=0, return_inverse=True)
    if len(colours) > 2:
        return _of_values(bgr.max(axis=2), path, soft=coding == "colour")
    landslide = np.argmax(colours.sum(axis=1, dtype=int))
    if len(colours) == 1:
        raise LandslideError(f"{path}: has one colour; which class it stands for cannot be known.")
    return Mask(coding, (place.reshape(bgr.shape[:2]) == landslide).astype(np.uint8), as_it_is=False)


def _of_values(grey: np.ndarray, path: Path | str, *, soft: bool) -> Mask:
    values, counts = np.unique(grey, return_counts=True)
    low, high = int(values[0]), int(values[-1])
    if len(values) == 1:
        return Mask(f"only {low}", np.full(grey.shape, low > 0, np.uint8), as_it_is=True)
    classes = (2 * grey.astype(int) > low + high).astype(np.uint8)
    if len(values) == 2:
        return Mask(f"{low}/{high}", classes, as_it_is=low == 0)
    quarter = (high - low) / 4
    middle = counts[(values > low + quarter) & (values < high - quarter)].sum() / grey.size
    if soft and len(values) >= SOFT_VALUES and high - low >= SOFT_RANGE and middle <= SOFT_MIDDLE:
        return Mask("soft", classes, as_it_is=False)
    raise LandslideError(f"{path}: has the values {first_values(values)}: neither two classes nor two with soft edges.")
