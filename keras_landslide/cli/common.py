"""What several commands share."""

from collections.abc import Sequence

from ..console import load_tensorflow
from ..errors import LandslideError, unknown_name


def check_labels(name: str, choices: Sequence[str]) -> None:
    if name not in choices:
        raise unknown_name("labels", name, choices)


def described(options) -> tuple[dict, int]:
    """What the weights say of themselves, and the input size to use."""
    load_tensorflow()
    from ..models import read_description
    from ..models.loading import weights_file

    options.weights = weights_file(options.weights)
    description = read_description(options.weights)
    size = options.image_size or description["prediction_size"]
    if size < 64:
        raise LandslideError(f"--image-size {size} is not possible; give 64 or more.")
    return description, size
