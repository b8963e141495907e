"""One scale for every image: resampled by one factor, not squeezed, and seen through a square of the input's size."""

import cv2
import numpy as np

from ..settings import IGNORE_LABEL
from .letterbox import BAR_GREY

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


def mirrored(part: slice, length: int) -> np.ndarray:
    """Which pixel of a side of `length` stands at each place of `part`, which may reach beyond it, `(stop − start,)`.

    >>> mirrored(slice(-3, 6), 4)
    array([2, 1, 0, 0, 1, 2, 3, 3, 2])
    """
    there_and_back = np.arange(part.start, part.stop) % (2 * length)
    return np.minimum(there_and_back, 2 * length - 1 - there_and_back)


def full_square(
    image: np.ndarray, labels: np.ndarray, size: int, place: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """A square `(size, size, 3)` of the image and its classes, `(size, size)`, at a place drawn at random.

    `place` says where, from 0 to 1, down and right. The square may reach beyond the image, by half of what it shows of
    a side at most, so that the middle of a small image comes to any part of it, edges too: Bijie's landslides stand in
    the middle of their images, and a network that only saw them there would look for them nowhere else. Beyond its
    edges the image goes on mirrored.

    >>> image, labels = np.zeros((6, 2, 3), np.uint8), np.arange(12, dtype=np.uint8).reshape(6, 2)
    >>> full_square(image, labels, 4, (0.5, 0.5))[1]
    array([[2, 2, 3, 3],
           [4, 4, 5, 5],
           [6, 6, 7, 7],
           [8, 8, 9, 9]], dtype=uint8)
    """
    height, width = labels.shape
    shown = [_drawn(side, size, where) for side, where in zip((height, width), place, strict=True)]
    places = np.ix_(mirrored(shown[0], height), mirrored(shown[1], width))
    return image[places], labels[places]


def surrounded_square(
    image: np.ndarray,
    labels: np.ndarray,
    size: int,
    place: tuple[float, float],
    around: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """As `full_square`, but what lies outside of the image is that of `around`, another square and its classes."""
    square, classes = (part.copy() for part in around)
    here, there = [], []
    for side, where in zip(labels.shape, place, strict=True):
        shown = _drawn(side, size, where)
        here.append(slice(max(0, shown.start), min(side, shown.stop)))
        there.append(slice(here[-1].start - shown.start, here[-1].stop - shown.start))
    square[tuple(there)], classes[tuple(there)] = image[tuple(here)], labels[tuple(here)]
    return square, classes


def with_a_collar(square: np.ndarray, classes: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """The square without its lowest `share`, from 0 to 1, which is grey and ignored, as what has no data in a scene."""
    square, classes = square.copy(), classes.copy()
    first = round((1 - share) * len(square))
    square[first:], classes[first:] = BAR_GREY, IGNORE_LABEL
    return square, classes


def _drawn(side: int, size: int, place: float) -> slice:
    """What a square shows of a side of an image, in pixels of the image, inside of it and beyond."""
    hidden = HIDDEN * min(side, size)
    first, last = min(0, side - size) - hidden, max(0, side - size) + hidden
    start = round(first + place * (last - first))
    return slice(start, start + size)
