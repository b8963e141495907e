"""A sample: an image with its mask, and how the two are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..errors import unknown_name
from ..files.images import read_grey, read_image
from ..settings import SUBSETS
from .overlaps import shared_ground


def check_subset(name: str) -> None:
    """Raise `LandslideError` for a name that is no subset's."""
    if name not in SUBSETS:
        raise unknown_name("subset", name, SUBSETS)


@dataclass(frozen=True)
class Neighbour:
    """A mask that shares ground with a sample: pixel (y, x) of the sample is pixel (y − dy, x − dx) of `mask`."""

    mask: Path
    dy: int
    dx: int


@dataclass(frozen=True)
class Sample:
    """One image with its mask; samples of one `group` show the same ground and stay on one side of a split.

    An image without landslide (a negative) has no mask: every pixel is background. The landslides of its `neighbours`
    belong to its classes too, as `neighbours_are`: 1, or 255 where they are to count nowhere (see `labels.py`).
    """

    name: str
    image: Path
    mask: Path | None
    group: str
    neighbours: tuple[Neighbour, ...] = ()
    neighbours_are: int = 1
    listed: str | None = None  # the subset in which the folder's own lists have it (voc.py)
    remedy: ClassVar[str] = "mend or remove, or write a clean copy with `keras-landslide prepare {folder} --out CLEAN`"

    @property
    def key(self) -> str:
        """What tells it from all other samples of a folder: a negative may have the name of a landslide image."""
        return self.name if self.mask else f"non-landslide/{self.name}"

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """The image, `(H, W, 3)` uint8 RGB, and its classes, `(H, W)` uint8.

        0 is background, 1 landslide. A folder in VOC's form may have more classes, and 255 for pixels to ignore.
        """
        image = read_image(self.image)
        if self.mask is None:
            return image, np.zeros(image.shape[:2], np.uint8)
        classes = self.classes_in(self.stored(self.mask))
        for neighbour in self.neighbours:
            beside = self.classes_in(self.stored(neighbour.mask))
            here, there = shared_ground(classes.shape, beside.shape, neighbour.dy, neighbour.dx)
            classes[here][(beside[there] == 1) & (classes[here] == 0)] = self.neighbours_are
        return image, classes

    def stored(self, mask: Path) -> np.ndarray:
        """The values of a mask file of this folder as stored, `(H, W)` uint8."""
        return read_grey(mask)

    def classes_in(self, stored: np.ndarray) -> np.ndarray:
        """The classes that the stored values stand for, `(H, W)` uint8."""
        return classes_of(stored)

    def mask_problem(self, values: np.ndarray, classes: int) -> str | None:
        """What is wrong with a mask of these `values` (each once) for a model of `classes`; `None` if nothing."""
        if np.count_nonzero(values) <= 1:
            return None
        return f"has the values {first_values(values)}; a mask has 0 for background and one other for landslide"

    def folder_problem(self, values: set[int]) -> str | None:
        """What is wrong with a folder whose masks, each possible by itself, hold `values` together."""
        marked = values - {0}
        if len(marked) < 2 or marked == {1, 255}:  # the two usual values for the same
            return None
        return (
            f"masks mark landslide with the values {first_values(sorted(marked))}, which may be several classes; give "
            "it one value in all, or let `keras-landslide prepare FOLDER --out CLEAN` take all of them as landslide."
        )


def classes_of(mask: np.ndarray) -> np.ndarray:
    """Mask values (0 and any one other) as classes 0 and 1, `(H, W)` uint8."""
    return (mask != 0).astype(np.uint8)


def first_values(values: Sequence[int] | np.ndarray) -> str:
    """The first of `values`.

    >>> first_values(range(9))
    '0, 1, 2, 3, 4, 5, …'
    """
    return ", ".join(map(str, values[:6])) + (", …" if len(values) > 6 else "")
