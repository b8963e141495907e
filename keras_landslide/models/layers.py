"""The few layers that Keras lacks: exact adaptive pooling and resizing for maps whose size is known only at run time."""

import keras
from keras import ops

PACKAGE = "keras_landslide"


@keras.saving.register_keras_serializable(package=PACKAGE)
class AdaptiveAveragePooling(keras.layers.Layer):
    """Mean over a grid of `bins × bins` windows, for any map size: `(N, H, W, C)` to `(N, bins, bins, C)`.

    Window i of a side of n pixels reaches from floor(i n / bins) to ceil((i + 1) n / bins), so every pixel counts and
    windows overlap by a pixel where n is not a multiple of bins. Keras' AdaptiveAveragePooling2D needs a static size.

    >>> import numpy as np
    >>> AdaptiveAveragePooling(2)(np.arange(9.0).reshape(1, 3, 3, 1))[0, :, :, 0].numpy()
    array([[2., 3.],
           [5., 6.]], dtype=float32)
    """

    def __init__(self, bins: int, **kwargs):
        super().__init__(**kwargs)
        self.bins = bins

    def call(self, features):
        """Two small matrix products, one a side: fast, differentiable, and free of static sizes."""
        height, width = _sides(features)
        rows = self._windows(height, features.dtype)
        columns = self._windows(width, features.dtype)
        pooled_rows = ops.einsum("bh,nhwc->nbwc", rows, features)
        return ops.einsum("bw,nawc->nabc", columns, pooled_rows)

    def _windows(self, side, dtype):
        """The `(bins, side)` matrix whose row i averages over window i."""
        pixel = ops.expand_dims(ops.arange(side), 0)
        window = ops.expand_dims(ops.arange(self.bins), 1)
        start = window * side // self.bins
        end = -(-(window + 1) * side // self.bins)
        inside = ops.cast(ops.logical_and(pixel >= start, pixel < end), "float32")
        return ops.cast(inside / ops.cast(end - start, "float32"), dtype)

    def compute_output_shape(self, shape):
        return (shape[0], self.bins, self.bins, shape[3])

    def get_config(self):
        return {**super().get_config(), "bins": self.bins}


@keras.saving.register_keras_serializable(package=PACKAGE)
class ResizeTo(keras.layers.Layer):
    """Bilinear resize of the first input to the height and width of the second: `[(N, h, w, C), (N, H, W, …)]`.

    `ops.image.resize` needs the target's size when the graph is built; this one reads it from the other tensor.
    """

    def call(self, inputs):
        features, target = inputs
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            resized = tf.image.resize(features, tf.shape(target)[1:3], method="bilinear")
        else:
            resized = ops.image.resize(features, target.shape[1:3], interpolation="bilinear")
        return ops.cast(resized, features.dtype)

    def compute_output_shape(self, shapes):
        features, target = shapes
        return (features[0], target[1], target[2], features[3])


def _sides(features):
    shape = ops.shape(features)
    return shape[1], shape[2]
