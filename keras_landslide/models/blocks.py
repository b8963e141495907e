"""What the decoders share."""

from keras import layers

from .layers import BatchNormalization

KERAS_MOMENTUM = 0.99


def by_stride(features: dict) -> list:
    """The features of a backbone from the finest to the last, `{"stride_2": …, "stride_32": …}` sorted by number."""
    return [features[key] for key in sorted(features, key=lambda key: int(key.removeprefix("stride_")))]


def convolution_block(x, channels: int, kernel: int, *, name: str, momentum: float | None = None):
    """Convolution without bias, batch normalisation, ReLU: `(N, H, W, C)` to `(N, H, W, channels)`."""
    x = layers.Conv2D(channels, kernel, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return normalised_relu(x, name, momentum)


def separable_block(x, channels: int, *, rate: int = 1, name: str, momentum: float | None = None):
    """Depthwise 3×3 convolution of dilation `rate`, then 1×1, each with batch normalisation and ReLU.

    `(N, H, W, C)` to `(N, H, W, channels)`.
    """
    x = layers.DepthwiseConv2D(3, padding="same", dilation_rate=rate, use_bias=False, name=f"{name}_depthwise_conv")(x)
    x = normalised_relu(x, f"{name}_depthwise", momentum)
    return convolution_block(x, channels, 1, name=f"{name}_pointwise", momentum=momentum)


def normalised_relu(x, name: str, momentum: float | None):
    """Batch normalisation and ReLU of any map."""
    momentum = KERAS_MOMENTUM if momentum is None else momentum
    x = BatchNormalization(momentum=momentum, name=f"{name}_bn")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)
