"""One scale for every image: resampled by one factor, not squeezed, and seen through a square of the input's size."""

import cv2
import numpy as np

from ..settings import IGNORE_LABEL
from .letterbox import BAR_GREY, crop_window

HIDDEN = 0.5  # of a side: the most that a square drawn at random leaves out of what it could show


def resampled(image: np.ndarray, zoom: float) -> np.ndarray:
    """`(H, W, 3)` uint8 with `zoom` pixels for one: areas are averaged when shrinking, else bilinear."""
    method = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, _sides(image, zoom), interpolation=method)


def resampled_labels(labels: np.ndarray, zoom: float) -> np.ndarray:
    """`(H, W)` uint8 classes to the size that `resampled` gives the image, nearest neighbour."""
    return cv2.resize(labels, _sides(labels, zoom), interpolation=cv2.INTER_NEAREST_EXACT)


def _sides(image: np.ndarray, zoom: float) -> tuple[int, int]:
    """Width and height, as OpenCV wants them."""
    height, width = (max(1, round(side * zoom)) for side in image.shape[:2])
    return width, height


def drawn_square(
    image: np.ndarray,
    labels: np.ndarray,
    size: int,
    place: tuple[float, float],
    around: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """A square `(size, size, 3)` of the image and its classes, `(size, size)`, at a place drawn at random.

    `place` says where, from 0 to 1, down and right. The square may reach beyond the image, by half of what it shows of
    a side at most, so that the middle of a small image comes to any part of it, edges too: Bijie's landslides stand in
    the middle of their images, and a network that only saw them there would look for them nowhere else. What lies
    outside is grey and ignored, or `around`: another square with its classes.

    >>> image, labels = np.zeros((6, 2, 3), np.uint8), np.arange(12, dtype=np.uint8).reshape(6, 2)
    >>> drawn_square(image, labels, 4, (0.5, 0.5))[1]
    array([[255,   2,   3, 255],
           [255,   4,   5, 255],
           [255,   6,   7, 255],
           [255,   8,   9, 255]], dtype=uint8)
    """
    if around is None:
        around = np.full((size, size, 3), BAR_GREY, np.uint8), np.full((size, size), IGNORE_LABEL, np.uint8)
    square, classes = (part.copy() for part in around)
    sides = [_drawn_side(side, size, where) for side, where in zip(labels.shape, place, strict=True)]
    here, there = (tuple(ends) for ends in zip(*sides, strict=True))
    square[there], classes[there] = image[here], labels[here]
    return square, classes


def _drawn_side(side: int, size: int, place: float) -> tuple[slice, slice]:
    """What a square shows of a side of the image, and where in the square it stands."""
    hidden = HIDDEN * min(side, size)
    first, last = min(0, side - size) - hidden, max(0, side - size) + hidden
    start = round(first + place * (last - first))
    here = slice(max(0, start), min(side, start + size))
    return here, slice(here.start - start, here.stop - start)


def full_square(
    image: np.ndarray, labels: np.ndarray, size: int, place: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """A square `(size, size, 3)` of the image and its classes, `(size, size)`, without bars.

    What is larger is cut at `place`, as `crop_window` does it; what is smaller goes on mirrored.

    >>> full_square(np.zeros((1, 3, 3), np.uint8), np.array([[4, 5, 6]], np.uint8), 4, (0, 0))[1][0]
    array([4, 5, 6, 6], dtype=uint8)
    """
    height, width = labels.shape
    window = crop_window(height, width, size, place)
    image, labels = image[window], labels[window]
    missing = [(0, size - side) for side in labels.shape]
    return np.pad(image, [*missing, (0, 0)], mode="symmetric"), np.pad(labels, missing, mode="symmetric")
