"""Trainings that were compared: causes that may stand between the paper's scores and ours, and tries to do better."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..files.atomic import read_json
from ..paper import ROWS, TABLE_5, row_name
from ..scores import confusion_matrix, landslide_iou, mean_iou
from .estimates import Estimate, difference, estimate, false_alarms
from .formats import Cell, Table
from .maps import map_and_mask, named_samples
from .result import Result, Scored, check_same_images, read_result

ROW = "pspnet_mobilenet_v2"  # on which every cause is measured
BEST = "best"  # beside the rows: the one that is best on validation, with what helped there
NAMES = ("causes", "tries", BEST)  # of the tables
HEAD = ("cause", "where", "landslide IoU without", "with", "difference")
# Of each experiment: its file, the block with the comparison, the names under which that has both scores, and the run
# that says how it was trained.
EXPERIMENTS: Mapping[str, tuple[str, Sequence[str], tuple[str, str], Sequence[str]]] = {
    "trained on samples made from all 510 images, those of the test included": (
        "as_written",
        ("compared", "test images"),
        ("kept_out", "drawn_from_all"),
        (),
    ),
    "trained on images that share ground with test images, as a random split has them": (
        "leakage",
        ("landslide_iou", "all"),
        ("without_overlaps", "with_overlaps"),
        ("with_overlaps",),
    ),
    "trained on labels completed from overlapping images, scored on those published": (
        "labels",
        ("landslide_iou", "scored_on_original"),
        ("trained_on_original", "trained_on_completed"),
        ("trained_on_completed",),
    ),
    "trained on and scored on completed labels, beside trained on those published": (
        "labels",
        ("landslide_iou", "scored_on_completed"),
        ("trained_on_original", "trained_on_completed"),
        ("trained_on_completed",),
    ),
    "mirror images averaged": ("flips", ("compared", "test images"), ("alone", "averaged"), ()),
}


def comparisons(folder: Path | str, rows: Mapping[str, Result], data: Path | str | None = None) -> list[Table]:
    """The tables of `NAMES`, of the comparisons and rows in `folder`."""
    return [causes(folder, rows, data), tries(folder), best(folder, rows)]


def causes(folder: Path | str, rows: Mapping[str, Result], data: Path | str | None = None) -> Table:
    """Each cause that was measured, as landslide IoU without and with it on the same test images.

    `rows` are the results of Table 5. The mean of their probability maps is compared with the row on which all else is
    measured; it needs the masks in the folder `data`.
    """
    lines: list[tuple[Cell, ...]] = []
    for cause, (name, block, names, run) in EXPERIMENTS.items():
        path = Path(folder) / f"{name}.json"
        if path.exists():
            content = read_json(path)
            trained = _inside(content, run)
            where = _where(trained["settings"], trained["history"])
            lines.append((cause, where, *_compared(_inside(content, block), names)))
    row = rows.get(ROW)
    if row and row.at_threshold:
        cause = f"decision threshold {row.at_threshold.threshold:g}, chosen on validation"
        lines.append((cause, *_of_row(row, row.at_threshold)))
    if row and row.completed:
        lines.append(("scored on completed labels", *_of_row(row, row.completed)))
    together = [result for result in rows.values() if result.maps.is_dir()]
    if row in together and len(together) > 1 and data is not None:
        lines.append((f"probabilities of {len(together)} rows averaged", *_of_row(row, ensemble(row, together, data))))
    notes = (
        f"Per cent, {ROWS[ROW].title} and what is changed of it, one seed: what is no larger than the difference "
        "between seeds says nothing. No setting follows from them.",
    )
    return Table("causes", "What each cause is worth", HEAD, tuple(lines), notes)


def tries(folder: Path | str) -> Table:
    """Each try of `experiments/tries.py` against the preset as it is, on validation."""
    path = Path(folder) / "tries.json"
    content = read_json(path) if path.exists() else {"compared": {}, "tries": {}}
    lines: list[tuple[Cell, ...]] = []
    for tried, line in content["compared"].items():
        name, _, seed = tried.partition(", seed ")
        minutes = f"{content['tries'][name][seed]['minutes']:.0f} min"
        lines.append((name.replace("_", " "), int(seed), minutes, *_compared(line, ("preset", "try"))))
    head = ("try", "seed", "time", "landslide IoU of the preset", "of the try", "difference")
    notes = (
        "Per cent, on the validation images of `paper510` at native size, by the more probable class: PSPNet "
        "(MobileNetV2) and the `table` preset with one thing changed. The test part was not looked at.",
    )
    return Table("tries", "What was tried", head, tuple(lines), notes)


def best(folder: Path | str, rows: Mapping[str, Result]) -> Table:
    """The training of `experiments/best.py` beside the row that it was made of, on the same test images."""
    path = Path(folder) / f"{BEST}.json"
    lines: list[tuple[Cell, ...]] = []
    if path.exists():
        result = read_result(path)
        row = rows.get(row_name(result.settings["architecture"], result.settings["backbone"]))
        gained = None
        if row is not None:
            check_same_images([row, result])
            gained = difference(result, row, landslide_iou)
            lines.append((ROWS[row.row].title, *_scores(row), None))
        lines.append((BEST, *_scores(result), gained))
    head = ("model", "where", "validation mIoU", "mIoU", "landslide IoU", "false alarms", "difference")
    notes = (
        "Per cent, test images of `paper510`, by the more probable class; the difference is that in landslide IoU. The "
        "row was chosen by its validation mIoU, what is changed of it by the tries above. The test part was scored "
        f"once. The paper's best mIoU is {max(row.miou for row in TABLE_5 if row.miou)}.",
    )
    return Table(BEST, "The best that validation led to", head, tuple(lines), notes)


def ensemble(row: Result, members: Sequence[Result], data: Path | str) -> Scored:
    """The test images of `row` scored by the mean of the members' probability maps."""
    counts = {}
    for sample in named_samples(data, row.per_image):
        pairs = [map_and_mask(member, sample) for member in members]
        marked = np.mean([probability for probability, _ in pairs], axis=0) > row.threshold
        counts[sample.name] = confusion_matrix(pairs[0][1].astype(np.uint8), marked.astype(np.uint8)).tolist()
    return Scored(labels=row.labels, groups=row.groups, per_image=counts)


def _scores(result: Result) -> tuple[Cell, ...]:
    """How it was trained, its score on validation, and those on the test part."""
    return (
        _where(result.settings, result.history),
        float(result.validation["miou"]),
        estimate(result, mean_iou),
        estimate(result, landslide_iou),
        false_alarms(result.negatives),
    )


def _inside(content: dict, names: Sequence[str]) -> dict:
    for name in names:
        content = content[name]
    return content


def _where(settings: Mapping, history: Sequence) -> str:
    return f"{settings['image_size']} px, {len(history)} epochs"


def _compared(line: dict, names: tuple[str, str]) -> tuple[Cell, ...]:
    """A line of `paired.Pair` as cells."""
    return (*(float(line[name]) for name in names), Estimate(line["difference"], tuple(line["interval"]), signed=True))


def _of_row(row: Result, other: Scored) -> tuple[Cell, ...]:
    """Where the row was trained, its score, and that of the same images scored otherwise."""
    scores = (landslide_iou(scored.confusion) for scored in (row, other))
    return (_where(row.settings, row.history), *scores, difference(other, row, landslide_iou))
