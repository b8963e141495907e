"""Tables 5 and 6, what else tells the rows apart, how sure the figures are, and what was run, from `results/`."""

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..console import Track, untracked
from ..files.atomic import write_text
from ..paper import ROWS, TABLE_5, TABLE_5_SLIP, TABLE_6, TABLE_6_SLIP, TEST_IMAGES
from ..scores import FALSE_ALARM, landslide_iou, mean_iou, of_class, of_means
from . import comparisons, error_analysis
from .estimates import (
    Estimate,
    Score,
    difference,
    estimate,
    false_alarms,
    image_ious,
    mean_difference,
    mean_over_images,
)
from .formats import Cell, Table
from .maps import BOUNDARY_TOLERANCE, Fit, fits, named_samples
from .result import Decision, Result, check_same_images, firsts

Seeds = Mapping[str, Mapping[int, Result]]  # row to seed to result, as `read_results` gives them
# Of the tables, and of their files.
NAMES = (
    "table5",
    "table6",
    "beyond_table5",
    "differences",
    "seeds",
    "runs",
    *error_analysis.NAMES,
    *comparisons.NAMES,
)


def all_tables(results: Seeds, data: Path | str | None = None, track: Track = untracked) -> list[Table]:
    """Every table of `results`, in the order of `NAMES`.

    Outlines and found landslides need the images and masks in the folder `data`, and are empty without. `track` may
    show how far the reading of the maps is (`console.bar`). Raises `LandslideError` where the rows were scored on
    different images, or the images are not in `data`.
    """
    rows = firsts(results)
    check_same_images([result for seeds in results.values() for result in seeds.values()])
    measured: dict[str, list[dict[str, Fit]] | None] = {}
    if data is not None:
        samples = named_samples(data, next(iter(rows.values())).per_image)
        measured = {row: fits(result, samples) for row, result in zip(rows, track(rows.values()), strict=True)}
    return [
        table_5(rows),
        table_6(rows),
        beyond(rows, measured),
        differences(rows),
        seeds_table(results),
        runs(results),
        *error_analysis.error_tables(rows),
        *comparisons.comparisons(next(iter(rows.values())).path.parent, rows, data),
    ]


def write_tables(tables: Sequence[Table], folder: Path | str) -> None:
    """Write each of `tables` to `folder` as `<name>.md`, `.csv` and `.tex`."""
    for table in tables:
        texts = (f"{table.markdown()}\n", table.csv(), table.latex())
        for name, text in zip(file_names([table.name]), texts, strict=True):
            write_text(Path(folder) / name, text)


def file_names(tables: Sequence[str] = NAMES) -> list[str]:
    """What the files of tables of these names are called."""
    return [f"{name}.{suffix}" for name in tables for suffix in ("md", "csv", "tex")]


def table_5(rows: Mapping[str, Result]) -> Table:
    """Table 5 beside the paper's figures; a row that was not run is empty, one with a threshold has a second line."""
    lines: list[tuple[Cell, ...]] = []
    for row in ROWS.values():
        if row in TABLE_5 or row.name in rows:
            printed = tuple(figure and figure / 100 for figure in (row.miou, row.recall, row.precision))
            scores = (mean_iou, of_means("mean_recall"), of_means("mean_precision"), landslide_iou)
            lines += _lines(row.title, printed, rows.get(row.name), scores)
    head = ("paper: mIoU", "paper: recall", "paper: precision", "mIoU", "recall", "precision", "landslide IoU")
    notes = (
        "Per cent; recall and precision are means of the two classes; 95 % intervals over groups of images that share "
        "ground. Scores count the pixels of all test images together, at native size, on the published labels.",
        "The first line of a row takes the more probable class, as the paper does. The line with a threshold is what "
        "the commands give without `--threshold 0.5`: a threshold is chosen on validation images with and without "
        "landslide, so it raises fewer false alarms; the test images all have a landslide, and most rows lose IoU "
        "there.",
        f"The paper's {TEST_IMAGES} test images have labels of its own, which are not public.",
        TABLE_5_SLIP,
    )
    return Table("table5", "Table 5: the six rows", ("model", *head), tuple(lines), notes)


