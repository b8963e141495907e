"""A model and a data set → a confusion matrix an image → a report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from .data.folder import Sample
from .data.voc import VOC_CLASSES
from .metrics import class_scores, confusion_matrix, mean_scores
from .prediction import classes_at_native_size, native_probabilities

CLASS_NAMES = ("background", "landslide")


def class_names(classes: int) -> tuple[str, ...]:
    """What the classes are called in reports: 2 are background and landslide, 21 those of VOC, others have numbers.

    >>> class_names(3)
    ('background', 'class_1', 'class_2')
    """
    known = {len(names): names for names in (CLASS_NAMES, VOC_CLASSES)}
    return known.get(classes) or ("background", *(f"class_{number}" for number in range(1, classes)))


@dataclass(frozen=True)
class Evaluation:
    """Confusion matrices by image, `(classes, classes)` int64, rows the truth, pixels at native size.

    For two classes that is [[TN, FP], [FN, TP]].
    """

    per_image: dict[str, np.ndarray]
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
            "per_image": {name: confusion.tolist() for name, confusion in self.per_image.items()},
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
    average_flips: bool = False,
    on_done: Callable[[], object] = lambda: None,
) -> Evaluation:
    """Score `model` on `samples` at native size: each image is letterboxed to `image_size`, predicted, brought back.

    `split` and `subset` say in the report where the samples come from; `on_done` is called after each image. The
    model's classes are those of the samples; pixels of class 255 count nowhere.
    """
    truths: list[np.ndarray] = []

    def images():
        for sample in samples:
            image, truth = sample.read()
            truths.append(truth)
            yield image

    per_image = {}
    classes = model.output_shape[-1]
    predicted = native_probabilities(model, images(), image_size, average_flips=average_flips)
    for sample, probabilities in zip(samples, predicted, strict=True):
        per_image[sample.name] = confusion_matrix(truths.pop(), classes_at_native_size(probabilities), classes)
        on_done()
    return Evaluation(per_image, split, subset)
