"""The few layers that Keras lacks: pooling and resizing for maps of any size, a faster batch normalisation."""

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
        end = _ceiling((window + 1) * side, self.bins)
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
        height, width = _sides(features)
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
        nominal = _ceiling(side, self.dilation)
        windows = _ceiling(nominal, self.strides)
        return ((windows - 1) * self.strides + self.pool_size - nominal) // 2  # never negative: strides <= pool_size

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        own = {key: getattr(self, key) for key in ("pool_size", "strides", "padding", "dilation")}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package=PACKAGE)
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' batch normalisation, `(N, H, W, C)` to the same shape; trained on a processor by TensorFlow, a faster one.

    TensorFlow differentiates Keras' formula operation by operation, reading and writing the map again and again.
    Here the gradient is the formula that one finds on paper. Everything else is left to Keras: inference, other
    backends, GPUs, statistics over several devices.

    It has Keras' name because weights files are keyed by the class's name.
    """

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable and mask is None and self._own_gradient(inputs)):
            return super().call(inputs, training=training, mask=mask)
        dtype = keras.backend.result_type(inputs.dtype, "float32")  # as Keras does: squares overflow in half precision
        features, gamma, beta = (ops.cast(value, dtype) for value in (inputs, self.gamma, self.beta))
        normalised, mean, variance = _batch_normalised(features, gamma, beta, self.epsilon)
        for moving, found in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + found * (1.0 - self.momentum))
        return ops.cast(normalised, self.compute_dtype)

    def _own_gradient(self, inputs) -> bool:
        """Whether the layer is of the kind that is faster here."""
        usual = self.scale and self.center and not self.renorm and not self.synchronized
        if not (usual and len(inputs.shape) == 4 and self.axis in (-1, 3) and keras.backend.backend() == "tensorflow"):
            return False
        import tensorflow as tf

        return not tf.config.list_physical_devices("GPU")


def _batch_normalised(features, gamma, beta, epsilon: float):
    """Normalised features, and mean and variance, `(C,)` each, through which no gradient goes."""
    import tensorflow as tf

    @tf.custom_gradient
    def normalise(features, gamma, beta):
        count = tf.cast(tf.reduce_prod(tf.shape(features)[:-1]), features.dtype)
        mean = _sum_over_pixels(features) / count
        variance = _sum_over_pixels(tf.math.squared_difference(features, mean)) / count
        inverse = tf.math.rsqrt(variance + epsilon)
        scale = gamma * inverse

        def gradient(outer, *_):
            beta_gradient = _sum_over_pixels(outer)
            gamma_gradient = (_sum_over_pixels(outer * features) - mean * beta_gradient) * inverse
            slope = -scale * inverse * gamma_gradient / count
            offset = -scale * beta_gradient / count - mean * slope
            return outer * scale + features * slope + offset, gamma_gradient, beta_gradient

        return (features * scale + (beta - mean * scale), mean, variance), gradient

    return normalise(features, gamma, beta)


def _sum_over_pixels(features):
    """`(N, H, W, C)` to `(C,)`: columns by a product with a row of ones, in which TensorFlow is fast, then the rest.

    Two short sums one after the other also round less than a long one.
    """
    import tensorflow as tf

    sides = tf.shape(features)
    rows = tf.reshape(features, (sides[0] * sides[1], sides[2] * sides[3]))
    columns = tf.matmul(tf.ones((1, sides[0] * sides[1]), features.dtype), rows)
    return tf.reduce_sum(tf.reshape(columns, (-1, features.shape[-1])), axis=0)


def _sides(features):
    shape = ops.shape(features)
    return shape[1], shape[2]


def _ceiling(number, divisor: int):
    """`number / divisor` rounded up. Of numbers that are not negative: ONNX rounds quotients of others towards zero."""
    return (number + divisor - 1) // divisor
