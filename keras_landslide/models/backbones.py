"""The application networks as backbones: named features by nominal stride, and strides turned into dilation.

A backbone is one line of `BACKBONES`. Cloning the application network with changed strides, dilation and padding keeps
every weight's shape, so ImageNet files load as they are.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import keras
from keras import layers

from ..errors import LandslideError, unknown_name
from .layers import BatchNormalization, DilatedMaxPooling
from .rearranged import Rearrangement


@dataclass(frozen=True)
class Backbone:
    """What is particular to one application network.

    `taps` are the layers whose outputs stand for the nominal strides; `normalisation` is the rule of its ImageNet
    weights; `output_strides` are what its last features can have, the undilated network's own at the end.
    `pads_by_size` marks a network whose explicit zero padding depends on the size known when the graph is built.
    `residual_blocks` are the blocks whose residual convolution and normalisation Keras names by what was built before.
    """

    application: Callable
    taps: dict[int, str]
    normalisation: str
    output_strides: tuple[int, ...] = (8, 16, 32)
    pads_by_size: bool = False
    residual_blocks: tuple[str, ...] = ()


# Mean and standard deviation of red, green and blue by which each rule normalises, and whether blue comes first then.
NORMALISATIONS = {
    "tf": ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5), False),
    "caffe": ((123.68, 116.779, 103.939), (1.0, 1.0, 1.0), True),  # the mean is ImageNet's
}

# The last features end where a decoder begins: no pooling or widening that only a classifier needs.
BACKBONES = {
    "vgg16": Backbone(
        application=keras.applications.VGG16,
        # the five convolution stages before each pool
        taps={1: "block1_conv2", 2: "block2_conv2", 4: "block3_conv3", 8: "block4_conv3", 16: "block5_conv3"},
        normalisation="caffe",
        output_strides=(8, 16),
    ),
    "resnet50": Backbone(
        application=keras.applications.ResNet50,
        taps={
            2: "conv1_relu",
            4: "conv2_block3_out",
            8: "conv3_block4_out",
            16: "conv4_block6_out",
            32: "conv5_block3_out",
        },
        normalisation="caffe",
    ),
    "mobilenet": Backbone(
        application=keras.applications.MobileNet,
        taps={
            2: "conv_pw_1_relu",
            4: "conv_pw_3_relu",
            8: "conv_pw_5_relu",
            16: "conv_pw_11_relu",
            32: "conv_pw_13_relu",
        },
        normalisation="tf",
    ),
    # Ends at the 320-channel projection of block 16: the 1280-channel convolution after it is made for a classifier.
    "mobilenet_v2": Backbone(
        application=keras.applications.MobileNetV2,
        taps={
            2: "block_1_expand_relu",
            4: "block_3_expand_relu",
            8: "block_6_expand_relu",
            16: "block_13_expand_relu",
            32: "block_16_project_BN",
        },
        normalisation="tf",
        pads_by_size=True,
    ),
    # Its first two convolutions are not padded, so its maps are up to three pixels smaller than side / stride.
    "xception": Backbone(
        application=keras.applications.Xception,
        taps={
            2: "block2_sepconv2_bn",
            4: "block3_sepconv2_bn",
            8: "block4_sepconv2_bn",
            16: "block13_sepconv2_bn",
            32: "block14_sepconv2_act",
        },
        normalisation="tf",
        residual_blocks=("block2", "block3", "block4", "block13"),
    ),
}
RESIDUAL_NAMES = {"conv2d": "residual_conv", "batch_normalization": "residual_bn"}  # Keras' name, ours after the block


def backbone_named(name: str) -> Backbone:
    """The table line called `name`; raises `LandslideError` with the choices."""
    if name not in BACKBONES:
        raise unknown_name("backbone", name, BACKBONES)
    return BACKBONES[name]


def check_output_stride(name: str, output_stride: int) -> None:
    """Raise `LandslideError` for an unknown backbone, or an output stride that this network cannot have."""
    possible = backbone_named(name).output_strides
    if output_stride not in possible:
        allowed = ", ".join(map(str, possible))
        raise LandslideError(f"Output stride {output_stride} is not possible for {name}. Choose from: {allowed}.")


def build_backbone(
    name: str,
    *,
    output_stride: int = 32,
    momentum: float | None = None,
    sides: tuple[int | None, int | None] = (None, None),
) -> keras.Model:
    """The network `name`, input `(N, H, W, 3)` normalised, output a dict of features by nominal stride.

    Keys are `stride_2` to `stride_32`, for VGG16 `stride_1` to `stride_16`; the actual stride of a feature is
    `min(nominal, output_stride)`. `momentum` replaces that of every batch normalisation (Keras' MobileNetV2 has 0.999,
    far too slow for a few hundred steps from random weights). Height and width as `sides` make a network for that size
    alone with the same weights, faster on TensorFlow where it has dilated depthwise convolutions and maps whose sides
    are multiples of the dilation. Weights are random. Raises `LandslideError` for an output stride that this network
    cannot have.
    """
    check_output_stride(name, output_stride)
    backbone = backbone_named(name)
    with keras.StatelessScope(initialize_variables=False):  # only its plan is needed: spare the random weights
        network = backbone.application(include_top=False, weights=None, input_shape=(None, None, 3))
    strides = _nominal_strides(network)
    names = fixed_names([layer.name for layer in network.layers], backbone.residual_blocks)

    def clone(layer):
        copy, config = _dilated(layer, strides[layer.name], output_stride, backbone.pads_by_size)
        config["name"] = names.get(layer.name, layer.name)
        if momentum is not None and copy is BatchNormalization:
            config["momentum"] = momentum
        return copy.from_config(config)

    rearrangement = Rearrangement()
    image = keras.Input((*sides, 3))
    network = keras.models.clone_model(
        network, input_tensors=image, clone_function=clone, call_function=rearrangement.call
    )
    taps = {
        f"stride_{stride}": rearrangement.ordered(network.get_layer(tap).output)
        for stride, tap in backbone.taps.items()
    }
    return keras.Model(image, taps, name="backbone")


def fixed_names(names: Iterable[str], residual_blocks: Iterable[str]) -> dict[str, str]:
    """The layer names that Keras numbered (`conv2d_7`), mapped in their order to names by block.

    >>> fixed_names(["conv2d_10", "block1_conv1", "conv2d_9"], ["block2", "block3"])
    {'conv2d_9': 'block2_residual_conv', 'conv2d_10': 'block3_residual_conv'}
    """
    found = {}
    for automatic, fixed in RESIDUAL_NAMES.items():
        matches = (re.fullmatch(rf"{automatic}(?:_(\d+))?", name) for name in names)
        numbered = sorted((int(match[1] or 0), match[0]) for match in matches if match)
        found.update({name: f"{block}_{fixed}" for (_, name), block in zip(numbered, residual_blocks, strict=False)})
    return found


def _nominal_strides(network: keras.Model) -> dict[str, int]:
    """The total stride at the input of every layer of the undilated network, by layer name."""
    at_output: dict[int, int] = {}
    at_input: dict[str, int] = {}
    for layer in network.layers:
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        at_input[layer.name] = max((at_output.get(id(tensor), 1) for tensor in inputs), default=1)
        at_output[id(layer.output)] = at_input[layer.name] * _stride(layer.get_config())
    return at_input


def _stride(config: dict) -> int:
    strides = config.get("strides") or 1
    return strides if isinstance(strides, int) else max(strides)


def _dilated(layer, nominal: int, output_stride: int, pads_by_size: bool) -> tuple[type, dict]:
    """Class and configuration of `layer` in the dilated network; `nominal` is the undilated stride at its input.

    Past `output_stride` strides become 1 and kernels spread accordingly. Explicit padding goes where it depends on the
    size known when the graph is built (TensorFlow's own "same" padding of the strided convolution after it is the same
    rule, applied to the size at hand) and where that convolution loses its stride: kernels are then centred.
    """
    config = layer.get_config()
    loses_stride = nominal * _stride(config) > output_stride and _stride(config) > 1
    rate = max(1, nominal // output_stride)
    if isinstance(layer, layers.ZeroPadding2D):
        # in these networks padding stands before a layer of stride 2, never elsewhere
        if pads_by_size or nominal * 2 > output_stride:
            return layers.Activation, {"activation": "linear"}
    elif isinstance(layer, layers.MaxPooling2D) and loses_stride:
        pooling = {key: config[key] for key in ("pool_size", "strides", "padding")}
        return DilatedMaxPooling, {**pooling, "dilation": rate, "dtype": config["dtype"]}
    elif "dilation_rate" in config:
        if _stride(config) > 1 and (pads_by_size or loses_stride):
            config["padding"] = "same"
        if loses_stride:
            config["strides"] = (1, 1)
        # A 1×1 kernel has nothing to spread, but TensorFlow would still rearrange the whole map for its rate.
        spread = rate if max(config["kernel_size"]) > 1 else 1
        config["dilation_rate"] = (spread, spread)
    elif isinstance(layer, layers.BatchNormalization):
        return BatchNormalization, config
    return type(layer), config
