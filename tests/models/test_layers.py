"""The package's own layers against Keras' and against plain NumPy, at sizes known and unknown in advance."""

import keras
import numpy as np
import pytest

from keras_landslide.models.layers import AdaptiveAveragePooling, DilatedMaxPooling, ResizeTo


def maps(height: int, width: int, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(height * 100 + width).normal(size=(1, height, width, channels)).astype("float32")


@pytest.mark.parametrize("bins", [1, 2, 3, 6])
@pytest.mark.parametrize("sides", [(2, 3), (6, 12), (7, 17), (13, 5)])
def test_adaptive_pooling_is_the_mean_of_every_window(bins, sides, difference):
    height, width = sides
    features = maps(height, width)
    wanted = np.zeros((1, bins, bins, 2))
    for i in range(bins):
        for j in range(bins):
            rows = slice(i * height // bins, -(-(i + 1) * height // bins))
            columns = slice(j * width // bins, -(-(j + 1) * width // bins))
            wanted[:, i, j] = features[:, rows, columns].mean((1, 2))
    assert difference(AdaptiveAveragePooling(bins)(features), wanted) < 1e-6


def test_dynamic_pooling_and_resizing_equal_those_of_keras_at_every_size(difference):
    inputs = keras.Input((None, None, 2))
    small = AdaptiveAveragePooling(3)(inputs)
    model = keras.Model(inputs, [small, ResizeTo()([small, inputs])])
    for sides in [(9, 12), (12, 6)]:
        features = maps(*sides)
        pooled, resized = model.predict(features, verbose=0)
        assert difference(pooled, keras.layers.AveragePooling2D((sides[0] // 3, sides[1] // 3))(features)) < 1e-6
        assert difference(resized, keras.ops.image.resize(pooled, sides, interpolation="bilinear")) < 1e-6


@pytest.mark.parametrize("dilation", [1, 2, 4])
@pytest.mark.parametrize(("pool_size", "padding"), [(3, "same"), (2, "valid"), (2, "same"), (3, "valid")])
def test_dilated_max_pooling_equals_the_strided_one_at_its_positions(pool_size, padding, dilation):
    pool = DilatedMaxPooling(pool_size, 2, padding, dilation)
    strided = keras.layers.MaxPooling2D(pool_size, strides=2, padding=padding)
    for height in range(4 * dilation, 7 * dilation + 1):
        features = maps(height, height + dilation) - 10.0  # all negative: a border of zeros would win
        wanted = strided(features[:, ::dilation, ::dilation]).numpy()
        dense = pool(features).numpy()
        found = dense[:, :: 2 * dilation, :: 2 * dilation][:, : wanted.shape[1], : wanted.shape[2]]
        assert dense.shape == features.shape
        np.testing.assert_array_equal(found, wanted)
        shifted = dense[:, dilation :: 2 * dilation, :: 2 * dilation][:, : wanted.shape[1], : wanted.shape[2]]
        assert not np.array_equal(shifted, wanted[:, : shifted.shape[1]])


def test_dilated_max_pooling_of_any_size_in_a_graph_and_with_a_gradient():
    inputs = keras.Input((None, None, 2))
    pool = DilatedMaxPooling((3, 3), (2, 2), "same", 2)
    model = keras.Model(inputs, pool(inputs))
    assert model.output_shape == (None, None, None, 2)
    for sides in [(8, 11), (10, 9)]:
        np.testing.assert_array_equal(model.predict(maps(*sides), verbose=0), pool(maps(*sides)))
    copy = keras.Model.from_config(model.get_config())
    np.testing.assert_array_equal(copy(maps(8, 11)), pool(maps(8, 11)))
