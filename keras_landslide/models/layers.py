"""The few layers that Keras lacks: resizing and pooling for maps of any size, a faster batch normalisation."""

import keras
from keras import ops

PACKAGE = "keras_landslide"
FUSED_TYPES = ("float32", "bfloat16", "float16")  # of maps that TensorFlow's kernel normalises


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


@keras.saving.register_keras_serializable(package=PACKAGE)
class DilatedMaxPooling(keras.layers.Layer):
    """What a strided max pooling becomes when its stride is taken out: `(N, H, W, C)` to the same shape.

    Output j is the maximum of `pool_size` values `dilation` apart, placed so that on the positions 0, s d, 2 s d, …
    (s the former stride, d the dilation) it equals the strided pooling of the positions 0, d, 2 d, …. TensorFlow's
    "same" padding puts its windows by the parity of the side, so the side of the undilated map, ceil(H / d), decides
    here. Both sides are treated alike and separately. Values past the border do not count.

    >>> import numpy as np
    >>> pool = DilatedMaxPooling(pool_size=3, strides=2, padding="same", dilation=1)
    >>> pool(np.array([9.0, 1, 2, 3, 4, 0]).reshape(1, 1, 6, 1)).numpy().ravel()  # 6: windows j to j + 2
    array([9., 3., 4., 4., 4., 0.], dtype=float32)
    >>> pool(np.array([9.0, 1, 2, 3, 4]).reshape(1, 1, 5, 1)).numpy().ravel()  # 5: windows j - 1 to j + 1
    array([9., 9., 3., 4., 4.], dtype=float32)
    """

    def __init__(self, pool_size, strides, padding: str, dilation: int, **kwargs):
        super().__init__(**kwargs)
        self.pool_size = max(pool_size) if isinstance(pool_size, (tuple, list)) else pool_size
        self.strides = max(strides) if isinstance(strides, (tuple, list)) else strides
        self.padding = padding
        self.dilation = dilation

    def call(self, features):
        height, width = sides(features)
        return self._along(2, width, self._along(1, height, features))

    def _along(self, axis: int, side, features):
        """The maximum over shifted slices of the padded map; the first slice's place depends on the side."""
        reach = (self.pool_size - 1) * self.dilation
        padding = [(0, 0)] * 4
        padding[axis] = (reach, reach)
        padded = ops.pad(features, padding, constant_values=float("-inf"))
        first = reach - self._before(side) * self.dilation
        largest = None
        for step in range(self.pool_size):
            start = first + step * self.dilation
            shifted = padded[:, start : start + side] if axis == 1 else padded[:, :, start : start + side]
            largest = shifted if largest is None else ops.maximum(largest, shifted)
        return largest

    def _before(self, side):
        """How many values the strided pooling pads before a side of `side` dense positions."""
        if self.padding == "valid":
            return 0
        nominal = ceiling(side, self.dilation)
        windows = ceiling(nominal, self.strides)
        return ((windows - 1) * self.strides + self.pool_size - nominal) // 2  # never negative: strides <= pool_size

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        own = {key: getattr(self, key) for key in ("pool_size", "strides", "padding", "dilation")}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package=PACKAGE)
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' batch normalisation, `(N, H, W, C)` to the same shape, by TensorFlow's fused kernel on a processor.

    Keras writes the formula out, operation by operation, each of which reads and writes the whole map, in float32 where
    the map is in half precision. The kernel takes half precision as it is, has a gradient of its own, and at inference
    TensorFlow joins it to the convolution before it. Everything else is left to Keras: other backends, GPUs, statistics
    over several devices.

    It has Keras' name because weights files are keyed by the class's name.
    """

    def call(self, inputs, training=None, mask=None):
        if mask is not None or not self._is_fused(inputs):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        learns = bool(training and self.trainable)
        gamma, beta, moving_mean, moving_variance = (
            ops.cast(weight, "float32") for weight in (self.gamma, self.beta, self.moving_mean, self.moving_variance)
        )
        nothing = tf.zeros((0,))
        normalised, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=gamma,
            offset=beta,
            mean=nothing if learns else moving_mean,
            variance=nothing if learns else moving_variance,
            epsilon=self.epsilon,
            is_training=learns,
        )
        if learns:
            for moving, found in ((self.moving_mean, mean), (self.moving_variance, _biased(variance, inputs))):
                moving.assign(moving * self.momentum + found * (1.0 - self.momentum))
        return ops.cast(normalised, self.compute_dtype)

    def _is_fused(self, inputs) -> bool:
        """Whether TensorFlow's kernel can do what this layer is asked for, where it runs."""
        usual = self.scale and self.center and not self.renorm and not self.synchronized
        maps = len(inputs.shape) == 4 and self.axis in (-1, 3)
        types = self.compute_dtype in FUSED_TYPES and self.variable_dtype == "float32"
        if not (usual and maps and types and keras.backend.backend() == "tensorflow"):
            return False
        import tensorflow as tf

        return not tf.config.list_physical_devices("GPU")


def _biased(variance, features):
    """The variance that Keras keeps, divided by the number n of pixels, from the kernel's, divided by n - 1."""
    import tensorflow as tf

    count = tf.cast(tf.reduce_prod(tf.shape(features)[:-1]), variance.dtype)
    return variance * (count - 1) / count


def sides(features):
    """Height and width of a map, numbers where they are known in advance, tensors otherwise."""
    shape = ops.shape(features)
    return shape[1], shape[2]


def ceiling(number, divisor: int):
    """`number / divisor` rounded up. Of numbers that are not negative: ONNX rounds quotients of others towards zero."""
    return (number + divisor - 1) // divisor
