"""Scores of results with their intervals: pooled over pixels, as means over images, and differences of two rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..scores import interval, landslide_iou, paired_difference, share_interval
from .result import Negatives, Scored

Score = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class Estimate:
    """A fraction with its 95 % interval; a difference of two is `signed`."""

    value: float
    interval: tuple[float, float]
    signed: bool = False


def estimate(scored: Scored, score: Score) -> Estimate:
    """A score of all pixels together, its interval over groups of images that share ground."""
    return Estimate(score(scored.confusion), interval(scored.counts, scored.groups, score))


def false_alarms(negatives: Negatives | None) -> Estimate | None:
    """The share of images without landslide in which too much is marked; `None` where nobody counted."""
    if negatives is None:
        return None
    return Estimate(negatives.false_alarms, share_interval(negatives.false_alarms, negatives.images))


def image_ious(scored: Scored) -> dict[str, float]:
    """The landslide IoU of every image; NaN where there is neither a landslide nor a mark."""
    return {name: landslide_iou(confusion) for name, confusion in scored.counts.items()}


def mean_over_images(values: Mapping[str, float], groups: Mapping[str, str]) -> Estimate:
    """The mean of the images that have a value, its interval over groups."""
    counts = _counted_once(values)
    return Estimate(_ratio(np.sum(list(counts.values()), axis=0)), interval(counts, groups, _ratio))


def difference(better: Scored, worse: Scored, score: Score) -> Estimate:
    """A score of `better` less that of `worse`, all pixels of the same images together."""
    return Estimate(*paired_difference(worse.counts, better.counts, better.groups, score), signed=True)


def mean_difference(better: Scored, worse: Scored) -> Estimate:
    """As `difference`, of the landslide IoU as a mean over images."""
    before, after = (_counted_once(image_ious(scored)) for scored in (worse, better))
    return Estimate(*paired_difference(before, after, better.groups, _ratio), signed=True)


def _counted_once(values: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Values of images as counts of which `_ratio` is the mean: an image without a value counts nowhere."""
    return {name: np.zeros(2) if np.isnan(value) else np.array([value, 1]) for name, value in values.items()}


def _ratio(counts: np.ndarray) -> float:
    return float(counts[0] / counts[1]) if counts[1] else float("nan")