def table_6(rows: Mapping[str, Result]) -> Table:
    """Table 6: both classes of the two PSPNets, beside the paper's corrected figures."""
    lines: list[tuple[Cell, ...]] = []
    for name, classes in TABLE_6.items():
        for number, class_name in ((1, "landslide"), (0, "background")):
            printed = classes[class_name]
            figures = tuple(figure / 100 for figure in (printed.precision, printed.recall, printed.iou))
            scores = [of_class(score, number) for score in ("precision", "recall", "iou")]
            lines += _lines(f"{ROWS[name].title}, {class_name}", figures, rows.get(name), scores)
    head = ("paper: precision", "paper: recall", "paper: IoU", "precision", "recall", "IoU")
    title = "Table 6: the two classes of PSPNet"
    return Table("table6", title, ("model, class", *head), tuple(lines), (TABLE_6_SLIP,))


def _lines(
    title: str, printed: tuple[float | None, ...], result: Result | None, scores: Sequence[Score]
) -> list[tuple[Cell, ...]]:
    """The line of a row beside the printed figures; a second one where it has a threshold; empty if not run."""
    if result is None:
        return [(title, *printed, *(None for _ in scores))]
    return [
        (
            title if decision is result else _with_threshold(title, decision),
            *(printed if decision is result else (None for _ in printed)),
            *(estimate(decision, score) for score in scores),
        )
        for decision in result.decisions
    ]


def _with_threshold(title: str, decision: Decision) -> str:
    return f"{title}, threshold {decision.threshold:g}"


def beyond(rows: Mapping[str, Result], measured: Mapping[str, list[dict[str, Fit]] | None]) -> Table:
    """What Table 5 does not say: means over images, completed labels, false alarms, outlines, landslides found.

    `measured` has what `maps.fits` says of the rows that have maps.
    """
    lines: list[tuple[Cell, ...]] = []
    for name, result in rows.items():
        fitted: Sequence[Mapping[str, Fit] | None] = measured.get(name) or [None for _ in result.decisions]
        for decision, of_images in zip(result.decisions, fitted, strict=True):
            title, alarms = ROWS[name].title, decision.negatives
            lines.append(
                (
                    title if decision is result else _with_threshold(title, decision),
                    mean_over_images(image_ious(decision), decision.groups),
                    estimate(decision.completed, landslide_iou) if decision.completed else None,
                    *_found(decision, of_images),
                    false_alarms(alarms),
                    alarms.marked_area if alarms else None,
                )
            )
    images = len(next(iter(rows.values())).per_image)
    head = (
        "model",
        "landslide IoU, mean over images",
        "landslide IoU, completed labels",
        "boundary F1, mean over images",
        f"found, of {images}",
        f"touched, of {images}",
        "false alarms",
        "area falsely marked",
    )
    notes = (
        "Completed labels add the landslides that only the masks of overlapping images show.",
        f"Boundary F1: outlines agree within {100 * BOUNDARY_TOLERANCE:.2f} % of the image's diagonal (Csurka et al., "
        "BMVC 2013: 2 to 3 pixels in most images).",
        "Found: the landslide of the mask and the marked pieces that touch it have an IoU above 0.5; touched: at least "
        "one of its pixels is marked.",
        f"False alarms: images without landslide of which more than {100 * FALSE_ALARM:g} % is marked; their interval "
        "is Wilson's, over single images.",
    )
    return Table("beyond_table5", "Beyond Table 5", head, tuple(lines), notes)


def _found(decision: Decision, of_images: Mapping[str, Fit] | None) -> tuple[Cell, ...]:
    """Boundary F1 and the landslides found, which maps tell, and those touched, which counts tell."""
    touched = sum(bool(confusion[1, 1]) for confusion in decision.counts.values())
    if of_images is None:
        return None, None, touched
    boundary = mean_over_images({name: fit.boundary_f1 for name, fit in of_images.items()}, decision.groups)
    return boundary, sum(fit.found for fit in of_images.values()), touched


