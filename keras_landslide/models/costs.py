"""What a model costs: parameters and multiply-adds at an image size."""

from dataclasses import dataclass
from math import prod

import keras
from keras import layers

from .build import build_model
from .rearranged import SpaceToBatch


@dataclass(frozen=True)
class Cost:
    """Parameters of a model (all, trained or not) and multiply-adds of one image through it."""

    parameters: int
    multiply_adds: int


def cost(model: keras.Model, height: int, width: int) -> Cost:
    """The cost of `model`, built for any size, `(N, height, width, 3)` float32 in.

    A multiply-add is one multiplication and one addition of a convolution or a dense layer; normalisation,
    activations, pooling and resizing are a few per cent of these and left out, as is usual. What is counted is the
    network as it is defined, although `pyramid.Conv2D` needs fewer for the same result.

    Raises `ValueError` for a network made for one size, some of whose maps may stand in parts.

    >>> inputs = keras.Input((None, None, 3))
    >>> cost(keras.Model(inputs, layers.Conv2D(8, 3, padding="same")(inputs)), 10, 10)
    Cost(parameters=224, multiply_adds=21600)
    """
    with keras.StatelessScope(initialize_variables=False):  # a copy without values: shapes are all that is needed
        return Cost(model.count_params(), _multiply_adds(model, (None, height, width, 3)))


def _multiply_adds(model: keras.Model, shape: tuple) -> int:
    """Those of every layer of `model` for one input of `shape`, nested models opened."""
    total = 0

    def call(layer, *args, **kwargs):
        nonlocal total
        output = layer(*args, **kwargs)
        if isinstance(layer, keras.Model):
            total += _multiply_adds(layer, args[0].shape)
        else:
            total += _of_layer(layer, output)
        return output

    keras.models.clone_model(model, input_tensors=keras.Input(shape[1:]), call_function=call)
    return total


def _of_layer(layer, output) -> int:
    """Each value of a kernel is used once at every position of the output."""
    if isinstance(layer, SpaceToBatch):
        raise ValueError("Count the multiply-adds of a network that takes any size.")
    if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D, layers.Dense)):
        kernels = [weight for weight in layer.weights if len(weight.shape) > 1]
        return prod(output.shape[1:-1]) * sum(prod(kernel.shape) for kernel in kernels)
    return 0


def model_cost(architecture: str, backbone: str, image_size: int, output_stride: int = 8) -> Cost:
    """The cost of an architecture on a backbone at `image_size` × `image_size` pixels."""
    shape = (None, None, 3)
    model = build_model(architecture, backbone, input_shape=shape, output_stride=output_stride, backbone_weights=None)
    return cost(model, image_size, image_size)
