"""Where the rows fail: by size, county and share of the image, the worst images, and marks on unlabelled landslides."""

import re
from collections.abc import Callable, Mapping

import numpy as np

from ..paper import METRES_A_PIXEL, ROWS
from ..scores import class_scores, landslide_iou, mean_iou
from .estimates import estimate, image_ious
from .formats import Cell, Table
from .result import Matrix, Result, Scored

FEWEST_GROUPS = 5  # an interval over fewer would say nothing
NAMES = ("errors_by_part", "false_positives", "worst_images")  # of the tables
# The counties of Bijie by the letters with which the names of its images begin; zdf is one image.
COUNTIES = {
    "df": "Dafang", "hz": "Hezhang", "js": "Jinsha", "ny": "Nayong", "qx": "Qianxi", "qxg": "Qixingguan",
    "wn": "Weining", "zj": "Zhijin",
}  # fmt: skip
# About a third of the test images of paper510 each: lower bounds, in square metres and as a share of the image.
SIZES = {0.0: "below 1500 m²", 1500.0: "1500 to 5000 m²", 5000.0: "5000 m² and more"}
SHARES = {0.0: "below 5 %", 0.05: "5 to 12 %", 0.12: "12 % and more"}


def error_tables(rows: Mapping[str, Result]) -> list[Table]:
    """The tables of `NAMES`, of rows that were scored on the same images."""
    best = max(rows.values(), key=lambda result: mean_iou(result.confusion))
    return [errors_by_part(rows), false_positives(rows), worst_table(best)]


def landslide_area(matrix: Matrix) -> float:
    """The area of an image's landslide in square metres, from its counts [[TN, FP], [FN, TP]]."""
    return METRES_A_PIXEL**2 * sum(matrix[1])


def landslide_share(matrix: Matrix) -> float:
    """The share of an image that is landslide, from its counts."""
    return sum(matrix[1]) / (sum(matrix[0]) + sum(matrix[1]))


def county(image: str) -> str:
    """The county in which an image of Bijie lies, by its name.

    >>> county("qxg024"), county("synth_0001")
    ('Qixingguan', 'other')
    """
    letters = re.match(r"[a-z]*", image)
    return COUNTIES.get(letters[0], "other") if letters else "other"


def _by_bounds(bounds: Mapping[float, str], measure: Callable[[Matrix], float]) -> Callable[[str, Matrix], str]:
    return lambda _, matrix: bounds[max(bound for bound in bounds if bound <= measure(matrix))]


# What images are divided by: a title, the part of an image by its name and counts, and the order of the parts.
DIVISIONS: dict[str, tuple[Callable[[str, Matrix], str], list[str]]] = {
    "size of the landslide": (_by_bounds(SIZES, landslide_area), list(SIZES.values())),
    "share of the image": (_by_bounds(SHARES, landslide_share), list(SHARES.values())),
    "county": (lambda name, _: county(name), [*COUNTIES.values(), "other"]),
}


def errors_by_part(rows: Mapping[str, Result]) -> Table:
    """The landslide IoU of each row on parts of the test images, the pixels of a part together."""
    first = next(iter(rows.values()))
    lines: list[tuple[Cell, ...]] = []
    for by, (part_of, parts) in DIVISIONS.items():
        for part in parts:
            names = [name for name, matrix in first.per_image.items() if part_of(name, matrix) == part]
            if names:
                groups = len({first.groups[name] for name in names})
                scores = (_part_iou(result, names, sure=groups >= FEWEST_GROUPS) for result in rows.values())
                lines.append((by, part, len(names), groups, *scores))
    head = ("by", "part", "images", "groups", *(ROWS[row].title for row in rows))
    notes = (
        "Landslide IoU of the most probable class, all pixels of a part together; a part of fewer than "
        f"{FEWEST_GROUPS} groups that share ground has no interval. Size is that of the mask, at "
        f"{METRES_A_PIXEL:g} m a pixel.",
    )
    return Table("errors_by_part", "Landslide IoU by what the images show", head, tuple(lines), notes)


def _part_iou(result: Result, names: list[str], *, sure: bool) -> Cell:
    part = Scored(
        labels=result.labels, groups=result.groups, per_image={name: result.per_image[name] for name in names}
    )
    return estimate(part, landslide_iou) if sure else landslide_iou(part.confusion)


def false_positives(rows: Mapping[str, Result]) -> Table:
    """What share of the false positives lies on landslides that only the masks of overlapping images show."""
    lines: list[tuple[Cell, ...]] = []
    for row, result in rows.items():
        marked = int(result.confusion[0, 1])
        turned = _turned(result.confusion, result.completed.confusion) if result.completed else None
        lines.append(
            (
                ROWS[row].title,
                marked,
                turned,
                turned / marked if turned is not None and marked else None,
                _precision(result),
                _precision(result.completed) if result.completed else None,
            )
        )
    head = (
        "model",
        "pixels falsely marked",
        "of these on a neighbour's landslide",
        "share",
        "precision",
        "precision, completed labels",
    )
    notes = (
        "A mask of Bijie marks one landslide; others in view are marked only in the masks of overlapping images. "
        "Counted from the results: false positives on the published labels that are true positives on completed ones, "
        "which know the masks of the other test images.",
    )
    return Table("false_positives", "False positives on landslides that a mask leaves out", head, tuple(lines), notes)


def _turned(original: Matrix | np.ndarray, completed: Matrix | np.ndarray) -> int:
    """False positives that completed labels, which only add landslide, make true ones."""
    return int(original[0][1] - completed[0][1])


def _precision(scored: Scored) -> float:
    return float(class_scores(scored.confusion)["precision"][1])


def worst(scored: Scored, count: int = 10) -> list[str]:
    """The images with the lowest landslide IoU of those that have one, the worst first; of equals the first by name."""
    ious = {name: iou for name, iou in image_ious(scored).items() if not np.isnan(iou)}
    return sorted(ious, key=lambda name: (ious[name], name))[:count]


def worst_table(result: Result) -> Table:
    """The ten images with the lowest landslide IoU of a row."""
    lines: list[tuple[Cell, ...]] = []
    for name in worst(result):
        matrix, scores = result.per_image[name], class_scores(result.counts[name])
        turned = _turned(matrix, result.completed.per_image[name]) if result.completed else None
        figures = (float(scores[score][1]) for score in ("iou", "recall", "precision"))
        lines.append(
            (name, county(name), round(landslide_area(matrix)), landslide_share(matrix), *figures, matrix[0][1], turned)
        )
    head = (
        "image",
        "county",
        "landslide, m²",
        "share of the image",
        "IoU",
        "recall",
        "precision",
        "pixels falsely marked",
        "of these on a neighbour's landslide",
    )
    title = f"The ten worst test images of {ROWS[result.row].title}, the row with the highest mIoU"
    return Table("worst_images", title, head, tuple(lines))
