"""A model and a data set → a confusion matrix an image → a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .console import Track, untracked
from .data.classes import CLASS_NAMES
from .data.sample import Sample
from .prediction.predictor import Predictor, decided, warn_of_shrinking
from .scores import FALSE_ALARM, class_scores, confusion_matrix, mean_scores

if TYPE_CHECKING:
    from .models.description import Description

Keep = Callable[[str, np.ndarray], object]  # takes an image's name and its probabilities, (H, W, classes) float32


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
    class_names: tuple[str, ...] = CLASS_NAMES

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
            "class_names": list(self.class_names),
            "confusion": self.confusion.tolist(),
            **{name: _number(value) for name, value in mean_scores(self.confusion).items()},
            **{
                name: {score: _number(values[number]) for score, values in scores.items()}
                for number, name in enumerate(self.class_names)
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

    @property
    def marked(self) -> int:
        """The pixels that are marked, of all images together."""
        return sum(marked for marked, _ in self.per_image.values())

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
    predictor: Predictor,
    samples: Sequence[Sample],
    *,
    split: str,
    subset: str,
    labels: str = "original",
    track: Track = untracked,
) -> Evaluation:
    """Score what `predictor` marks in `samples` at native size.

    `split`, `subset` and `labels` say in the report what the samples are; `track` may show how far it is
    (`console.bar`). The predictor's classes are those of the samples; pixels of class 255 count nowhere.

    Example, of what marks every pixel:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from keras_landslide.data.layouts import find_samples
        >>> from keras_landslide.data.synthetic import write_dataset
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_dataset(folder, 2, size=48)
        >>> predictor = Predictor(lambda batch: np.stack([0 * batch[..., 0], 1 + 0 * batch[..., 0]], -1), 64)
        >>> scores = evaluate(predictor, find_samples(folder), split="mine", subset="test").to_json()
        >>> scores["images"], scores["landslide"]["recall"], scores["background"]["recall"]
        (2, 1.0, 0.0)
    """
    (scores,) = evaluate_labellings(predictor, {labels: samples}, split=split, subset=subset, track=track)
    return scores


def evaluate_labellings(
    predictor: Predictor,
    labellings: dict[str, Sequence[Sample]],
    *,
    split: str,
    subset: str,
    track: Track = untracked,
) -> list[Evaluation]:
    """As `evaluate`, one prediction of each image scored on several labels.

    `labellings` has the same images in the same order under the name of each kind of labels; the evaluations come in
    the order of the names.
    """
    (evaluations,) = evaluate_thresholds(
        predictor, labellings, [predictor.threshold], split=split, subset=subset, track=track
    )
    return evaluations


def evaluate_thresholds(
    predictor: Predictor,
    labellings: dict[str, Sequence[Sample]],
    thresholds: Sequence[float],
    *,
    split: str,
    subset: str,
    track: Track = untracked,
    keep: Keep | None = None,
) -> list[list[Evaluation]]:
    """As `evaluate_labellings` for each of `thresholds`, one prediction of each image for all of them.

    `keep` gets that prediction.
    """
    groups = {sample.name: sample.group for sample in next(iter(labellings.values()))}
    names = predictor.class_names
    sizes: list[tuple[int, int]] = []
    evaluations = [[Evaluation({}, groups, split, subset, labels, names) for labels in labellings] for _ in thresholds]
    for labelled in track(list(zip(*labellings.values(), strict=True))):
        read = [sample.read() for sample in labelled]
        probabilities = _predicted(predictor, labelled[0], read[0][0], keep)
        for threshold, of_labels in zip(thresholds, evaluations, strict=True):
            found = decided(probabilities, threshold)
            for evaluation, (_, truth) in zip(of_labels, read, strict=True):
                evaluation.per_image[labelled[0].name] = confusion_matrix(truth, found, len(names))
        sizes.append(probabilities.shape[:2])
    warn_of_shrinking(predictor, sizes)
    return evaluations


def false_alarms(predictor: Predictor, negatives: Sequence[Sample], *, track: Track = untracked) -> FalseAlarms:
    """Count what `predictor` marks in images without landslide."""
    (alarms,) = false_alarms_at(predictor, negatives, [predictor.threshold], track=track)
    return alarms


def false_alarms_at(
    predictor: Predictor,
    negatives: Sequence[Sample],
    thresholds: Sequence[float],
    *,
    track: Track = untracked,
    keep: Keep | None = None,
) -> list[FalseAlarms]:
    """As `false_alarms` for each of `thresholds`, one prediction of each image for all of them; `keep` gets it."""
    groups = {sample.name: sample.group for sample in negatives}
    alarms = [FalseAlarms({}, groups) for _ in thresholds]
    for sample in track(negatives):
        probabilities = _predicted(predictor, sample, sample.read()[0], keep)
        for threshold, counted in zip(thresholds, alarms, strict=True):
            found = decided(probabilities, threshold)
            counted.per_image[sample.name] = (int((found == 1).sum()), found.size)
    return alarms


def _predicted(predictor: Predictor, sample: Sample, image: np.ndarray, keep: Keep | None) -> np.ndarray:
    probabilities = predictor(image)
    if keep:
        keep(sample.name, probabilities)
    return probabilities


@dataclass(frozen=True)
class SeenInTraining:
    """How many of the images that are scored a model was trained on, or their ground; scores on those flatter.

    `initial_images` are those that the weights it started from were trained on, by their names.
    """

    images: int
    ground: int
    negatives: int
    initial_images: int


def seen_in_training(
    samples: Sequence[Sample], negatives: Sequence[Sample], description: Description
) -> SeenInTraining:
    """Compare `samples` and `negatives` with what the weights say that they were trained on."""
    data, start = description.data, description.start
    trained_on, groups = set(data.trained_on if data else ()), set(data.groups if data else ())
    before = set(start.data.trained_on if start and start.data else ()) - trained_on
    names = {sample.name for sample in samples}
    return SeenInTraining(
        images=len(names & trained_on),
        ground=sum(sample.group in groups and sample.name not in trained_on for sample in samples),
        negatives=len({sample.name for sample in negatives} & set(data.negatives if data else ())),
        initial_images=len(names & before),
    )
