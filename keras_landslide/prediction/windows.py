"""Squares that cover an image, half overlapping, and how their probabilities are blended; NumPy only."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np


def window_starts(length: int, size: int) -> list[int]:
    """Where windows of `size` pixels begin along a side of `length` pixels: every half window, from half of one before.

    So each pixel lies in two of them, at the edges too, and in the middle half of one.

    >>> window_starts(200, 64), window_starts(10, 64)
    ([-32, 0, 32, 64, 96, 128, 160, 192], [-32, 0])
    """
    return [*range(-(size // 2), length, size // 2)]


def framed(image: np.ndarray, size: int, beyond: int | None = None) -> np.ndarray:
    """`image`, `(H, W, …)`, in a frame as wide as its windows of `size` reach beyond it.

    There it goes on mirrored, as ground goes on; or it has the value `beyond`.
    """
    sides = [(size // 2, window_starts(side, size)[-1] + size - side) for side in image.shape[:2]]
    frame = [*sides, *[(0, 0)] * (image.ndim - 2)]
    return np.pad(image, frame, mode="symmetric") if beyond is None else np.pad(image, frame, constant_values=beyond)


def windows(height: int, width: int, size: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of all windows of an image of `height × width`, row by row, in pixels of the `framed` image."""
    before = size // 2
    for top in window_starts(height, size):
        for left in window_starts(width, size):
            yield slice(top + before, top + before + size), slice(left + before, left + before + size)


def cores(length: int, size: int) -> list[slice]:
    """The part of each window that no other has nearer to its middle, in pixels of the window.

    They meet, and each pixel of a side of `length` lies in one; of a side that is short some are empty.

    >>> cores(200, 64)[:2], cores(200, 64)[-2:]
    ([slice(32, 48, None), slice(16, 48, None)], [slice(16, 40, None), slice(8, 8, None)])
    """
    starts = window_starts(length, size)
    # halfway between the middles of two windows
    borders = [0, *(min(length, (one + other + size) // 2) for one, other in itertools.pairwise(starts)), length]
    return [
        slice(first - start, last - start)
        for start, (first, last) in zip(starts, itertools.pairwise(borders), strict=True)
    ]


def window_weights(size: int) -> np.ndarray:
    """The weight of each pixel of a window, `(size, size)` float32: a Hann window, sampled between its zeros.

    It is largest in the middle, where a network sees most of what surrounds a pixel, and zero nowhere, so that every
    pixel of an image has a weight above zero in sum.
    """
    side = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    return np.outer(side, side).astype(np.float32)


def blended(image: np.ndarray, size: int, probabilities: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Probabilities of an image of any size, `(H, W, classes)` float32, from the windows around each pixel: Σw·p / Σw.

    `image` is `(H, W, 3)` uint8, and mirrored where windows reach beyond its edges; `probabilities` gives those of a
    window, `(size, size, 3)` to `(size, size, classes)`.
    """
    (height, width), larger, before = image.shape[:2], framed(image, size), size // 2
    weights = window_weights(size)[..., None]
    total, weight = np.zeros((*larger.shape[:2], 0), np.float32), np.zeros((*larger.shape[:2], 1), np.float32)
    for place in windows(height, width, size):
        found = probabilities(larger[place])
        if not total.size:
            total = np.zeros((*larger.shape[:2], found.shape[-1]), np.float32)
        total[place] += weights * found
        weight[place] += weights
    inside = slice(before, before + height), slice(before, before + width)
    return total[inside] / weight[inside]
