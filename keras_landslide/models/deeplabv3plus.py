"""DeepLabv3+: atrous spatial pyramid pooling and fine features (section 3.3; Chen et al. 2018, arXiv:1802.02611)."""

from keras import layers

from .blocks import by_stride, convolution_block, separable_block
from .layers import ResizeTo

RATES = (6, 12, 18)  # as the paper prints them; 12, 24, 36 are usual at output stride 8
CHANNELS = 256
FINE_CHANNELS = 48


def deeplabv3plus(features: dict, image, *, rates: tuple[int, ...] = RATES, momentum: float | None = None):
    """Decode backbone features: `(N, h, w, C)` at the output stride to `(N, H/4, W/4, 256)`.

    Five branches (1×1, a separable 3×3 for each of `rates`, the mean of the whole map) are joined and projected,
    resized to the features of stride 4, joined with 48 channels of those, and convolved twice.
    """
    last, fine = by_stride(features)[-1], features["stride_4"]
    x = layers.Concatenate(name="branches")(_branches(last, rates, momentum))
    x = convolution_block(x, CHANNELS, 1, name="projection", momentum=momentum)
    x = ResizeTo(name="to_fine")([x, fine])
    fine = convolution_block(fine, FINE_CHANNELS, 1, name="fine", momentum=momentum)
    x = layers.Concatenate(name="with_fine")([x, fine])
    for number in (1, 2):
        x = separable_block(x, CHANNELS, name=f"decoder_{number}", momentum=momentum)
    return x


def _branches(last, rates: tuple[int, ...], momentum: float | None) -> list:
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="branch_mean_pool")(last)
    mean = convolution_block(mean, CHANNELS, 1, name="branch_mean", momentum=momentum)
    return [
        convolution_block(last, CHANNELS, 1, name="branch_point", momentum=momentum),
        *(
            separable_block(last, CHANNELS, rate=rate, name=f"branch_atrous_{number}", momentum=momentum)
            for number, rate in enumerate(rates, start=1)
        ),
        ResizeTo(name="branch_mean_resize")([mean, last]),
    ]
