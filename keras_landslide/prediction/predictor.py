"""An image → class probabilities at its native size."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..data.classes import CLASS_NAMES, MOST_PROBABLE
from ..data.letterbox import Letterbox
from ..data.native import resampled
from .windows import blended

log = logging.getLogger("keras_landslide")

if TYPE_CHECKING:
    import keras

    from ..models.description import Description

MOST_SHRUNK = 4  # times: what is squeezed further loses what is small
FLIPS = ((), (1,), (0,), (0, 1))


@dataclass(frozen=True)
class Predictor:
    """A model, and how an image is brought to it and back.

    `run` takes a batch, `(N, S, S, 3)` RGB 0–255 float32, and gives probabilities, `(N, S, S, classes)` float32: a
    Keras model's `predict_on_batch`, or an exported file in its own runtime.

    Without a `zoom` each image is squeezed into a square of `image_size`. With one it is resampled by that factor
    (pixels of the input for a pixel of the image) and predicted in overlapping windows (`windows.blended`), so that the
    ground has one scale in every image.

    >>> predictor = Predictor(lambda batch: np.stack([1 - batch[..., 0] / 255, batch[..., 0] / 255], -1), 64)
    >>> red = np.full((30, 40, 3), (255, 0, 0), np.uint8)
    >>> predictor(red).shape, predictor.classes(red).mean()
    ((30, 40, 2), np.float64(1.0))
    """

    run: Callable[[np.ndarray], np.ndarray]
    image_size: int
    average_flips: bool = False
    threshold: float = MOST_PROBABLE
    zoom: float | None = None
    class_names: tuple[str, ...] = CLASS_NAMES

    @classmethod
    def of(
        cls,
        model: keras.Model,
        *,
        image_size: int | None = None,
        average_flips: bool = False,
        threshold: float | None = None,
    ) -> Predictor:
        """What the weights of a model from `load_model` say, with another size or threshold where one is given."""
        said: Description = model.description
        return cls(
            model.predict_on_batch,
            image_size or said.prediction_size,
            average_flips,
            said.threshold if threshold is None else threshold,
            said.scale.training / said.scale.prediction if said.scale else None,
            said.class_names,
        )

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Class probabilities at native size, `(H, W, classes)` float32, of an RGB image `(H, W, 3)` uint8.

        Each image, and each window, goes through the model alone: the rounding of a convolution depends on the batch's
        size, and the same image must give the same mask to the pixel in whatever company it comes. With
        `average_flips` the probabilities of a square and its three mirror images are averaged.
        """
        if self.zoom is not None:
            return self._at_one_scale(image, self.zoom)
        height, width = image.shape[:2]
        box = Letterbox(height, width, self.image_size)
        return box.probabilities_out(self._of_square(box.image_in(image)))

    def classes(self, image: np.ndarray) -> np.ndarray:
        """The class of each pixel, `(H, W)` uint8 (see `decided`)."""
        return decided(self(image), self.threshold)

    def to_json(self) -> dict:
        """What stands in `evaluate --json` of how images were predicted."""
        return {"image_size": self.image_size, "average_flips": self.average_flips, "threshold": self.threshold}

    def _of_square(self, square: np.ndarray) -> np.ndarray:
        square = square.astype(np.float32)
        views = FLIPS if self.average_flips else FLIPS[:1]
        seen = [np.flip(self.run(np.flip(square, view)[np.newaxis])[0], view) for view in views]
        return np.stack(seen).mean(axis=0, dtype=np.float32)

    def _at_one_scale(self, image: np.ndarray, zoom: float) -> np.ndarray:
        height, width = image.shape[:2]
        found = blended(resampled(image, zoom), self.image_size, self._of_square)
        return cv2.resize(np.ascontiguousarray(found), (width, height), interpolation=cv2.INTER_LINEAR)


def warn_of_shrinking(predictor: Predictor, sizes: Sequence[tuple[int, int]]) -> None:
    """Log one warning where images of these sizes, (height, width), are squeezed so far that landslides are lost."""
    limit = MOST_SHRUNK * predictor.image_size
    large = [size for size in sizes if max(size) > limit]
    if predictor.zoom is None and large:
        height, width = max(large, key=max)
        log.warning(
            "%d of %d images are more than %d times larger than the model's input (the largest %d × %d pixels, the "
            "input %d): small landslides are lost in them. Cut them into tiles of %d pixels, or give --image-size.",
            len(large), len(sizes), MOST_SHRUNK, width, height, predictor.image_size, limit,
        )  # fmt: skip


def decided(probabilities: np.ndarray, threshold: float = MOST_PROBABLE) -> np.ndarray:
    """The class of each pixel, `(H, W)` uint8, from `(H, W, classes)`; one rule for scores and masks.

    The most probable one; of two classes, the second where its probability is above `threshold`.
    """
    if threshold == MOST_PROBABLE or probabilities.shape[-1] > 2:
        return np.argmax(probabilities, axis=-1).astype(np.uint8)
    return (probabilities[..., 1] > threshold).astype(np.uint8)
