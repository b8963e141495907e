"""The card of weights that travel with the package: what they are for, what they score, on which terms."""

from importlib import resources
from pathlib import Path
from string import Template

from ..paper import METRES_A_PIXEL
from ..scores import FALSE_ALARM, interval, landslide_iou
from .report import false_alarms_text

LICENCE = (
    "These weights are for research use only, on the terms of the Bijie landslide data set that they were trained on; "
    "the MIT licence of the code does not cover them."
)
USED = {  # by sampling
    "squeeze": (
        "predict",
        f"photographs of the ground from above, at about the scale of Bijie's ({METRES_A_PIXEL:g} m a pixel)",
    ),
    "native": ("map", f"scenes, which they see at one scale, {METRES_A_PIXEL:g} m a pixel"),
}
LABELS = {"original": "as published", "completed": "completed with what overlapping images show"}


def card(content: dict, weights: Path, **told) -> str:
    """The Markdown text of the card, from the weights' result (the keys of `results/<row>.json`) and their file.

    Scores are those of the weights' decision threshold. `told` are the places of `card_template.md` that the result
    does not know: `command`, `result`, `trained_on` and `trained_on_negatives`.
    """
    settings, machine = content["settings"], content["machine"]
    decided = {**content, **content.get("at_threshold", {})}
    labellings = [decided, *([decided["completed"]] if "completed" in decided else [])]
    used_by, used_for = USED[settings["sampling"]]
    return Template(resources.files(__package__).joinpath("card_template.md").read_text(encoding="utf-8")).substitute(
        name=weights.name.split(".")[0],
        licence=LICENCE,
        used_by=used_by,
        used_for=used_for,
        **{name: settings[name] for name in ("architecture", "backbone", "image_size", "augmentation", "sampling")},
        **{name: content[name] for name in ("images", "split", "seed", "date")},
        negatives=decided["negatives"]["images"],
        scores="\n".join(map(_scores_line, labellings)),
        false_alarms=false_alarms_text(decided["negatives"]),
        limit=f"{100 * FALSE_ALARM:g}",
        metres=f"{METRES_A_PIXEL:g}",
        marked_area=f"{100 * decided['negatives']['marked_area']:.2f}",
        threshold=f"{decided['threshold']:g}",
        start=content["start"]["weights"],
        epochs=f"{len(content['history'])} of up to {settings['frozen_epochs'] + settings['unfrozen_epochs']}",
        minutes=f"{content['minutes']:.0f}",
        cores=machine["cores"],
        processor=machine["processor"],
        file=weights.name,
        megabytes=f"{weights.stat().st_size / 1e6:.1f}",
        sha256=content["weights"]["sha256"],
        **told,
    )


def summary(content: dict) -> str:
    """What the README says of shipped weights, one sentence, from their result."""
    decided = {**content, **content.get("at_threshold", {})}
    low, high = interval(decided["per_image"], decided["groups"], landslide_iou)
    negatives = decided["negatives"]
    return (
        f"On {content['images']} Bijie images that they were not trained on, their landslide IoU is "
        f"{100 * decided['landslide']['iou']:.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f}); of "
        f"{negatives['images']} images without landslide {false_alarms_text(negatives)} have more than "
        f"{100 * FALSE_ALARM:g} % of their area marked."
    )


def _scores_line(scores: dict) -> str:
    low, high = interval(scores["per_image"], scores["groups"], landslide_iou)
    found = scores["landslide"]
    return (
        f"| {LABELS[scores['labels']]} | {100 * found['iou']:.1f} ({100 * low:.1f}–{100 * high:.1f}) | "
        f"{100 * found['precision']:.1f} | {100 * found['recall']:.1f} | {100 * scores['miou']:.1f} |"
    )
