"""A model and a data set → a confusion matrix an image → a report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from .data.classes import class_names
from .data.sample import Sample
from .prediction.predictor import classes_at_native_size, native_probabilities
from .scores import class_scores, confusion_matrix, mean_scores

FALSE_ALARM = 0.01  # an image without landslide counts as a false alarm when more than this share of it is marked


@dataclass(frozen=True)
class Evaluation:
    """Confusion matrices by image, `(classes, classes)` int64, rows the truth, pixels at native size.

    For two classes that is [[TN, FP], [FN, TP]]. `groups` has the group of every image: those of one group show the
    same ground, and intervals are taken over groups (see `scores.interval`).
    """

    per_image: dict[str, np.ndarray]
    groups: dict[str, str]
    split: str
    subset: str
    labels: str = "original"

    @property
    def confusion(self) -> np.ndarray:
        """The sum over all images: every pixel counts once."""
        return np.sum(list(self.per_image.values()), axis=0)

    def to_json(self) -> dict:
        """Fractions and counts under the keys that are fixed for `evaluate --json`, with a key for each class."""
        scores = class_scores(self.confusion)
        return {
            "images": len(self.per_image),
            "labels": self.labels,
            "split": self.split,
            "subset": self.subset,
            "confusion": self.confusion.tolist(),
            **mean_scores(self.confusion),
            **{
                name: {score: _number(values[number]) for score, values in scores.items()}
                for number, name in enumerate(class_names(len(self.confusion)))
            },
            "groups": self.groups,
            "per_image": {name: confusion.tolist() for name, confusion in self.per_image.items()},
        }


@dataclass(frozen=True)
class FalseAlarms:
    """What was marked in images without landslide: pixels marked and all pixels at native size, by image.

    Kept apart from `Evaluation`: one number would hide how many images without landslide it was made with. `groups`
    has the group of every image, as there.

    >>> FalseAlarms({"a": (2, 100), "b": (1, 100)}, {"a": "a", "b": "b"}).to_json()
    {'images': 2, 'false_alarms': 0.5, 'marked_area': 0.015}
    """

    per_image: dict[str, tuple[int, int]]
    groups: dict[str, str]

    def to_json(self) -> dict:
        """The block `negatives` of `evaluate --json`, fractions: of images, and of all their pixels."""
        marked, pixels = np.array(list(self.per_image.values())).T
        return {
            "images": len(self.per_image),
            "false_alarms": float(np.mean(marked / pixels > FALSE_ALARM)),
            "marked_area": float(marked.sum() / pixels.sum()),
        }


def _number(value: float) -> float | None:
    """JSON has no NaN; a score that does not exist is null."""
    return None if np.isnan(value) else float(value)


def evaluate(
    model: keras.Model,
    samples: Sequence[Sample],
    *,
    image_size: int,
    split: str,
    subset: str,
    labels: str = "original",
    average_flips: bool = False,
    on_done: Callable[[], object] = lambda: None,
) -> Evaluation:
    """Score `model` on `samples` at native size: each image is letterboxed to `image_size`, predicted, brought back.

    `split`, `subset` and `labels` say in the report what the samples are; `on_done` is called after each image. The
    model's classes are those of the samples; pixels of class 255 count nowhere.
    """
    (scores,) = evaluate_labellings(
        model,
        {labels: samples},
        image_size=image_size,
        split=split,
        subset=subset,
        average_flips=average_flips,
        on_done=on_done,
    )
    return scores


def evaluate_labellings(
    model: keras.Model,
    labellings: dict[str, Sequence[Sample]],
    *,
    image_size: int,
    split: str,
    subset: str,
    average_flips: bool = False,
    on_done: Callable[[], object] = lambda: None,
) -> list[Evaluation]:
    """As `evaluate`, one prediction of each image scored on several labels.

    `labellings` has the same images in the same order under the name of each kind of labels; the evaluations come in
    the order of the names.
    """
    truths: list[tuple[np.ndarray, ...]] = []

    def images():
        for same_image in zip(*labellings.values(), strict=True):
            seen, classes = zip(*(sample.read() for sample in same_image), strict=True)
            truths.append(classes)
            yield seen[0]

    groups = {sample.name: sample.group for sample in next(iter(labellings.values()))}
    evaluations = [Evaluation({}, groups, split, subset, labels) for labels in labellings]
    classes = model.output_shape[-1]
    predicted = native_probabilities(model, images(), image_size, average_flips=average_flips)
    for name, probabilities in zip(groups, predicted, strict=True):
        found = classes_at_native_size(probabilities)
        for evaluation, truth in zip(evaluations, truths.pop(), strict=True):
            evaluation.per_image[name] = confusion_matrix(truth, found, classes)
        on_done()
    return evaluations


def false_alarms(
    model: keras.Model,
    negatives: Sequence[Sample],
    *,
    image_size: int,
    average_flips: bool = False,
    on_done: Callable[[], object] = lambda: None,
) -> FalseAlarms:
    """Count what `model` marks in images without landslide, predicted as in `evaluate`."""
    images = (sample.read()[0] for sample in negatives)
    predicted = native_probabilities(model, images, image_size, average_flips=average_flips)
    per_image = {}
    for sample, probabilities in zip(negatives, predicted, strict=True):
        classes = classes_at_native_size(probabilities)
        per_image[sample.name] = (int((classes == 1).sum()), classes.size)
        on_done()
    return FalseAlarms(per_image, {sample.name: sample.group for sample in negatives})
