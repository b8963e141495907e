"""What is counted from probability maps and masks, without a model: outlines, landslides, curves."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..data.layouts import find_samples
from ..data.sample import Sample
from ..errors import LandslideError
from .result import Result

# Csurka et al., "What is a good evaluation measure for semantic segmentation?", BMVC 2013: the distance at which two
# outlines still agree, as a share of the image's diagonal. In the median test image of paper510: 2.6 pixels, 2 metres.
BOUNDARY_TOLERANCE = 0.0075
LEVELS = 256  # that a map tells apart
FOUND = 0.5  # a landslide is found where the IoU of its mask with what is marked of it is above this


@dataclass(frozen=True)
class Fit:
    """How what is marked in an image fits the one landslide of its mask; both 0 to 1 (see the functions)."""

    boundary_f1: float
    landslide_iou: float

    @property
    def found(self) -> bool:
        return self.landslide_iou > FOUND


def named_samples(data: Path | str, names: Collection[str]) -> list[Sample]:
    """The landslide images of the folder `data` called `names`, by name; raises `LandslideError` for one not there."""
    samples = [sample for sample in find_samples(data) if sample.name in names]
    lacking = sorted(set(names) - {sample.name for sample in samples})
    if lacking:
        raise LandslideError(
            f"{data}: lacks {len(lacking)} of the {len(names)} images that were scored, {lacking[0]} first; give the "
            "folder on which the results were made as --data."
        )
    return samples


def fits(result: Result, samples: Collection[Sample]) -> list[dict[str, Fit]] | None:
    """For each of the result's decisions, how its maps fit the masks of `samples`, by image; `None` without maps.

    Raises `LandslideError` where a map is missing or of another size than its mask.
    """
    if not result.maps.is_dir():
        return None
    of_decisions: list[dict[str, Fit]] = [{} for _ in result.decisions]
    for sample in samples:
        probability, truth = map_and_mask(result, sample)
        for decision, of_images in zip(result.decisions, of_decisions, strict=True):
            marked = probability > decision.threshold
            of_images[sample.name] = Fit(boundary_f1(truth, marked), iou_of_touching(truth, marked))
    return of_decisions


def map_and_mask(result: Result, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """The map of a sample, `(H, W)` float32, and where its mask has landslide, `(H, W)` bool."""
    probability, truth = result.probability(sample.name), sample.read()[1] == 1
    if probability.shape != truth.shape:
        raise LandslideError(
            f"{result.maps / sample.name}.png: has {probability.shape[1]} × {probability.shape[0]} pixels, its mask "
            f"{truth.shape[1]} × {truth.shape[0]}; give the folder on which the results were made as --data."
        )
    return probability, truth


def boundary_f1(truth: np.ndarray, marked: np.ndarray) -> float:
    """F1 of the outlines of two masks, `(H, W)` bool: a pixel is right where the other outline is near enough.

    Precision is the share of the marked outline that lies within `BOUNDARY_TOLERANCE` of the true one, recall the
    share of the true outline near the marked one (Csurka et al. 2013). The edge of the image is no outline. Where
    one of the two is missing F1 is 0, where both are it is NaN.
    """
    one, other = outline(truth), outline(marked)
    if not one.any() or not other.any():
        return float("nan") if one.any() == other.any() else 0.0
    tolerance = BOUNDARY_TOLERANCE * float(np.hypot(*truth.shape))
    recall, precision = (_distances(one, other) <= tolerance).mean(), (_distances(other, one) <= tolerance).mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def outline(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask that have a neighbour above, below or beside them outside of it, `(H, W)` bool."""
    inside = mask.astype(np.uint8)
    return mask & (cv2.erode(inside, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))) == 0)


def _distances(of: np.ndarray, to: np.ndarray) -> np.ndarray:
    """The distance of each pixel of one mask to the nearest one of another, in pixels, `(n,)` float32."""
    return cv2.distanceTransform((~to).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[of]


def iou_of_touching(truth: np.ndarray, marked: np.ndarray) -> float:
    """IoU of a mask's landslide with the marked pieces that touch it, `(H, W)` bool both; a piece is 8-connected.

    A mask of Bijie marks one landslide. What is marked elsewhere in the image is an error of its own, or a landslide
    that this mask leaves out, and says nothing about whether this one was found; what grows out of this one does.
    """
    if not truth.any():
        return float("nan")
    _, pieces = cv2.connectedComponents(marked.astype(np.uint8), connectivity=8)
    touching = np.isin(pieces, np.unique(pieces[truth & marked]))
    return float((truth & marked).sum() / (truth | touching).sum())


def histogram(result: Result, samples: Collection[Sample]) -> np.ndarray:
    """How many pixels of background and of landslide have each of the 256 probabilities of a map, `(2, 256)` int64."""
    counts = np.zeros((2, LEVELS), np.int64)
    for sample in samples:
        probability, truth = map_and_mask(result, sample)
        levels = np.rint(probability * (LEVELS - 1)).astype(np.int64)
        counts += np.stack([np.bincount(levels[truth == landslide], minlength=LEVELS) for landslide in (False, True)])
    return counts


def precision_recall(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall of the landslide class where all pixels of a probability and above are marked.

    `counts` are those of `histogram`; for every probability that a pixel has, the highest first, `(n,)` float64.
    """
    false, true = np.cumsum(counts[:, ::-1], axis=1)
    held = counts.sum(axis=0)[::-1] > 0
    return (true / np.maximum(true + false, 1))[held], (true / true[-1])[held]


def average_precision(counts: np.ndarray) -> float:
    """The mean of the precisions of `precision_recall`, each weighted with the recall that it adds."""
    precision, recall = precision_recall(counts)
    return float((np.diff(recall, prepend=0) * precision).sum())


def reliability(counts: np.ndarray, bins: int = 10) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean probability, share of landslide and number of pixels of equally wide bins, `(bins,)` each; NaN where empty.

    `counts` are those of `histogram`.
    """
    probabilities = np.arange(LEVELS) / (LEVELS - 1)
    places = np.minimum((probabilities * bins).astype(int), bins - 1)
    pixels, landslide, summed = (
        np.bincount(places, weights, bins) for weights in (counts.sum(0), counts[1], counts.sum(0) * probabilities)
    )
    with np.errstate(invalid="ignore"):
        return summed / pixels, landslide / pixels, pixels


def calibration_error(counts: np.ndarray, bins: int = 10) -> float:
    """The expected calibration error: how far the bins' shares are from their probabilities, weighted with pixels."""
    probability, share, pixels = reliability(counts, bins)
    return float(np.nansum(np.abs(probability - share) * pixels) / pixels.sum())
