"""How sure a figure is, and tables that set ours beside the paper's."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .errors import LandslideError
from .evaluation import class_names
from .metrics import class_scores, mean_scores
from .paper import CITATION, Row

RESAMPLES = 2000


def landslide_iou(confusion: np.ndarray) -> float:
    return float(class_scores(confusion)["iou"][1])


def mean_iou(confusion: np.ndarray) -> float:
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
    low, high = np.nanpercentile(scores, [2.5, 97.5])
    return float(low), float(high)


def report_lines(content: dict, row: Row | None = None) -> list[str]:
    """The report of `evaluate` as lines: a table by class, then the means; of two classes beside the paper's Table 5.

    `content` has the keys of `evaluate --json`.
    """
    names = class_names(len(content["confusion"]))
    two = len(names) == 2
    low, high = interval(content["per_image"], content["groups"], landslide_iou if two else mean_iou)
    lines = [
        f"{content['images']} images, subset {content['subset']} of split {content['split']}, {content['labels']} "
        "labels, all pixels at native size pooled",
        "",
        f"{'':12}{'precision':>10}{'recall':>10}{'IoU':>10}{'F1':>10}   (%)",
    ]
    for name in names:
        scores = "".join(_percent(content[name][score], 10) for score in ("precision", "recall", "iou", "f1"))
        lines.append(f"{name:12}{scores}")
    lines += [
        f"{'':12}{'landslide IoU' if two else 'mIoU'}, 95 % interval over groups of images that share ground "
        f"({len(set(content['groups'].values()))} here): {100 * low:.1f} to {100 * high:.1f}",
        "",
        f"{'Table 5' if two else '':28}{'mIoU':>8}{'recall':>8}{'precision':>11}   "
        f"(%, means of the {'two classes' if two else 'classes that have a score'})",
        f"{'this model':28}{_percent(content['miou'], 8)}{_percent(content['mean_recall'], 8)}"
        f"{_percent(content['mean_precision'], 11)}",
    ]
    if two and row is not None and row.miou is not None:
        lines.append(f"{row.title + ', the paper':28}{row.miou:8.2f}{row.recall:8.2f}{row.precision:11.2f}")
        lines.append(f"The paper's 51 test images have labels of their own, which are not public ({CITATION}).")
    if "negatives" in content:
        lines += ["", negatives_line(content["negatives"])]
    return lines


def negatives_line(block: dict) -> str:
    """The block `negatives` of `evaluate --json` as a sentence."""
    return (
        f"{block['images']} images without landslide, counted apart: {100 * block['false_alarms']:.1f} % of them with "
        f"more than 1 % of the image marked, {100 * block['marked_area']:.2f} % of their area marked."
    )


def _percent(fraction: float | None, width: int) -> str:
    return f"{'–':>{width}}" if fraction is None else f"{100 * fraction:{width}.2f}"


def table5_line(row: Row, content: dict) -> str:
    """A line of the README's Table 5 in Markdown, from a file in `results/`.

    Raises `LandslideError` for a file of an earlier version, which does not say which images share ground.
    """
    if "groups" not in content:
        raise LandslideError(
            f"The result of {row.name} does not say which images share ground; write it anew from the finished run: "
            f"python experiments/table5_{row.name}.py"
        )
    low, high = interval(content["per_image"], content["groups"], mean_iou)
    settings = content["settings"]
    ours = (
        f"**{100 * content['miou']:.2f}** ({100 * low:.1f}–{100 * high:.1f}) | {100 * content['mean_recall']:.2f} | "
        f"{100 * content['mean_precision']:.2f} | {100 * content['landslide']['iou']:.2f}"
    )
    epochs = len(content["history"])
    cores = content["machine"]["cores"]
    how = f"{settings['image_size']} px, {epochs} epochs, {content['minutes']:.0f} min on {cores} cores"
    how += f"; validation mIoU {100 * content['validation']['miou']:.1f}"
    paper = f"{row.miou:.2f} / {row.recall:.2f} / {row.precision:.2f}" if row.miou else "–"
    return f"| {row.title} | {paper} | {ours} | {how} |"


TABLE5_HEAD = """\
| model | paper: mIoU / recall / precision | ours: mIoU (95 % interval) | recall | precision | landslide IoU | how |
| --- | --- | --- | --- | --- | --- | --- |"""
