"""U-Net: upsampling joined with the encoder's features (section 3.2; Ronneberger et al. 2015, arXiv:1505.04597)."""

from keras import layers

from .blocks import by_stride, convolution_block
from .layers import ResizeTo

WIDTHS = (512, 256, 128, 64)


def unet(features: dict, image, *, momentum: float | None = None):
    """Decode backbone features to `(N, H, W, 64)` at the size of `image`, `(N, H, W, 3)`.

    Four times the features are resized to the next finer ones, joined with them, and convolved twice. A backbone whose
    finest features have stride 2 is followed by one more resize, to the image, and two more convolutions.
    """
    *skips, x = by_stride(features)
    for stage, (skip, channels) in enumerate(zip(reversed(skips), WIDTHS, strict=True), start=1):
        x = ResizeTo(name=f"up_{stage}")([x, skip])
        x = layers.Concatenate(name=f"join_{stage}")([x, skip])
        x = _two_convolutions(x, channels, stage, momentum)
    if "stride_1" not in features:
        stage = len(WIDTHS) + 1
        x = ResizeTo(name=f"up_{stage}")([x, image])
        x = _two_convolutions(x, WIDTHS[-1], stage, momentum)
    return x


def _two_convolutions(x, channels: int, stage: int, momentum: float | None):
    for number in (1, 2):
        x = convolution_block(x, channels, 3, name=f"decoder_{stage}_{number}", momentum=momentum)
    return x
