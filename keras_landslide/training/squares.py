"""What validation shows a network of its samples: each whole, or in windows at one scale."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..data.native import resampled, resampled_labels
from ..data.sample import Sample
from ..prediction.windows import cores, framed, windows
from ..settings import IGNORE_LABEL, Settings


@dataclass(frozen=True)
class Window:
    """A window in which a sample is predicted at one scale; `read` is that of a `Sample`.

    Each pixel counts once: outside its `core`, which is measured in the window, pixels are nearer to the middle of
    another window and ignored.
    """

    sample: Sample
    zoom: float
    size: int
    place: tuple[slice, slice]
    core: tuple[slice, slice]

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """The window's image, `(size, size, 3)` uint8 RGB, and its classes, `(size, size)` uint8."""
        image, labels = self.sample.read()
        image = framed(resampled(image, self.zoom), self.size)
        labels = framed(resampled_labels(labels, self.zoom), self.size, IGNORE_LABEL)
        counted = np.full((self.size, self.size), IGNORE_LABEL, np.uint8)
        counted[self.core] = labels[self.place][self.core]
        return image[self.place], counted


def squares(samples: Sequence[Sample], settings: Settings) -> Sequence[Sample | Window]:
    """What validation shows of `samples`: themselves, or all their windows where `sampling` is `native`."""
    if settings.sampling != "native":
        return samples
    return [window for sample in samples for window in _windows(sample, settings.zoom, settings.image_size)]


def _windows(sample: Sample, zoom: float, size: int) -> list[Window]:
    """The windows of a prediction that have a core."""
    sides = resampled_labels(sample.read()[1], zoom).shape
    seen = itertools.product(*(cores(side, size) for side in sides))
    return [
        Window(sample, zoom, size, place, core)
        for place, core in zip(windows(*sides, size), seen, strict=True)
        if all(part.start < part.stop for part in core)
    ]
