"""PSPNet's pyramid: maps averaged at several scales at once, and a convolution over all of them that resizes none."""

from collections.abc import Sequence

import keras
from keras import ops

from .layers import PACKAGE, ceiling, sides

UNIT = 2.0**-8  # a power of two, which rounds nothing; sums in it do not leave the range of float16


@keras.saving.register_keras_serializable(package=PACKAGE)
class PyramidPooling(keras.layers.Layer):
    """Means over grids of `b × b` windows, one grid for each b of `bins`: `(N, H, W, C)` to a list of `(N, b, b, C)`.

    Window i of a side of n pixels reaches from floor(i n / b) to ceil((i + 1) n / b), so every pixel counts and windows
    overlap by a pixel where n is not a multiple of b. Keras' AdaptiveAveragePooling2D needs a static size.

    >>> import numpy as np
    >>> whole, quarters = PyramidPooling((1, 2))(np.arange(9.0).reshape(1, 3, 3, 1))
    >>> whole[0, :, :, 0].numpy(), quarters[0, :, :, 0].numpy()
    (array([[4.]], dtype=float32), array([[2., 3.],
           [5., 6.]], dtype=float32))
    """

    def __init__(self, bins: Sequence[int], **kwargs):
        super().__init__(**kwargs)
        self.bins = tuple(bins)

    def call(self, features):
        """One matrix product along the height, which reads the map once for all grids, and a small one for each."""
        (height, width), channels = sides(features), features.shape[3]
        over_rows = [windows(bins, height) for bins in self.bins]
        rows, lengths = (ops.concatenate(parts) for parts in zip(*over_rows, strict=True))
        flat = ops.reshape(features, (-1, height, width * channels))
        sums = ops.matmul(ops.cast(rows, features.dtype), flat)
        means = ops.reshape(sums / ops.cast(lengths, features.dtype), (-1, sum(self.bins), width, channels))
        grids = []
        for bins, grid in zip(self.bins, _split(means, self.bins, axis=1), strict=True):
            columns, lengths = (ops.cast(part, features.dtype) for part in windows(bins, width))
            grids.append(ops.matmul(columns, grid) / lengths)
        return grids

    def compute_output_shape(self, shape):
        return [(shape[0], bins, bins, shape[3]) for bins in self.bins]

    def get_config(self):
        return {**super().get_config(), "bins": self.bins}


