"""The method to beat: tell landslides by the colour of a single pixel, and by nothing else."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

BINS_PER_CHANNEL = 16


def _colour_bins(image: np.ndarray) -> np.ndarray:
    """Number of the colour bin of every pixel: (H, W, 3) uint8 to (H, W) int, 0 to 4095."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"expected an (H, W, 3) uint8 RGB image, got {image.shape} {image.dtype}")
    red, green, blue = (image[..., channel].astype(np.intp) // (256 // BINS_PER_CHANNEL) for channel in range(3))
    return (red * BINS_PER_CHANNEL + green) * BINS_PER_CHANNEL + blue


def _best_threshold(posterior: np.ndarray, landslide: np.ndarray, background: np.ndarray) -> float:
    """The smallest posterior still called landslide, such that the landslide IoU over these counts is largest."""
    order = np.argsort(-posterior, kind="stable")
    hits = np.cumsum(landslide[order])
    false_alarms = np.cumsum(background[order])
    iou = hits / np.maximum(hits[-1] + false_alarms, 1)
    # Bins with the same posterior fall on the same side of any threshold, so only the last of each group can be a cut.
    ranked = posterior[order]
    is_cut = np.append(ranked[1:] < ranked[:-1], True)
    best = int(np.argmax(np.where(is_cut, iou, -1.0)))
    return float(ranked[best])


@dataclass(frozen=True)
class ColourBaseline:
    """Per-pixel colour classifier: what share of the pixels of this colour were landslide?

    Colours are counted in a histogram of 16 bins per channel. The posterior of a bin is its landslide share with one
    made-up pixel added to it, which carries the share of landslide over all pixels: a colour never seen is then
    neither landslide nor background for certain, but as likely landslide as any pixel. The threshold is the one with
    the largest landslide IoU on the fitted images.

    Attributes:
        posterior: (4096,) float64, P(landslide | colour bin); bin = (red // 16 * 16 + green // 16) * 16 + blue // 16.
        threshold: pixels whose posterior is at least this are called landslide.

    Example:
        >>> import numpy as np
        >>> image = np.zeros((2, 2, 3), np.uint8)
        >>> image[0] = (160, 120, 80)
        >>> mask = np.array([[255, 255], [0, 0]], np.uint8)
        >>> ColourBaseline.fit([image], [mask]).predict(image).tolist()
        [[True, True], [False, False]]
    """

    posterior: np.ndarray
    threshold: float

    @classmethod
    def fit(cls, images: Iterable[np.ndarray], masks: Iterable[np.ndarray]) -> "ColourBaseline":
        """Count the colours of (H, W, 3) uint8 RGB images under (H, W) masks, where nonzero means landslide."""
        landslide = np.zeros(BINS_PER_CHANNEL**3, np.int64)
        background = np.zeros_like(landslide)
        for image, mask in zip(images, masks, strict=True):
            if image.shape[:2] != mask.shape:
                raise ValueError(f"image {image.shape} and mask {mask.shape} do not cover the same pixels")
            bins = _colour_bins(image)
            inside = mask != 0
            landslide += np.bincount(bins[inside], minlength=landslide.size)
            background += np.bincount(bins[~inside], minlength=landslide.size)
        total = landslide + background
        if not total.any():
            raise ValueError("no pixels to fit the colours on")
        if not landslide.any():
            # Every colour has posterior 0, so any threshold above 0 calls nothing landslide.
            return cls(np.zeros(landslide.size), 1.0)
        posterior = (landslide + landslide.sum() / total.sum()) / (total + 1.0)
        return cls(posterior, _best_threshold(posterior, landslide, background))

    def predict(self, image: np.ndarray) -> np.ndarray:
        """Call each pixel of an (H, W, 3) uint8 RGB image landslide or not: (H, W) bool."""
        return self.posterior[_colour_bins(image)] >= self.threshold
