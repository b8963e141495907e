"""Squares that cover an image, half overlapping, and how their probabilities are blended; NumPy only."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np


def window_starts(length: int, size: int) -> list[int]:
    """Where windows of `size` pixels begin along a side of `length` pixels, which is no shorter.

    Every half window from 0 on; the last lies flush with the far edge, so that no window reaches beyond it.

    >>> window_starts(200, 64)
    [0, 32, 64, 96, 128, 136]
    """
    return [*range(0, length - size, size // 2), length - size]


def windows(height: int, width: int, size: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of all windows of an image of `height × width`, row by row."""
    for top in window_starts(height, size):
        for left in window_starts(width, size):
            yield slice(top, top + size), slice(left, left + size)


def cores(length: int, size: int) -> list[slice]:
    """The part of each window that no other has nearer to its middle, in pixels of the window: they meet, and each
    pixel of a side of `length` lies in one.

    >>> cores(200, 64)[:2], cores(200, 64)[-2:]
    ([slice(0, 48, None), slice(16, 48, None)], [slice(16, 36, None), slice(28, 64, None)])
    """
    starts = window_starts(length, size)
    # halfway between the middles of two windows
    borders = [0, *((one + other + size) // 2 for one, other in itertools.pairwise(starts)), length]
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
    """Probabilities of an image that is too large for one window, `(H, W, classes)` float32: Σw·p / Σw.

    `image` is `(H, W, 3)` uint8 with sides of at least `size`; `probabilities` gives those of a window,
    `(size, size, 3)` to `(size, size, classes)`.
    """
    weights = window_weights(size)[..., None]
    height, width = image.shape[:2]
    total, weight = np.zeros((height, width, 0), np.float32), np.zeros((height, width, 1), np.float32)
    for place in windows(height, width, size):
        found = probabilities(image[place])
        if not total.size:
            total = np.zeros((height, width, found.shape[-1]), np.float32)
        total[place] += weights * found
        weight[place] += weights
    return total / weight
