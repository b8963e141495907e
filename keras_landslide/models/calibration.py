"""Batch normalisation statistics from images, for networks that start from random weights."""

from collections.abc import Iterable

import keras
import numpy as np

from .saving import layers_with_weights


def calibrate_batch_normalization(model: keras.Model, batches: Iterable[np.ndarray]) -> None:
    """Set the moving statistics of every batch normalisation to their mean over `batches` of `(N, H, W, 3)` RGB 0–255.

    A network that starts from random weights still has the initial statistics, mean 0 and variance 1, which fit no
    layer: at inference its features vanish with depth, and a frozen phase would train on nothing.
    """
    layers = [layer for layer in layers_with_weights(model) if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    try:
        for number, batch in enumerate(batches):
            for layer in layers:
                layer.momentum = number / (number + 1)  # the running mean of what the batches give
            model(np.asarray(batch, np.float32), training=True)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
