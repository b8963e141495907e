"""Input → normalise → backbone → decoder → head → probabilities, for every architecture and backbone."""

import os
from pathlib import Path

import keras
from keras import layers

from ..errors import LandslideError, unknown_name
from .backbones import backbone_named, build_backbone
from .layers import ResizeTo
from .pspnet import pspnet
from .saving import load_backbone_weights

ARCHITECTURES = {"pspnet": pspnet}
SMALLEST_SIDE = 64
BACKBONE_FOLDER_VARIABLE = "KERAS_LANDSLIDE_BACKBONES"


def build_model(
    architecture: str,
    backbone: str,
    *,
    input_shape: tuple[int | None, int | None, int] = (473, 473, 3),
    classes: int = 2,
    output_stride: int = 8,
    backbone_weights: str | Path | None = "imagenet",
    batch_normalization_momentum: float | None = None,
) -> keras.Model:
    """Build a segmentation model (Table 3) that maps RGB images to class probabilities.

    Args:
        architecture: `pspnet`.
        backbone: `mobilenet_v2`.
        input_shape: height, width, 3; a side is at least 64 pixels, or `None` for any size at run time.
        classes: number of classes; 0 is background, 1 landslide.
        output_stride: of the last features, 8 or 16 (the paper's downsample_factor); strides past it become dilation.
        backbone_weights: `"imagenet"` (a local file from the folder in the environment variable
            `KERAS_LANDSLIDE_BACKBONES`, else what Keras downloads), the path of a `.weights.h5` file of the backbone,
            or `None` for random.
        batch_normalization_momentum: replaces that of every batch normalisation; `None` leaves the networks' own.

    Returns:
        A functional `keras.Model`: `(N, H, W, 3)` RGB 0–255 of any dtype to `(N, H, W, classes)` float32
        probabilities, under every precision policy. Its layer `backbone` holds the application network.

    Raises:
        LandslideError: for an unknown name, an impossible size or stride, or weights that cannot be had.

    Example:
        >>> model = build_model("pspnet", "mobilenet_v2", input_shape=(64, 96, 3), backbone_weights=None)
        >>> model.output_shape
        (None, 64, 96, 2)
    """
    if architecture not in ARCHITECTURES:
        raise unknown_name("architecture", architecture, ARCHITECTURES)
    _check_shape(input_shape, classes)
    network = build_backbone(backbone, output_stride=output_stride, momentum=batch_normalization_momentum)
    _initialise(network, backbone, backbone_weights)

    inputs = layers.Input(input_shape, name="image", dtype="float32")
    x = normalise(inputs, backbone_named(backbone).normalisation)
    x = ARCHITECTURES[architecture](network(x), momentum=batch_normalization_momentum)
    x = layers.Conv2D(classes, 1, name="head", dtype="float32")(x)
    x = ResizeTo(name="to_input_size", dtype="float32")([x, inputs])
    outputs = layers.Softmax(name="probabilities", dtype="float32")(x)
    return keras.Model(inputs, outputs, name=f"{architecture}_{backbone}")


def normalise(x, rule: str):
    """RGB 0–255 as the ImageNet weights expect it; `"tf"`: −1 to 1."""
    assert rule == "tf", rule
    return layers.Rescaling(1 / 127.5, offset=-1.0, name="normalise", dtype="float32")(x)


def _check_shape(input_shape, classes: int) -> None:
    sides = input_shape[:2]
    if len(input_shape) != 3 or input_shape[2] != 3 or any(side is not None and side < SMALLEST_SIDE for side in sides):
        raise LandslideError(
            f"Input shape {tuple(input_shape)} is not possible; give (height, width, 3) with sides of "
            f"{SMALLEST_SIDE} pixels or more, or None for any."
        )
    if classes < 2:
        raise LandslideError(f"{classes} classes are not possible; give 2 or more, the background included.")


def _initialise(network: keras.Model, backbone: str, weights: str | Path | None) -> None:
    if weights is None:
        return
    if str(weights) != "imagenet":
        load_backbone_weights(network, weights)
        return
    local = local_backbone_file(backbone)
    if local is not None:
        load_backbone_weights(network, local)
        return
    try:
        source = backbone_named(backbone).application(include_top=False, weights="imagenet", input_shape=(224, 224, 3))
    except Exception as error:  # Keras raises whatever urllib does
        raise LandslideError(
            f"ImageNet weights of {backbone} could not be downloaded; put {backbone}.weights.h5 into a folder and set "
            f"{BACKBONE_FOLDER_VARIABLE} to it, or start from random with --backbone-weights none."
        ) from error
    for layer in network.layers:
        layer.set_weights(source.get_layer(layer.name).get_weights())


def local_backbone_file(backbone: str) -> Path | None:
    """The backbone's ImageNet file in the folder `KERAS_LANDSLIDE_BACKBONES`, or `None` if there is none.

    `<backbone>.weights.h5` comes before `<backbone>_to_<layer>.weights.h5`, which holds the first stages only.
    """
    folder = os.environ.get(BACKBONE_FOLDER_VARIABLE)
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise LandslideError(f"{folder}: {BACKBONE_FOLDER_VARIABLE} names this folder, which does not exist.")
    whole = Path(folder) / f"{backbone}.weights.h5"
    if whole.is_file():
        return whole
    return next(iter(sorted(Path(folder).glob(f"{backbone}_to_*.weights.h5"))), None)
