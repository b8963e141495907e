"""The pyramid's layers against plain NumPy, and against resizing, joining and convolving."""

import keras
import numpy as np
import pytest

from keras_landslide.models.layers import ResizeTo
from keras_landslide.models.pyramid import Conv2D, PyramidPooling

BINS = (1, 2, 3, 6)
SIZES = [(2, 3), (6, 12), (7, 17), (13, 5)]


def maps(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


@pytest.mark.parametrize("sides", SIZES)
def test_pooling_is_the_mean_of_every_window(sides, difference):
    height, width = sides
    features = maps(2, height, width, 3)
    for bins, found in zip(BINS, PyramidPooling(BINS)(features), strict=True):
        wanted = np.zeros((2, bins, bins, 3))
        for i in range(bins):
            for j in range(bins):
                rows = slice(i * height // bins, -(-(i + 1) * height // bins))
                columns = slice(j * width // bins, -(-(j + 1) * width // bins))
                wanted[:, i, j] = features[:, rows, columns].mean((1, 2))
        assert difference(found, wanted) < 1e-6


def resized_and_joined(filters: int, kernel: int) -> tuple[keras.Model, keras.Model]:
    """The convolution over a map and grids of it, ours and written out by Keras' layers; both for any size."""
    image = keras.Input((None, None, 4))
    grids = [keras.layers.Conv2D(5, 1)(grid) for grid in PyramidPooling(BINS)(image)]
    ours = keras.Model(image, Conv2D(filters, kernel, name="fuse")([image, *grids]))
    joined = keras.layers.Concatenate()([image, *(ResizeTo()([grid, image]) for grid in grids)])
    written = keras.layers.Conv2D(filters, kernel, padding="same", use_bias=False, name="fuse_written_out")(joined)
    written = keras.Model(image, written)
    weights = [maps(*weight.shape) for weight in ours.weights]
    for model in (ours, written):
        model.set_weights(weights)
    return ours, written


@pytest.mark.parametrize("kernel", [1, 3, (5, 4), 2])
def test_the_convolution_is_that_of_resized_and_joined_maps(kernel, difference):
    ours, written = resized_and_joined(7, kernel)
    assert ours.output_shape == written.output_shape
    for sides in SIZES:
        features = maps(2, *sides, 4)
        assert difference(ours.predict(features, verbose=0), written.predict(features, verbose=0)) < 1e-5
    # the control: a single value of the last grid's kernel counts
    weights = ours.get_weights()
    weights[-1][0, 0, -1, -1] += 1.0
    ours.set_weights(weights)
    assert difference(ours.predict(features, verbose=0), written.predict(features, verbose=0)) > 1e-2


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_loses_no_more_than_twice_what_keras_own_layers_do(precision, difference):
    """How much that is depends on the processor: without instructions for bfloat16, sums are rounded more often."""
    features = 1.0 + maps(2, 60, 44, 4)
    wanted = resized_and_joined(7, 3)[0](features)
    keras.config.set_dtype_policy(precision)
    try:
        ours, written = resized_and_joined(7, 3)
    finally:
        keras.config.set_dtype_policy("float32")
    assert ours(features).dtype == precision.removeprefix("mixed_")
    assert 0 < difference(ours(features), wanted) < 2 * difference(written(features), wanted) < 0.05
    for value in (1.0, 2000.0):  # a row of sixty 2000 would be more than float16 can hold
        for grid in PyramidPooling(BINS, dtype=precision)(np.full((1, 60, 44, 1), value)):
            # to the last digit that the type has
            last = {"mixed_bfloat16": 2.0**-7, "mixed_float16": 2.0**-10}[precision]
            np.testing.assert_allclose(np.asarray(grid, "float32"), value, rtol=last)


@pytest.mark.parametrize("option", [{"strides": 2}, {"activation": "relu"}, {"use_bias": True}, {"padding": "valid"}])
def test_what_the_convolution_cannot_do_is_refused(option):
    with pytest.raises(ValueError, match="has no stride"):
        Conv2D(4, 3, **option)


def test_its_gradients_are_those_of_resized_and_joined_maps(difference):
    tensorflow = pytest.importorskip("tensorflow")
    features, found = tensorflow.constant(maps(2, 7, 17, 4)), []
    for model in resized_and_joined(7, 3):
        with tensorflow.GradientTape() as tape:
            tape.watch(features)
            outputs = model(features)
        weights = [weight.value for weight in model.trainable_weights]
        found.append(tape.gradient(outputs, [features, *weights], maps(2, 7, 17, 7)))
    assert len(found[0]) == 10
    assert max(difference(*pair) for pair in zip(*found, strict=True)) < 1e-5


def test_a_file_of_the_convolution_is_that_of_keras_own(tmp_path):
    ours, written = resized_and_joined(7, 3)
    ours.save_weights(tmp_path / "ours.weights.h5")
    written.set_weights([0 * weight for weight in written.get_weights()])
    written.load_weights(tmp_path / "ours.weights.h5")
    for mine, theirs in zip(ours.get_weights(), written.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    copy = keras.Model.from_config(ours.get_config())
    copy.set_weights(ours.get_weights())
    np.testing.assert_array_equal(copy.predict(maps(1, 9, 9, 4), verbose=0), ours.predict(maps(1, 9, 9, 4), verbose=0))
