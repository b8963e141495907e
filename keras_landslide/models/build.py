"""Input → normalise → backbone → decoder → head → probabilities, for every architecture and backbone."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
from keras import layers, ops

from ..errors import LandslideError, unknown_name
from ..paper import row_name
from ..settings import SMALLEST_INPUT, WITHOUT_OUTPUT_STRIDE
from .backbones import NORMALISATIONS, backbone_named, build_backbone, check_output_stride, fixed_names
from .deeplabv3plus import deeplabv3plus
from .layers import ResizeTo
from .pspnet import auxiliary_branch, pspnet
from .saving import layers_with_weights, load_backbone_weights
from .unet import unet


@dataclass(frozen=True)
class Architecture:
    """A decoder, `(features, image, *, momentum, …)` to a map, and which options of `build_model` are its own."""

    decoder: Callable
    rates: bool = False
    auxiliary: Callable | None = None


ARCHITECTURES = {
    "unet": Architecture(unet),
    "deeplabv3plus": Architecture(deeplabv3plus, rates=True),
    "pspnet": Architecture(pspnet, auxiliary=auxiliary_branch),
}
BACKBONE_FOLDER_VARIABLE = "KERAS_LANDSLIDE_BACKBONES"


def build_model(
    architecture: str,
    backbone: str,
    *,
    input_shape: tuple[int | None, int | None, int] = (473, 473, 3),
    classes: int = 2,
    output_stride: int = 8,
    aux_branch: bool = False,
    rates: tuple[int, ...] | None = None,
    backbone_weights: str | Path | None = "imagenet",
    batch_normalization_momentum: float | None = None,
) -> keras.Model:
    """Build a segmentation model (Table 3) that maps RGB images to class probabilities.

    Args:
        architecture: `unet`, `deeplabv3plus` or `pspnet`.
        backbone: `vgg16`, `resnet50`, `mobilenet`, `mobilenet_v2` or `xception`.
        input_shape: height, width, 3; a side is at least 64 pixels, or `None` for any size at run time.
        classes: number of classes; 0 is background, 1 landslide.
        output_stride: of the last features, 8 or 16 (the paper's downsample_factor), or 32 but for `vgg16`; strides
            past it become dilation. U-Net ignores it.
        aux_branch: PSPNet only: a second output for training, from the features of nominal stride 16.
        rates: DeepLabv3+ only: dilation of its separable branches; `None` for the paper's 6, 12, 18.
        backbone_weights: `"imagenet"` (a local file from the folder in the environment variable
            `KERAS_LANDSLIDE_BACKBONES`, else what Keras downloads), the path of a `.weights.h5` file of the backbone,
            or `None` for random.
        batch_normalization_momentum: replaces that of every batch normalisation; `None` leaves the networks' own.

    Returns:
        A functional `keras.Model`: `(N, H, W, 3)` RGB 0–255 of any dtype to `(N, H, W, classes)` float32
        probabilities, under every precision policy; with `aux_branch` to a dict of two such, `probabilities` and
        `auxiliary`. Its layer `backbone` holds the application network.

    Raises:
        LandslideError: for an unknown name, an impossible size, stride or option, or weights that cannot be had.

    Example:
        >>> model = build_model("pspnet", "mobilenet_v2", input_shape=(64, 96, 3), backbone_weights=None)
        >>> model.output_shape
        (None, 64, 96, 2)
    """
    check_network(architecture, backbone, output_stride, aux_branch=aux_branch, rates=rates)
    _check_shape(input_shape, classes)
    plan, momentum = ARCHITECTURES[architecture], batch_normalization_momentum
    stride = _stride(architecture, backbone, output_stride)
    network = build_backbone(backbone, output_stride=stride, momentum=momentum, sides=input_shape[:2])
    initialise_backbone(network, backbone, backbone_weights)

    inputs = layers.Input(input_shape, name="image", dtype="float32")
    features = network(normalise(inputs, backbone_named(backbone).normalisation))
    options = {"rates": tuple(rates)} if rates else {}
    x = plan.decoder(features, inputs, momentum=momentum, **options)
    outputs = _probabilities(x, inputs, classes, name="probabilities")
    if aux_branch:
        x = plan.auxiliary(features, momentum=momentum)
        auxiliary = _probabilities(x, inputs, classes, name="auxiliary", prefix="auxiliary_")
        outputs = {"probabilities": outputs, "auxiliary": auxiliary}
    return keras.Model(inputs, outputs, name=row_name(architecture, backbone))


def UNet(backbone: str, **options) -> keras.Model:
    """`build_model("unet", backbone, **options)`."""
    return build_model("unet", backbone, **options)


def DeepLabV3Plus(backbone: str, **options) -> keras.Model:
    """`build_model("deeplabv3plus", backbone, **options)`."""
    return build_model("deeplabv3plus", backbone, **options)


def PSPNet(backbone: str, **options) -> keras.Model:
    """`build_model("pspnet", backbone, **options)`."""
    return build_model("pspnet", backbone, **options)


def normalise(x, rule: str):
    """RGB 0–255, `(N, H, W, 3)` float32, as the ImageNet weights expect it; same shape and dtype.

    `"tf"`: −1 to 1. `"caffe"`: blue, green, red, less the mean of ImageNet.
    """
    means, deviations, blue_first = NORMALISATIONS[rule]
    scale = [1 / deviation for deviation in deviations]
    offset = [-mean / deviation for mean, deviation in zip(means, deviations, strict=True)]
    x = layers.Rescaling(scale, offset=offset, name="normalise", dtype="float32")(x)
    return ops.flip(x, axis=-1) if blue_first else x


def _probabilities(x, inputs, classes: int, *, name: str, prefix: str = ""):
    """1×1 convolution, resize to the input's size, softmax, in float32."""
    x = layers.Conv2D(classes, 1, name=f"{prefix}head", dtype="float32")(x)
    x = ResizeTo(name=f"{prefix}to_input_size", dtype="float32")([x, inputs])
    return layers.Softmax(name=name, dtype="float32")(x)


def _check_shape(input_shape, classes: int) -> None:
    sides = input_shape[:2]
    if (
        len(input_shape) != 3
        or input_shape[2] != 3
        or any(side is not None and side < SMALLEST_INPUT for side in sides)
    ):
        raise LandslideError(
            f"Input shape {tuple(input_shape)} is not possible; give (height, width, 3) with sides of "
            f"{SMALLEST_INPUT} pixels or more, or None for any."
        )
    if classes < 2:
        raise LandslideError(f"{classes} classes are not possible; give 2 or more, the background included.")


def check_network(
    architecture: str,
    backbone: str,
    output_stride: int,
    *,
    aux_branch: bool = False,
    rates: Sequence[int] | None = None,
) -> None:
    """Raise `LandslideError` for what `build_model` cannot build; nothing is built or read."""
    if architecture not in ARCHITECTURES:
        raise unknown_name("architecture", architecture, ARCHITECTURES)
    plan = ARCHITECTURES[architecture]
    check_output_stride(backbone, _stride(architecture, backbone, output_stride))
    if aux_branch and plan.auxiliary is None:
        able = ", ".join(name for name, other in ARCHITECTURES.items() if other.auxiliary)
        raise LandslideError(f"{architecture} has no auxiliary branch; leave out aux_branch or choose from: {able}.")
    if rates and not plan.rates:
        able = ", ".join(name for name, other in ARCHITECTURES.items() if other.rates)
        raise LandslideError(f"{architecture} has no rates; leave out rates or choose from: {able}.")
    if rates and any(not isinstance(rate, int) or rate < 1 for rate in rates):
        raise LandslideError(f"Rates {tuple(rates)} are not possible; give whole numbers of 1 or more.")


def _stride(architecture: str, backbone: str, output_stride: int) -> int:
    """That of the last features; the backbone's largest where the architecture has none to choose."""
    return backbone_named(backbone).output_strides[-1] if architecture in WITHOUT_OUTPUT_STRIDE else output_stride


def initialise_backbone(network: keras.Model, backbone: str, weights: str | Path | None) -> list[str]:
    """Give the backbone `network` its `backbone_weights` (see `build_model`); the names of layers that stay random."""
    if weights is None:
        return [layer.name for layer in layers_with_weights(network)]
    if str(weights) != "imagenet":
        return load_backbone_weights(network, weights)
    local = local_backbone_file(backbone)
    if local is not None:
        return load_backbone_weights(network, local)
    try:
        source = backbone_named(backbone).application(include_top=False, weights="imagenet", input_shape=(224, 224, 3))
    except Exception as error:  # Keras raises whatever urllib does
        raise LandslideError(
            f"ImageNet weights of {backbone} could not be downloaded; put {backbone}.weights.h5 into a folder and set "
            f"{BACKBONE_FOLDER_VARIABLE} to it, or start from random with --backbone-weights none."
        ) from error
    names = fixed_names([layer.name for layer in source.layers], backbone_named(backbone).residual_blocks)
    trained = {names.get(layer.name, layer.name): layer.get_weights() for layer in source.layers}
    for layer in network.layers:
        if layer.weights:
            layer.set_weights(trained[layer.name])
    return []


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
