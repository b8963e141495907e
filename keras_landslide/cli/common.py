"""What several commands share."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from ..console import load_tensorflow
from ..errors import LandslideError, unknown_name
from ..settings import SMALLEST_INPUT

if TYPE_CHECKING:
    from ..models.saving import StoredWeights
    from ..prediction.predictor import Predictor


def check_labels(name: str, choices: Collection[str]) -> None:
    if name not in choices:
        raise unknown_name("labels", name, choices)


def weights_of(options) -> "StoredWeights":
    """The weights that are asked for, read and checked; `--image-size` is checked too."""
    if options.image_size is not None and options.image_size < SMALLEST_INPUT:
        raise LandslideError(f"--image-size {options.image_size} is not possible; give {SMALLEST_INPUT} or more.")
    load_tensorflow()
    from ..models.loading import weights_file
    from ..models.saving import read_weights

    return read_weights(weights_file(options.weights))


def predictor_of(weights: "StoredWeights", options) -> "Predictor":
    """The model of the weights, with the options of `predict` and `evaluate`."""
    from ..models.loading import rebuilt
    from ..prediction.predictor import Predictor

    if options.threshold is not None and weights.description.classes > 2:
        raise LandslideError(
            f"--threshold is for two classes, and {weights.path} has {weights.description.classes}; leave it out."
        )
    how = {"image_size": options.image_size, "average_flips": options.average_flips, "threshold": options.threshold}
    return Predictor.of(rebuilt(weights), **how)
