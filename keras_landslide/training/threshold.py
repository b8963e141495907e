"""The probability above which a pixel is landslide, chosen on validation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..data.classes import MOST_PROBABLE
from ..evaluation import Evaluation, FalseAlarms
from ..scores import landslide_iou

THRESHOLDS = tuple(step / 20 for step in range(1, 20))  # finer ones would follow the noise of a few images


@dataclass(frozen=True)
class Choice:
    """The landslide IoU at each of `THRESHOLDS`, over all pixels of `images` with and `negatives` without."""

    landslide_iou: tuple[float, ...]
    images: int
    negatives: int

    @property
    def threshold(self) -> float:
        """The best one; of equals that which is nearest to the most probable class.

        >>> Choice((0.5,) * 12 + (0.6,) * 3 + (0.5,) * 4, 46, 30).threshold
        0.65
        """
        return max(
            zip(THRESHOLDS, self.landslide_iou, strict=True), key=lambda at: (at[1], -abs(at[0] - MOST_PROBABLE))
        )[0]

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


def chosen_threshold(evaluations: Sequence[Evaluation], alarms: Sequence[FalseAlarms]) -> Choice:
    """The choice among `THRESHOLDS`, from the scores at each of them of validation images with and without landslide.

    A loss that weighs landslide twice has a network mark too much, most of all where it never saw images without
    landslide. What it marks there is wrong, so that they raise the threshold.
    """
    ious = [
        landslide_iou(np.add(evaluation.confusion, [[0, alarm.marked], [0, 0]]))
        for evaluation, alarm in zip(evaluations, alarms, strict=True)
    ]
    return Choice(tuple(ious), len(evaluations[0].per_image), len(alarms[0].per_image))
