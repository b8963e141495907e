"""What the decoders share."""

from keras import layers


def convolution_block(x, channels: int, kernel: int, *, name: str, momentum: float | None = None):
    """Convolution without bias, batch normalisation, ReLU: `(N, H, W, C)` to `(N, H, W, channels)`."""
    x = layers.Conv2D(channels, kernel, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(momentum=momentum or 0.99, name=f"{name}_bn")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)
