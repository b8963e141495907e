"""An image → class probabilities at its native size."""

from collections.abc import Iterable, Iterator

import keras
import numpy as np

from ..data.letterbox import Letterbox

FLIPS = ((), (1,), (0,), (0, 1))


def native_probabilities(
    model: keras.Model, images: Iterable[np.ndarray], image_size: int, *, average_flips: bool = False
) -> Iterator[np.ndarray]:
    """Class probabilities at native size, `(H, W, classes)` float32, for RGB images `(H, W, 3)` uint8, in order.

    Each image goes through the model alone: the rounding of a convolution depends on the batch's size, and the same
    image must give the same mask to the pixel in whatever company it comes. With `average_flips` the probabilities of
    the image and its three mirror images are averaged.
    """
    for image in images:
        box = Letterbox(*image.shape[:2], image_size)
        square = box.image_in(image).astype(np.float32)
        views = FLIPS if average_flips else FLIPS[:1]
        seen = [np.flip(model.predict_on_batch(np.flip(square, view)[np.newaxis])[0], view) for view in views]
        yield box.probabilities_out(np.mean(seen, axis=0, dtype=np.float32))


def classes_at_native_size(probabilities: np.ndarray) -> np.ndarray:
    """The most probable class of each pixel, `(H, W)` uint8; one rule for scores and masks."""
    return np.argmax(probabilities, axis=-1).astype(np.uint8)
