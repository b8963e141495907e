"""How sure a figure is, and tables that set ours beside the paper's."""

from collections.abc import Callable

import numpy as np

from .evaluation import class_names
from .metrics import class_scores, mean_scores
from .paper import CITATION, Row

RESAMPLES = 2000


def landslide_iou(confusion: np.ndarray) -> float:
    return float(class_scores(confusion)["iou"][1])


def mean_iou(confusion: np.ndarray) -> float:
    return mean_scores(confusion)["miou"]


def interval(
    per_image: dict[str, np.ndarray], score: Callable[[np.ndarray], float], *, seed: int = 0
) -> tuple[float, float]:
    """The 95 % bootstrap interval of a pooled score: images are drawn with replacement, their counts summed.

    It says how much the score depends on which images were tested, not how much it varies between trainings.
    """
    matrices = np.stack([np.asarray(matrix) for matrix in per_image.values()])
    draws = np.random.default_rng(seed).integers(0, len(matrices), (RESAMPLES, len(matrices)))
    scores = [score(matrices[draw].sum(axis=0)) for draw in draws]
    low, high = np.nanpercentile(scores, [2.5, 97.5])
    return float(low), float(high)


def paired_difference(
    first: dict[str, np.ndarray],
    second: dict[str, np.ndarray],
    score: Callable[[np.ndarray], float],
    *,
    seed: int = 0,
) -> tuple[float, tuple[float, float]]:
    """Score of `second` less that of `first`, pooled over the same images, and its 95 % bootstrap interval.

    Both are drawn by the same images each time, so that what makes an image hard for both cancels out. It says how
    much the difference depends on which images were tested, not how much it varies between trainings. Raises
    `ValueError` where the images differ.

    >>> paired_difference({"a": [[8, 0], [1, 1]]}, {"a": [[8, 0], [0, 2]]}, landslide_iou)
    (0.5, (0.5, 0.5))
    """
    if first.keys() != second.keys():
        raise ValueError("both must have scored the same images")
    pairs = np.stack([[first[name], second[name]] for name in first])

    def difference(matrices: np.ndarray) -> float:
        before, after = matrices.sum(axis=0)
        return score(after) - score(before)

    draws = np.random.default_rng(seed).integers(0, len(pairs), (RESAMPLES, len(pairs)))
    low, high = np.nanpercentile([difference(pairs[draw]) for draw in draws], [2.5, 97.5])
    return float(difference(pairs)), (float(low), float(high))


def report_lines(content: dict, row: Row | None = None) -> list[str]:
    """The report of `evaluate` as lines: a table by class, then the means; of two classes beside the paper's Table 5.

    `content` has the keys of `evaluate --json`.
    """
    names = class_names(len(content["confusion"]))
    two = len(names) == 2
    low, high = interval(content["per_image"], landslide_iou if two else mean_iou)
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
        f"{'':12}{'landslide IoU' if two else 'mIoU'}, 95 % interval over images: {100 * low:.1f} to {100 * high:.1f}",
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
    """A line of the README's Table 5 in Markdown, from a file in `results/`."""
    low, high = interval(content["per_image"], mean_iou)
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
