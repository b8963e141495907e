"""`evaluate`: scores of weights on a part of a data set, and what would make them flatter."""

import dataclasses
from collections.abc import Sequence

from ..console import progress, say
from ..settings import LABELS
from .common import check_labels, described


def evaluate(options) -> None:
    from ..data.dataset import labelled, load_split
    from ..files.atomic import write_json
    from ..files.checks import check_file

    if options.json:
        check_file(options.json)
    description, size = described(options)
    data = description["data"]
    check_labels(options.labels, (*LABELS, "both"))
    split = load_split(
        options.data,
        options.split or data["split"],
        fold=options.fold or (None if options.split else data.get("fold")),
        seed=description["settings"]["seed"],
        classes=description["classes"],
        negatives=options.negatives,
    )
    samples = split.subset(options.subset)
    negatives = split.negative_subset(options.subset) if options.negatives else []
    only = dataclasses.replace(split, subsets={options.subset: samples})
    labels = LABELS if options.labels == "both" else (options.labels,)
    labellings = {name: labelled(only, name).subset(options.subset) for name in labels}
    from ..evaluation import evaluate_labellings, false_alarms
    from ..models import load_model
    from ..paper import ROWS
    from ..results.report import report_lines

    model = load_model(options.weights)
    _warn_of_training_images(samples, data["trained_on"], "images")
    _warn_of_training_ground(samples, data)
    _warn_of_initial_images(samples, description)
    _warn_of_training_images(negatives, data.get("negatives", []), "images without landslide")
    with progress(len(samples) + len(negatives), "evaluating") as bar:
        how = {"image_size": size, "average_flips": options.average_flips, "on_done": bar.update}
        evaluations = evaluate_labellings(model, labellings, split=split.title, subset=options.subset, **how)
        contents = [evaluation.to_json() for evaluation in evaluations]
        if negatives:
            contents[0]["negatives"] = false_alarms(model, negatives, **how).to_json()
    row = ROWS.get(f"{description['architecture']}_{description['backbone']}")
    say("\n\n".join("\n".join(report_lines(content, row)) for content in contents))
    if options.json:
        write_json(options.json, contents[0] | {content["labels"]: content for content in contents[1:]})
        say(f"Scores and the confusion matrix of every image: {options.json}")


def _warn_of_training_images(samples, trained_on: Sequence[str], what: str) -> None:
    seen = set(trained_on) & {sample.name for sample in samples}
    if seen:
        say(f"{len(seen)} of these {len(samples)} {what} were trained on: the scores say nothing about new images.")


def _warn_of_training_ground(samples, data: dict) -> None:
    groups, names = set(data.get("groups", ())), set(data["trained_on"])
    seen = [sample for sample in samples if sample.group in groups and sample.name not in names]
    if seen:
        say(
            f"{len(seen)} of these {len(samples)} images show ground that was trained on, in other images or variants: "
            "the scores flatter."
        )


def _warn_of_initial_images(samples, description: dict) -> None:
    before = set(description.get("initial_data", {}).get("trained_on", ())) - set(description["data"]["trained_on"])
    seen = before & {sample.name for sample in samples}
    if seen:
        say(
            f"{len(seen)} of these {len(samples)} images have names of images that the initial weights were trained "
            "on: if they are the same images, the scores say nothing about new ones."
        )
