"""The application networks as backbones: named features by nominal stride, and strides turned into dilation.

A backbone is one line of `BACKBONES`. Cloning the application network with changed strides, dilation and padding keeps
every weight's name and shape, so ImageNet files load as they are.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers

from ..errors import LandslideError, unknown_name


@dataclass(frozen=True)
class Backbone:
    """What is particular to one application network.

    `taps` are the layers whose outputs stand for the nominal strides; `normalisation` is the rule of its ImageNet
    weights; `padded` maps each layer of explicit zero padding to the strided layer that it pads, for networks whose
    padding depends on the size known when the graph is built.
    """

    application: Callable
    taps: dict[int, str]
    normalisation: str
    output_strides: tuple[int, ...] = (8, 16, 32)


BACKBONES = {
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
    ),
}


def backbone_named(name: str) -> Backbone:
    """The table line called `name`; raises `LandslideError` with the choices."""
    if name not in BACKBONES:
        raise unknown_name("backbone", name, BACKBONES)
    return BACKBONES[name]


def build_backbone(name: str, *, output_stride: int = 32, momentum: float | None = None) -> keras.Model:
    """The network `name`, input `(N, H, W, 3)` normalised, output a dict of features by nominal stride 2 to 32.

    The actual stride of a feature is `min(nominal, output_stride)`. `momentum` replaces that of every batch
    normalisation (Keras' MobileNetV2 has 0.999, far too slow for a few hundred steps from random weights). Weights
    are random. Raises `LandslideError` for an output stride that this network cannot have.
    """
    backbone = backbone_named(name)
    if output_stride not in backbone.output_strides:
        allowed = ", ".join(map(str, backbone.output_strides))
        raise LandslideError(f"Output stride {output_stride} is not possible for {name}. Choose from: {allowed}.")
    network = backbone.application(include_top=False, weights=None, input_shape=(None, None, 3))
    strides = _nominal_strides(network)

    def clone(layer):
        return _dilated(layer, strides, output_stride, momentum)

    network = keras.models.clone_model(network, clone_function=clone)
    taps = {f"stride_{stride}": network.get_layer(tap).output for stride, tap in backbone.taps.items()}
    return keras.Model(network.input, taps, name="backbone")


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


def _dilated(layer, strides: dict[str, int], output_stride: int, momentum: float | None):
    """A copy of `layer` for the dilated network: past `output_stride`, stride 1 and a kernel spread accordingly."""
    config = layer.get_config()
    nominal = strides[layer.name]
    if isinstance(layer, layers.ZeroPadding2D):
        # MobileNetV2 pads by the size known when the graph is built. TensorFlow's own "same" padding of the strided
        # convolution that follows is the same rule, applied to the size at hand.
        return layers.Activation("linear", name=layer.name)
    if isinstance(layer, layers.DepthwiseConv2D) and _stride(config) > 1:
        config["padding"] = "same"
    if "dilation_rate" in config and "strides" in config:
        # A 1×1 kernel has nothing to spread, but TensorFlow would still rearrange the whole map for its rate.
        rate = max(1, nominal // output_stride) if max(config["kernel_size"]) > 1 else 1
        config["dilation_rate"] = (rate, rate)
        if nominal * _stride(config) > output_stride:
            config["strides"] = (1, 1)
    if momentum is not None and isinstance(layer, layers.BatchNormalization):
        config["momentum"] = momentum
    return type(layer).from_config(config)
