"""Whether kernels in bfloat16 mark the same pixels: looked at in some windows of each scene before it is mapped."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..errors import LandslideError
from ..prediction.windows import window_starts
from .network import Network
from .plan import Job

LEAST_SAME = 0.995  # of the pixels
ALONG = 5  # windows along each side, at most


def check_bfloat16(jobs: Sequence[Job], exact: Network, rounded: Network, report: Callable[[str], object]) -> None:
    """Raise `LandslideError` for the first scene that `rounded` marks otherwise than `exact` does.

    How many pixels change their class depends on the scene: those do where a network is in doubt.
    """
    for job in jobs:
        same = same_class(job, exact, rounded)
        if same < LEAST_SAME:
            raise LandslideError(
                f"{job.scene.path}: in bfloat16 {100 * same:.2f} % of the pixels tried keep their class, less than "
                f"{100 * LEAST_SAME:g} %; leave --bfloat16 out."
            )
        report(f"{job.name}: in bfloat16 {100 * same:.2f} % of the pixels tried keep their class.")


def same_class(job: Job, first: Network, second: Network) -> float:
    """The share of valid pixels that both networks put on one side of the threshold, in windows all over the scene."""
    rows, columns = (_spread(window_starts(side, job.size), job.size) for side in (job.grid.height, job.grid.width))
    with job.scene.opened() as dataset:
        seen = [job.scene.read(dataset, job.grid, top, left) for top in rows for left in columns]
    same, valid = 0, 0
    for image, inside in seen:
        classes = [network(image[np.newaxis])[0, 0] > job.threshold for network in (first, second)]
        same += int((inside & (classes[0] == classes[1])).sum())
        valid += int(inside.sum())
    return same / valid if valid else 1.0


def _spread(starts: Sequence[int], size: int) -> list[slice]:
    """Some of the windows of a side, from its first to its last.

    >>> [window.start for window in _spread([-32, 0, 32, 64, 96, 128, 160], 64)]
    [-32, 32, 64, 96, 160]
    """
    chosen = np.unique(np.linspace(0, len(starts) - 1, ALONG).round().astype(int))
    return [slice(starts[place], starts[place] + size) for place in chosen]
