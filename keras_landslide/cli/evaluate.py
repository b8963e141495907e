"""`evaluate`: scores of weights on a part of a data set, and what would make them flatter."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..console import bar, say
from ..settings import LABELS
from .common import check_labels, predictor_of, weights_of

if TYPE_CHECKING:
    from ..evaluation import SeenInTraining


def evaluate(options) -> None:
    from ..data.dataset import labelled
    from ..data.sample import Sample, check_subset
    from ..files.atomic import write_json
    from ..files.checks import check_file

    if options.json:
        check_file(options.json, overwrite=options.overwrite)
    check_labels(options.labels, (*LABELS, "both"))
    check_subset(options.subset)
    weights = weights_of(options)
    split = _split(options, weights.description)
    samples = split.subset(options.subset)
    negatives = split.negative_subset(options.subset) if options.negatives else []
    only = dataclasses.replace(split, subsets={options.subset: samples})
    labels = tuple(LABELS) if options.labels == "both" else (options.labels,)
    labellings: dict[str, Sequence[Sample]] = {name: labelled(only, name).subset(options.subset) for name in labels}
    from ..evaluation import evaluate_labellings, false_alarms, seen_in_training
    from ..paper import ROWS
    from ..results.report import report_lines

    predictor = predictor_of(weights, options)
    seen = seen_in_training(samples, negatives, weights.description)
    _warn(seen, len(samples), len(negatives))
    evaluations = evaluate_labellings(
        predictor, labellings, split=split.title, subset=options.subset, track=bar("evaluating")
    )
    how = {"weights": weights.stamp(), **predictor.to_json(), "trained_on": dataclasses.asdict(seen)}
    first, *others = [{**evaluation.to_json(), **how} for evaluation in evaluations]
    if negatives:
        first["negatives"] = false_alarms(predictor, negatives, track=bar("looking for false alarms")).to_json()
    row = ROWS.get(weights.description.name)
    say("\n\n".join("\n".join(report_lines(content, row)) for content in (first, *others)))
    if options.json:
        write_json(options.json, first | {content["labels"]: content for content in others})
        say(f"Scores and the confusion matrix of every image: {options.json}")


def _split(options, description):
    """The data as it is asked for, by default divided as in training."""
    from ..data.dataset import load_split

    data = description.data
    fold = None if options.split or data is None else data.fold
    return load_split(
        options.data,
        options.split or (data.split if data else "auto"),
        fold=options.fold or fold,
        seed=description.settings.get("seed", 0),
        classes=description.classes,
        negatives=options.negatives,
    )


def _warn(seen: "SeenInTraining", images: int, negatives: int) -> None:
    if seen.images:
        say(f"{seen.images} of these {images} images were trained on: the scores say nothing about new images.")
    if seen.ground:
        say(
            f"{seen.ground} of these {images} images show ground that was trained on, in other images or variants: "
            "the scores flatter."
        )
    if seen.initial_images:
        say(
            f"{seen.initial_images} of these {images} images have names of images that the initial weights were "
            "trained on: if they are the same images, the scores say nothing about new ones."
        )
    if seen.negatives:
        say(
            f"{seen.negatives} of these {negatives} images without landslide were trained on: the scores say nothing "
            "about new images."
        )
