"""The report of an evaluation, beside the paper's figures."""

import math

from ..data.classes import MOST_PROBABLE, class_names
from ..paper import CITATION, TEST_IMAGES, Row
from ..scores import FALSE_ALARM, interval, landslide_iou, mean_iou, share_interval


def report_lines(content: dict, row: Row | None = None) -> list[str]:
    """The report of `evaluate` as lines: a table by class, then the means; of two classes beside the paper's Table 5.

    `content` has the keys of `evaluate --json`.
    """
    names = content.get("class_names") or class_names(len(content["confusion"]))  # files of earlier versions lack them
    two = len(names) == 2
    low, high = interval(content["per_image"], content["groups"], landslide_iou if two else mean_iou)
    lines = [
        f"{content['images']} images, subset {content['subset']} of split {content['split']}, {content['labels']} "
        f"labels, all pixels at native size pooled{_decision(content)}",
        "",
        f"{'':12}{'precision':>10}{'recall':>10}{'IoU':>10}{'F1':>10}   (%)",
    ]
    for name in names:
        scores = "".join(_percent(content[name][score], 10) for score in ("precision", "recall", "iou", "f1"))
        lines.append(f"{name:12}{scores}")
    lines += [
        f"{'':12}{'landslide IoU' if two else 'mIoU'}, 95 % interval over groups of images that share ground "
        f"({len(set(content['groups'].values()))} here): {interval_text(low, high)}",
        "",
        f"{'Table 5' if two else '':28}{'mIoU':>8}{'recall':>8}{'precision':>11}   "
        f"(%, means of the {'two classes' if two else 'classes that have a score'})",
        f"{'this model':28}{_percent(content['miou'], 8)}{_percent(content['mean_recall'], 8)}"
        f"{_percent(content['mean_precision'], 11)}",
    ]
    if two and row is not None and row.miou is not None:
        lines.append(f"{row.title + ', the paper':28}{row.miou:8.2f}{row.recall:8.2f}{row.precision:11.2f}")
        lines.append(
            f"The paper's {TEST_IMAGES} test images have labels of their own, which are not public ({CITATION})."
        )
    if "negatives" in content:
        lines += ["", negatives_line(content["negatives"])]
    return lines


def _decision(content: dict) -> str:
    threshold = content.get("threshold", MOST_PROBABLE)
    return "" if threshold == MOST_PROBABLE else f", landslide where its probability is above {threshold:g}"


def negatives_line(block: dict) -> str:
    """The block `negatives` of `evaluate --json` as a sentence."""
    return (
        f"{block['images']} images without landslide, counted apart: {false_alarms_text(block)} have more than "
        f"{100 * FALSE_ALARM:g} % of the image marked; {100 * block['marked_area']:.2f} % of their area is marked."
    )


def false_alarms_text(block: dict) -> str:
    """How many images of the block `negatives` of `evaluate --json` raise a false alarm, and how sure that is.

    >>> false_alarms_text({"images": 70, "false_alarms": 3 / 70})
    '3 (4.3 %, 95 % interval 1.5 to 11.9)'
    """
    share, images = block["false_alarms"], block["images"]
    inside = interval_text(*share_interval(share, images))
    return f"{round(share * images)} ({100 * share:.1f} %, 95 % interval {inside})"


def interval_text(low: float, high: float) -> str:
    """An interval of a score in per cent; a dash where the score does not exist."""
    return "–" if math.isnan(low) else f"{100 * low:.1f} to {100 * high:.1f}"


def _percent(fraction: float | None, width: int) -> str:
    return f"{'–':>{width}}" if fraction is None else f"{100 * fraction:{width}.2f}"