@keras.saving.register_keras_serializable(package=PACKAGE)
class Conv2D(keras.layers.Conv2D):
    """A "same" convolution over a map joined with small ones: `[(N, H, W, C), (N, b, b, D), …]` to `(N, H, W, F)`.

    F is `filters`. It is what one gets by resizing the small maps bilinearly to H × W, joining all channels and
    convolving, and has the weights of that. But a resized map is a small one times a matrix for each side, so the
    kernel can be applied to the small maps, once for each of its positions, and what results be spread over the large
    one by two matrix products. In PSPNet half of the channels are resized ones, and half of the arithmetic of this
    convolution is spared.

    It has no bias, stride, dilation or activation (else `ValueError`), and has Keras' name because weights files are
    keyed by the class's name.

    >>> image, means = keras.Input((60, 60, 8)), keras.Input((2, 2, 4))
    >>> Conv2D(6, 3)([image, means]).shape
    (None, 60, 60, 6)
    """

    def __init__(self, filters: int, kernel_size, **kwargs):
        super().__init__(filters, kernel_size, **{"padding": "same", "use_bias": False, **kwargs})
        plain = self.strides == self.dilation_rate == (1, 1) and self.groups == 1 and self.padding == "same"
        if not plain or self.use_bias or self.activation is not keras.activations.linear:
            raise ValueError("This convolution has no stride, dilation, groups, bias or activation.")
        self.input_spec = None  # Keras' is of one input

    def build(self, shapes):
        super().build((*shapes[0][:3], sum(shape[3] for shape in shapes)))
        self.input_spec = None

    def call(self, inputs):
        features, *grids = inputs
        kernel, *kernels = _split(self.kernel, [map_.shape[-1] for map_ in inputs], axis=2)
        height, width = sides(features)
        spread_rows, columns = [], []
        for grid, grid_kernel in zip(grids, kernels, strict=True):
            bins = grid.shape[1]
            spread_rows.append(self._spread_rows(self._at_every_position(grid, grid_kernel), bins, height))
            columns.append(_spreading(bins, width, self.kernel_size[1], features.dtype))
        spread = ops.matmul(ops.concatenate(columns, axis=1), ops.concatenate(spread_rows, axis=2))
        return ops.add(ops.conv(features, kernel, padding="same", data_format="channels_last"), spread)

    def _at_every_position(self, grid, kernel):
        """`(N, b, b, D)` times `(k, k, D, F)`, at each position of the kernel: `(N, b, k, b, k, F)`."""
        height, width = self.kernel_size
        bins, channels = grid.shape[2:]
        flat = ops.reshape(ops.transpose(kernel, (2, 0, 1, 3)), (channels, height * width * self.filters))
        products = ops.reshape(ops.matmul(grid, flat), (-1, bins, bins, height, width, self.filters))
        return ops.transpose(products, (0, 1, 3, 2, 4, 5))

    def _spread_rows(self, products, bins: int, height):
        """`(N, b, k, b, k, F)` over the rows of the map: `(N, H, b k, F)`."""
        positions = bins * self.kernel_size[1]
        flat = ops.reshape(products, (-1, bins * self.kernel_size[0], positions * self.filters))
        spread = ops.matmul(_spreading(bins, height, self.kernel_size[0], products.dtype), flat)
        return ops.reshape(spread, (-1, height, positions, self.filters))

    def compute_output_shape(self, shapes):
        map_ = shapes[0] if isinstance(shapes[0], Sequence) else shapes  # Keras asks for one while it builds
        return (*map_[:3], self.filters)


def _split(values, sizes: Sequence[int], axis: int) -> list:
    """`values` in parts of `sizes` along `axis`."""
    ends = [sum(sizes[: number + 1]) for number in range(len(sizes) - 1)]
    return ops.split(values, ends, axis=axis)


def windows(bins: int, side):
    """The `(bins, side)` matrix that sums over each window, and what to divide by, the lengths, `(bins, 1)`; float32.

    Both in units of `UNIT`. Not a matrix of means: with 1/60 in bfloat16 a mean of 60 × 60 values is off by a per cent.
    """
    pixel = ops.expand_dims(ops.arange(side), 0)
    window = ops.expand_dims(ops.arange(bins), 1)
    start = window * side // bins
    end = ceiling((window + 1) * side, bins)
    inside = ops.logical_and(pixel >= start, pixel < end)
    return UNIT * ops.cast(inside, "float32"), UNIT * ops.cast(end - start, "float32")


def _spreading(bins: int, side, kernel: int, dtype):
    """The `(side, bins × kernel)` matrix that resizes a side of `bins` values bilinearly and takes what a kernel sees.

    Row x, column i k + t: the weight of value i in the resized value at x + t - (k - 1) / 2, none beyond the border.
    """
    pixel = ops.expand_dims(ops.arange(side), (1, 2)) + ops.expand_dims(ops.arange(kernel) - (kernel - 1) // 2, (0, 1))
    inside = ops.cast(ops.logical_and(pixel >= 0, pixel < side), "float32")
    place = (ops.cast(pixel, "float32") + 0.5) * bins / ops.cast(side, "float32") - 0.5
    distance = ops.abs(ops.clip(place, 0, bins - 1) - ops.cast(ops.expand_dims(ops.arange(bins), (0, 2)), "float32"))
    weights = ops.maximum(1 - distance, 0) * inside
    return ops.cast(ops.reshape(weights, (-1, bins * kernel)), dtype)
