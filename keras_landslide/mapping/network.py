"""One network or several, seen through mirror images or not, as one function of windows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..prediction.predictor import FLIPS


@dataclass(frozen=True)
class Network:
    """What gives a window its probability of landslide, and how far its opinions lie apart.

    `runs` are functions from `(N, S, S, 3)` float32, RGB 0–255, to probabilities `(N, S, S, 2)`; with `average_flips`
    each sees every window and its three mirror images.

    >>> half = Network([lambda batch: np.full((*batch.shape[:3], 2), 0.5, np.float32)], 64, spread=True)
    >>> half(np.zeros((1, 64, 64, 3), np.uint8)).max(axis=(1, 2, 3))
    array([0.5, 0. ], dtype=float32)
    """

    runs: Sequence[Callable[[np.ndarray], np.ndarray]]
    size: int
    average_flips: bool = False
    spread: bool = False

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """Of windows `(N, S, S, 3)`, RGB 0–255, the mean opinion and, with `spread`, the standard deviation of all.

        Returns `(kinds, N, S, S)` float32, with one kind or two.
        """
        batch = windows.astype(np.float32, copy=False)
        flips = FLIPS if self.average_flips else FLIPS[:1]
        opinions = [_mirrored(run, batch, flip) for run in self.runs for flip in flips]
        if len(opinions) == self.kinds == 1:
            return opinions[0][np.newaxis]  # its own mean: to take it would cost two copies
        found = [np.mean(opinions, axis=0), np.std(opinions, axis=0)]
        return np.stack(found[: self.kinds])

    @property
    def kinds(self) -> int:
        return 2 if self.spread else 1


def _mirrored(run: Callable, batch: np.ndarray, flip: tuple[int, ...]) -> np.ndarray:
    """The probability of landslide, `(N, S, S)`, from a mirror image and turned back."""
    axes = tuple(axis + 1 for axis in flip)
    return np.flip(run(np.flip(batch, axes))[..., 1], axes)
