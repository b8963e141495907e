"""Counts of pixels → scores (equations 1 to 3), how sure they are, and differences between two; NumPy only."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .settings import IGNORE_LABEL

FALSE_ALARM = 0.01  # an image without landslide counts as a false alarm when more than this share of it is marked


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, classes: int = 2) -> np.ndarray:
    """Count pixels: `(classes, classes)` int64, rows are the truth, columns the prediction; truth 255 is left out.

    For two classes that is [[TN, FP], [FN, TP]] with landslide positive (Table 1).

    >>> confusion_matrix(np.array([0, 0, 1, 1, 255]), np.array([0, 1, 1, 1, 1]))
    array([[1, 1],
           [0, 2]])
    """
    valid = truth != IGNORE_LABEL
    pairs = truth[valid].astype(np.int64) * classes + predicted[valid]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def class_scores(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Precision, recall, IoU and F1 of every class (equations 1 to 3), fractions, `(classes,)` float64 each.

    A class that is neither in the truth nor predicted has no score: NaN.
    """
    confusion = np.asarray(confusion, np.float64)
    hits = np.diag(confusion)
    predicted, actual = confusion.sum(axis=0), confusion.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "precision": hits / predicted,
            "recall": hits / actual,
            "iou": hits / (predicted + actual - hits),
            "f1": 2 * hits / (predicted + actual),
        }


def mean_scores(confusion: np.ndarray) -> dict[str, float]:
    """`miou`, `mean_recall` and `mean_precision`: means over the classes that have a score, as Table 5 prints them.

    >>> print(round(mean_scores([[3, 1], [0, 4]])["miou"], 4))
    0.775
    """
    scores = class_scores(confusion)
    return {
        "miou": float(np.nanmean(scores["iou"])),
        "mean_recall": float(np.nanmean(scores["recall"])),
        "mean_precision": float(np.nanmean(scores["precision"])),
    }


def of_class(score: str, number: int) -> Callable[[np.ndarray], float]:
    """What gives one of `class_scores` of one class of a confusion matrix."""
    return lambda confusion: float(class_scores(confusion)[score][number])


def of_means(score: str) -> Callable[[np.ndarray], float]:
    """What gives one of `mean_scores` of a confusion matrix."""
    return lambda confusion: mean_scores(confusion)[score]


RESAMPLES = 2000
NORMAL_95 = 1.959964  # standard deviations on either side of the mean that hold 95 % of a normal distribution


def landslide_iou(confusion: np.ndarray) -> float:
    """IoU of class 1 (equation 3), a fraction; NaN where it is neither in the truth nor predicted."""
    return float(class_scores(confusion)["iou"][1])


def mean_iou(confusion: np.ndarray) -> float:
    """Mean IoU over the classes that have one, a fraction."""
    return mean_scores(confusion)["miou"]


def interval(
    per_image: Mapping[str, np.ndarray],
    groups: Mapping[str, str],
    score: Callable[[np.ndarray], float],
    *,
    seed: int = 0,
) -> tuple[float, float]:
    """The 95 % bootstrap interval of a pooled score: groups of images are drawn with replacement, their counts summed.

    `groups` has the group of every image. Images of one group show the same ground, so that what is hard in one is
    hard in the others: drawn one by one they would count as more evidence than they are. The interval says how much
    the score depends on which ground was tested, not how much it varies between trainings. Raises `ValueError` where
    the group of an image is not known.
    """
    return _middle([score(drawn) for drawn in _resampled(per_image, groups, seed)])


def paired_difference(
    first: Mapping[str, np.ndarray],
    second: Mapping[str, np.ndarray],
    groups: Mapping[str, str],
    score: Callable[[np.ndarray], float],
    *,
    seed: int = 0,
) -> tuple[float, tuple[float, float]]:
    """Score of `second` less that of `first`, pooled over the same images, and its 95 % bootstrap interval.

    Each time the same groups of images are drawn for both (see `interval`), so that what makes an image hard for both
    cancels out. Raises `ValueError` where the images differ or the group of one is not known.

    >>> paired_difference({"a": [[8, 0], [1, 1]]}, {"a": [[8, 0], [0, 2]]}, {"a": "a"}, landslide_iou)
    (0.5, (0.5, 0.5))
    """
    if first.keys() != second.keys():
        raise ValueError("both must have scored the same images")
    pairs = {name: np.stack([first[name], second[name]]) for name in first}

    def difference(matrices: np.ndarray) -> float:
        before, after = matrices
        return float(score(after) - score(before))

    whole = difference(np.sum(list(pairs.values()), axis=0))
    return whole, _middle([difference(drawn) for drawn in _resampled(pairs, groups, seed)])


def share_interval(share: float, total: int) -> tuple[float, float]:
    """The 95 % interval of a share, a fraction of `total` cases that do not depend on each other.

    Wilson 1927 (https://doi.org/10.2307/2276774): it has a width where nothing was found, too, as drawing the same
    cases again has not.

    >>> print("{:.3f} {:.3f}".format(*share_interval(0.0, 70)))
    0.000 0.052
    """
    spread = NORMAL_95**2 / total
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def _resampled(per_image: Mapping[str, np.ndarray], groups: Mapping[str, str], seed: int) -> np.ndarray:
    """The summed counts of each of `RESAMPLES` draws of as many groups as there are, along the first axis."""
    unknown = sorted(per_image.keys() - groups.keys())
    if unknown:
        raise ValueError(f"the group is not known of: {', '.join(unknown)}")
    counts = np.stack([np.asarray(one) for one in per_image.values()])
    different, places = np.unique([groups[name] for name in per_image], return_inverse=True)
    sums = np.zeros((len(different), *counts.shape[1:]))
    np.add.at(sums, places, counts)
    # How often each group is drawn: weights need less memory than the draws themselves.
    evenly = np.full(len(sums), 1 / len(sums))
    times = np.random.default_rng(seed).multinomial(len(sums), evenly, RESAMPLES)
    return np.tensordot(times, sums, axes=1)


def _middle(scores: Sequence[float]) -> tuple[float, float]:
    """What the middle 95 % of `scores` lie between; a draw that has no score (a class is missing) is left out."""
    if np.isnan(scores).all():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(scores, [2.5, 97.5])
    return float(low), float(high)
