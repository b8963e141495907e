"""A weights file → the model that it describes."""

from pathlib import Path

import keras

from .build import build_model
from .saving import WEIGHTS_SUFFIX, StoredWeights, read_weights, set_weights


def shipped_weights(name: str) -> Path | None:
    """The weights file called `name` that travels with the package, or `None`."""
    package = Path(__file__).parents[1]
    for folder in (package / "weights", package.parent / "weights"):  # installed, and in a checkout
        if (folder / f"{name}{WEIGHTS_SUFFIX}").is_file():
            return folder / f"{name}{WEIGHTS_SUFFIX}"
    return None


def load_model(
    path_or_name: Path | str, *, input_shape: tuple[int | None, int | None, int] = (None, None, 3)
) -> keras.Model:
    """Rebuild the model that a weights file describes and load its weights; nothing but the file is needed.

    `path_or_name` is the path of a `.weights.h5`, or the name of one that travels with the package.

    Returns a `keras.Model` from RGB 0–255 `(N, H, W, 3)` to float32 probabilities `(N, H, W, classes)`, for images of
    any size unless `input_shape` fixes one; its attribute `description` is what the file says of itself. Raises
    `LandslideError` if the file is missing, damaged or of another model.

    >>> model = load_model("pspnet_mobilenet_v2")
    >>> model.output_shape, model.description.threshold
    ((None, None, None, 2), 0.8)
    """
    return rebuilt(read_weights(weights_file(path_or_name)), input_shape=input_shape)


def rebuilt(
    weights: StoredWeights, *, input_shape: tuple[int | None, int | None, int] = (None, None, 3)
) -> keras.Model:
    """The model of weights that were read already, as `load_model` gives it."""
    description = weights.description
    model = build_model(
        description.architecture,
        description.backbone,
        classes=description.classes,
        output_stride=description.output_stride,
        rates=description.rates,
        input_shape=input_shape,
        backbone_weights=None,
    )
    set_weights(model, weights.layers, weights.path)
    model.description = description
    return model


def weights_file(path_or_name: Path | str) -> Path:
    """The file that a path, or the name of shipped weights, stands for; reading it says if it is not there."""
    path = Path(path_or_name)
    return path if path.is_file() else shipped_weights(str(path_or_name)) or path
