"""An image of any size in a square, and the way back."""

from dataclasses import dataclass

import cv2
import numpy as np

from ..settings import IGNORE_LABEL

BAR_GREY = 128


def crop_window(height: int, width: int, size: int, place: tuple[float, float]) -> tuple[slice, slice]:
    """Rows and columns of a window of at most `size × size` in an image of `height × width`.

    `place` says where, from 0 (top, left) up to but not including 1, down and right; where a side is no longer than
    `size` all of it is kept.

    >>> crop_window(100, 300, 128, (0.9, 0.5))
    (slice(0, 100, None), slice(86, 214, None))
    """
    return _window_side(height, size, place[0]), _window_side(width, size, place[1])


def _window_side(side: int, size: int, place: float) -> slice:
    start = int(place * (max(side - size, 0) + 1))
    return slice(start, start + min(side, size))


@dataclass(frozen=True)
class Letterbox:
    """Where an image of `height × width` lies in a square of `size`: scaled to fit, centred, bars around it.

    Made once for an image; the way in and the way back use the same numbers.

    >>> box = Letterbox(height=100, width=200, size=64)
    >>> box.inner_height, box.inner_width, box.top, box.left
    (32, 64, 16, 0)
    """

    height: int
    width: int
    size: int

    @property
    def scale(self) -> float:
        return self.size / max(self.height, self.width)

    @property
    def inner_height(self) -> int:
        return max(1, round(self.height * self.scale))

    @property
    def inner_width(self) -> int:
        return max(1, round(self.width * self.scale))

    @property
    def top(self) -> int:
        return (self.size - self.inner_height) // 2

    @property
    def left(self) -> int:
        return (self.size - self.inner_width) // 2

    @property
    def inside(self) -> tuple[slice, slice]:
        """The rows and columns of the square that show the image."""
        return slice(self.top, self.top + self.inner_height), slice(self.left, self.left + self.inner_width)

    def image_in(self, image: np.ndarray) -> np.ndarray:
        """`(height, width, 3)` uint8 to `(size, size, 3)` uint8, bars grey; areas are averaged when shrinking."""
        method = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_LINEAR
        square = np.full((self.size, self.size, image.shape[2]), BAR_GREY, np.uint8)
        square[self.inside] = cv2.resize(image, (self.inner_width, self.inner_height), interpolation=method)
        return square

    def labels_in(self, labels: np.ndarray) -> np.ndarray:
        """`(height, width)` uint8 classes to `(size, size)` uint8, nearest neighbour, bars 255 (ignored)."""
        square = np.full((self.size, self.size), IGNORE_LABEL, np.uint8)
        inner = cv2.resize(labels, (self.inner_width, self.inner_height), interpolation=cv2.INTER_NEAREST_EXACT)
        square[self.inside] = inner
        return square

    def probabilities_out(self, probabilities: np.ndarray) -> np.ndarray:
        """`(size, size, classes)` float32 to `(height, width, classes)` float32 at native size, bilinear."""
        inner = np.ascontiguousarray(probabilities[self.inside])
        return cv2.resize(inner, (self.width, self.height), interpolation=cv2.INTER_LINEAR)
