"""The probability above which a pixel is landslide, chosen on validation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..console import Track, untracked
from ..data.classes import MOST_PROBABLE
from ..data.sample import Sample
from ..prediction.predictor import Predictor
from ..scores import THRESHOLDS, confusion_by_threshold, landslide_iou


@dataclass(frozen=True)
class Choice:
    """The landslide IoU at each of `scores.THRESHOLDS`, over all pixels of `images` with and `negatives` without."""

    landslide_iou: tuple[float, ...]
    images: int
    negatives: int

    @property
    def threshold(self) -> float:
        """The best one; of equals that which is nearest to the most probable class.

        >>> Choice((0.5,) * 12 + (0.6,) * 3 + (0.5,) * 4, 46, 30).threshold
        0.65
        """
        return max(zip(THRESHOLDS, self.landslide_iou, strict=True), key=lambda at: (at[1], -abs(at[0] - 0.5)))[0]

    def iou_at(self, threshold: float) -> float:
        return self.landslide_iou[THRESHOLDS.index(threshold)]

    def to_json(self) -> dict:
        """What stands under `decision_threshold` in a run's `scores.json`, fractions."""
        by_threshold = dict(zip(map(str, THRESHOLDS), self.landslide_iou, strict=True))
        return {
            "chosen": self.threshold,
            "images": self.images,
            "negatives": self.negatives,
            "landslide_iou": by_threshold,
        }

    def __str__(self) -> str:
        without = f" and {self.negatives} without landslide" if self.negatives else ""
        before, after = (100 * self.iou_at(threshold) for threshold in (MOST_PROBABLE, self.threshold))
        return (
            f"Decision threshold {self.threshold:g}: landslide IoU {after:.1f} on {self.images} validation images"
            f"{without}, {before:.1f} with the more probable class."
        )


def chosen_threshold(
    predictor: Predictor, samples: Sequence[Sample], negatives: Sequence[Sample], track: Track = untracked
) -> Choice:
    """Score what `predictor` finds in validation images, with and without landslide, at every threshold.

    A loss that weighs landslide twice has a network mark too much, most of all where it never saw images without
    landslide. What it marks there is wrong, so that they raise the threshold.
    """
    counts = np.zeros((len(THRESHOLDS), 2, 2), np.int64)
    for sample in track([*samples, *negatives]):
        image, truth = sample.read()
        counts += confusion_by_threshold(truth, predictor(image)[..., 1])
    return Choice(tuple(map(landslide_iou, counts)), len(samples), len(negatives))