def differences(rows: Mapping[str, Result]) -> Table:
    """Every row against every other on the same images, the one with the higher landslide IoU first."""
    order = sorted(rows.values(), key=lambda result: -landslide_iou(result.confusion))
    lines: list[tuple[Cell, ...]] = []
    for better, worse in itertools.combinations(order, 2):
        pooled = difference(better, worse, landslide_iou)
        one, other = ROWS[better.row].title, ROWS[worse.row].title
        lines.append(
            (
                f"{one} beats {other}" if pooled.interval[0] > 0 else f"{one} and {other}: not told apart",
                pooled,
                difference(better, worse, mean_iou),
                mean_difference(better, worse),
            )
        )
    head = ("rows", "landslide IoU", "mIoU", "landslide IoU, mean over images")
    notes = (
        "The first less the second, most probable class, points. One row beats another where the interval of the "
        "landslide IoU, pooled over all pixels, is above zero: these two trained networks would differ on other "
        "ground, too. An end close to zero may lie on either side of it, as it comes from 2,000 draws, and of so "
        "many comparisons a few are won by chance. No seed is in it: where two trainings of one network differ by as "
        "much, it does not show that one kind of network is better.",
    )
    return Table("differences", "Differences between rows on the same images", head, tuple(lines), notes)


def seeds_table(results: Seeds) -> Table:
    """Rows trained with several seeds: mean and standard deviation, beside half the interval of the test images."""
    lines: list[tuple[Cell, ...]] = []
    for row, seeds in results.items():
        if len(seeds) < 2:
            continue
        scores = [
            _spread([estimate(result, score) for result in seeds.values()]) for score in (mean_iou, landslide_iou)
        ]
        lines.append((ROWS[row].title, ", ".join(map(str, seeds)), *scores[0], *scores[1]))
    of_score = ("mean", "standard deviation over seeds", "half the interval over images")
    head = ("model", "seeds", *(f"{name}: {part}" for name in ("mIoU", "landslide IoU") for part in of_score))
    notes = (
        "Half of a 95 % interval is about two standard deviations of what the choice of test images does: compare it "
        "with twice the standard deviation over seeds.",
    )
    return Table("seeds", "What a seed is worth", head, tuple(lines), notes)


def _spread(estimates: Sequence[Estimate]) -> tuple[float, float, float]:
    """Mean and standard deviation of the values, and the mean of half their intervals."""
    values = [estimate.value for estimate in estimates]
    halves = [(estimate.interval[1] - estimate.interval[0]) / 2 for estimate in estimates]
    return float(np.mean(values)), float(np.std(values, ddof=1)), float(np.mean(halves))


def runs(results: Seeds) -> Table:
    """What was run: settings that differ between machines and rows, time, start of the weights, commit."""
    every = [result for seeds in results.values() for result in seeds.values()]
    lines: tuple[tuple[Cell, ...], ...] = tuple(
        (
            ROWS[result.row].title,
            result.seed,
            f"{result.settings['image_size']} px",
            result.settings["precision"],
            len(result.history),
            f"{result.minutes:.0f} min on {result.machine['cores']} cores",
            float(result.validation["miou"]),
            result.start["weights"] if result.start else None,
            random_stages(result),
            result.commit and re.sub(r"\b([0-9a-f]{9})[0-9a-f]+", r"\1", result.commit),
            result.date,
        )
        for result in every
    )
    head = (
        "model",
        "seed",
        "input",
        "precision",
        "epochs",
        "time",
        "validation mIoU",
        "start",
        "random in the backbone",
        "commit",
        "date",
    )
    started = dict.fromkeys(ROWS[result.row].title for result in every if random_stages(result))
    note = (
        f"In {' and '.join(started)} the stages named under `random in the backbone` start from random: the file of "
        "ImageNet weights that was at hand for that backbone ends before them. What Keras downloads is whole."
    )
    return Table("runs", "What was run", head, lines, (note,) if started else ())


def random_stages(result: Result) -> str | None:
    """The stages of a ResNet50 that start from random, such as `conv5`; `None` where there are none or nobody knows."""
    layers = (result.start or {}).get("random_layers") or ()
    return ", ".join(sorted({layer.partition("_")[0] for layer in layers if re.match(r"conv\d_block", layer)})) or None
