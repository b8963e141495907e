"""Dilated depthwise convolutions as ordinary ones, on maps rearranged once for a row of layers.

TensorFlow computes a depthwise convolution of dilation r by moving each of the r × r interleaved sub-maps into the
batch (space to batch), convolving those without dilation, and moving them back. Layers that look at single pixels do
not care where those stand. So a network of known size goes into that order once, before the first such convolution,
and comes back after the last, where its sides are multiples of r; padding would enter the statistics of batch
normalisation. (TensorFlow's kernel for processors has a dilation of its own; its gradient ignores it, in 2.21.)
"""

from math import prod
from typing import Any

import keras
from keras import layers

from .layers import PACKAGE

PIXELWISE = (layers.Activation, layers.Add, layers.BatchNormalization, layers.ReLU)


@keras.saving.register_keras_serializable(package=PACKAGE)
class SpaceToBatch(layers.Layer):
    """The `rate × rate` interleaved sub-maps of a map as maps of their own: `(N, H, W, C)` to `(N r², H/r, W/r, C)`.

    For TensorFlow only.

    >>> import numpy as np
    >>> SpaceToBatch(2)(np.arange(8.0).reshape(1, 2, 4, 1))[..., 0].numpy().tolist()
    [[[0.0, 2.0]], [[1.0, 3.0]], [[4.0, 6.0]], [[5.0, 7.0]]]
    """

    def __init__(self, rate: int, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, features):
        import tensorflow as tf

        return tf.space_to_batch(features, (self.rate, self.rate), ((0, 0), (0, 0)))

    def compute_output_shape(self, shape):
        return (None, shape[1] // self.rate, shape[2] // self.rate, shape[3])

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}


@keras.saving.register_keras_serializable(package=PACKAGE)
class BatchToSpace(SpaceToBatch):
    """What takes back `SpaceToBatch`: `(N r², H/r, W/r, C)` to `(N, H, W, C)`."""

    def call(self, features):
        import tensorflow as tf

        return tf.batch_to_space(features, (self.rate, self.rate), ((0, 0), (0, 0)))

    def compute_output_shape(self, shape):
        return (None, shape[1] * self.rate, shape[2] * self.rate, shape[3])


Order = tuple[int, ...]  # the rates for which a map was rearranged, one after the other; none is the usual order


class Rearrangement:
    """Calls the layers of a network that is being built, each on maps in the order that suits it."""

    def __init__(self):
        self._orders: dict[int, tuple[Any, Order]] = {}  # by a map's identity, which is its own while the map is kept

    def call(self, layer: layers.Layer, inputs, **kwargs):
        """What `layer` gives for `inputs`, a map or a list of them.

        A layer whose maps stand in the order of its dilation has none from then on.
        """
        several = isinstance(inputs, list)
        maps = inputs if several else [inputs]
        order = self._order_for(layer, maps)
        if _is_depthwise(layer) and order:
            layer.dilation_rate = (1, 1)
        maps = [self.ordered(one, order) for one in maps]
        output = layer(maps if several else maps[0], **kwargs)
        return self._in_order(output, order)

    def ordered(self, features, order: Order = ()):
        """`features` in another order, or as the rest of the network knows them."""
        present = self._order_of(features)
        while present != order[: len(present)]:
            features = BatchToSpace(present[-1])(features)
            present = present[:-1]
        for rate in order[len(present) :]:
            features = SpaceToBatch(rate)(features)
        return self._in_order(features, order)

    def _order_for(self, layer: layers.Layer, maps: list) -> Order:
        made = list(self._orders)
        present = self._order_of(max(maps, key=lambda one: made.index(id(one)) if id(one) in made else -1))
        if _is_depthwise(layer):
            return _order_that_dilates(layer.dilation_rate[0], present, maps[0].shape[1:3])
        pointwise = isinstance(layer, layers.Conv2D) and max(layer.kernel_size + layer.strides) == 1
        return present if pointwise or isinstance(layer, PIXELWISE) else ()  # of several maps that of the one made last

    def _order_of(self, features) -> Order:
        return self._orders.get(id(features), (features, ()))[1]

    def _in_order(self, features, order: Order):
        self._orders[id(features)] = (features, order)
        return features


def _order_that_dilates(rate: int, present: Order, sides: tuple[int | None, int | None]) -> Order:
    """The order in which an ordinary convolution is one of dilation `rate`, the usual one if `sides` do not allow it.

    A present order of a smaller rate is gone on from where it can be.

    >>> [_order_that_dilates(*asked) for asked in [(4, (2,), (16, 8)), (4, (2,), (15, 8)), (3, (2,), (3, 6))]]
    [(2, 2), (), (3,)]
    """
    reached = prod(present)
    fits = all(side and side * reached % rate == 0 for side in sides)
    if rate == 1 or not fits or keras.backend.backend() != "tensorflow":  # others dilate without rearranging
        return ()
    if rate % reached:
        return (rate,)
    return present if rate == reached else (*present, rate // reached)


def _is_depthwise(layer: layers.Layer) -> bool:
    return isinstance(layer, (layers.DepthwiseConv2D, layers.SeparableConv2D))
