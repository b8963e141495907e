"""PSPNet: pyramid pooling over the last features (section 3.4; Zhao et al. 2017, arXiv:1612.01105)."""

from keras import layers

from .blocks import by_stride, convolution_block, normalised_relu
from .pyramid import Conv2D, PyramidPooling

BINS = (1, 2, 3, 6)
DROPOUT = 0.1


def pspnet(features: dict, image, *, momentum: float | None = None):
    """Decode backbone features: `(N, h, w, C)` at the output stride to `(N, h, w, C/4)`.

    The last features are averaged over 1, 4, 9 and 36 windows, each average reduced to a quarter of the channels,
    resized back and joined to them; a 3×3 convolution then leaves a quarter of the channels.
    """
    last = by_stride(features)[-1]
    quarter = last.shape[-1] // 4
    pooled = PyramidPooling(BINS, name="pool")(last)
    levels = [
        convolution_block(level, quarter, 1, name=f"pyramid_{bins}", momentum=momentum)
        for bins, level in zip(BINS, pooled, strict=True)
    ]
    x = Conv2D(quarter, 3, name="fuse_conv")([last, *levels])  # resizes and joins them, too
    x = normalised_relu(x, "fuse", momentum)
    return layers.Dropout(DROPOUT, name="dropout")(x)


def auxiliary_branch(features: dict, *, momentum: float | None = None):
    """The branch that helps training: `(N, h, w, C)` of nominal stride 16 to `(N, h, w, C/4)`."""
    features = features["stride_16"]
    x = convolution_block(features, features.shape[-1] // 4, 3, name="auxiliary", momentum=momentum)
    return layers.Dropout(DROPOUT, name="auxiliary_dropout")(x)
