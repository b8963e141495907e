"""The package's own layers against Keras' and against plain NumPy, at sizes known and unknown in advance."""

import keras
import numpy as np
import pytest

from keras_landslide.models import layers
from keras_landslide.models.backbones import build_backbone
from keras_landslide.models.layers import AdaptiveAveragePooling, BatchNormalization, DilatedMaxPooling, ResizeTo
from keras_landslide.models.saving import load_backbone_weights


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


def trained_once(layer, features, outer, graph: bool = True) -> list[np.ndarray]:
    """What `layer` gives in training: outputs, gradients of inputs and weights, moving statistics."""
    tensorflow = pytest.importorskip("tensorflow")

    def step(features):
        with tensorflow.GradientTape() as tape:
            tape.watch(features)
            outputs = layer(features, training=True)
        weights = [weight.value for weight in layer.trainable_weights]
        return outputs, *tape.gradient(outputs, [features, *weights], outer)

    step = tensorflow.function(step) if graph else step
    found = step(tensorflow.constant(features, layer.compute_dtype))
    return [np.asarray(value) for value in (*found, *layer.non_trainable_weights)]


def normalisations(channels: int, **options) -> list[keras.Layer]:
    """Ours, and Keras' in float64, with the same weights that differ from channel to channel."""
    pair = [BatchNormalization(**options), keras.layers.BatchNormalization(**options, dtype="float64")]
    random = np.random.default_rng(channels)
    for layer in pair:
        layer.build((None, channels, channels, channels))  # any axis can be the one of the channels
    weights = [random.uniform(0.5, 2.0, weight.shape) for weight in pair[0].weights]
    for layer in pair:
        layer.set_weights(weights)
    return pair


@pytest.mark.parametrize("sides", [(5, 7), (60, 41)])
def test_batch_normalisation_and_its_gradient_are_those_of_keras(sides, difference, monkeypatch):
    features = 2.0 + 3.0 * maps(*sides, channels=24)
    outer = maps(sides[1], sides[0], channels=24).reshape(features.shape)
    ours, oracle = normalisations(24, momentum=0.9)
    wanted = trained_once(oracle, features, outer.astype("float64"))
    found = trained_once(ours, features, outer)
    assert len(found) == 6
    assert max(difference(*pair) for pair in zip(found, wanted, strict=True)) < 1e-5

    right = layers._sum_over_pixels  # the control: sums that are off by a thousandth show in everything
    monkeypatch.setattr(layers, "_sum_over_pixels", lambda features: 1.001 * right(features))
    wrong = trained_once(normalisations(24, momentum=0.9)[0], features, outer)
    assert min(difference(*pair) for pair in zip(wrong, wanted, strict=True)) > 3e-5


@pytest.mark.parametrize(
    "options", [{"renorm": True}, {"scale": False}, {"center": False}, {"axis": 1}, {"synchronized": True}]
)
def test_batch_normalisation_of_other_kinds_is_left_to_keras(options, difference, monkeypatch):
    monkeypatch.setattr(layers, "_batch_normalised", None)
    features = maps(5, 5, channels=5)
    found, wanted = (trained_once(layer, features, None) for layer in normalisations(5, **options))
    assert difference(found[0], wanted[0]) < 1e-5


def test_batch_normalisation_at_inference_and_frozen_is_that_of_keras(difference, monkeypatch):
    monkeypatch.setattr(layers, "_batch_normalised", None)
    ours, oracle = normalisations(3)
    features = maps(6, 4, channels=3)
    assert difference(ours(features), oracle(features)) < 1e-6
    ours.trainable = False
    assert difference(ours(features, training=True), oracle(features)) < 1e-6


@pytest.mark.parametrize(
    ("sides", "weights"),
    [
        ((81, 67), "calibrated"),
        pytest.param((81, 67), "imagenet", marks=pytest.mark.slow),
        pytest.param((64, 96), "imagenet", marks=pytest.mark.slow),
    ],
)
def test_gradients_of_a_whole_backbone_are_those_with_keras_own_normalisation(
    sides, weights, request, images, difference, monkeypatch
):
    """In float64, where rounding, which fifty normalisations amplify, does not hide a wrong formula."""
    keras.config.set_dtype_policy("float64")
    try:
        network = build_backbone("mobilenet_v2", output_stride=8)
    finally:
        keras.config.set_dtype_policy("float32")
    folder = request.getfixturevalue(weights)
    folder = folder("mobilenet_v2") if callable(folder) else folder
    load_backbone_weights(network, folder / "mobilenet_v2.weights.h5")
    weights = network.get_weights()
    last = keras.Model(network.input, network.output["stride_16"])  # with dilated blocks in it
    image = images(*sides, count=2) / 127.5 - 1
    outer = np.random.default_rng(0).normal(size=last(image).shape)
    found = trained_once(last, image, outer, graph=False)  # which takes longer to make than to run
    network.set_weights(weights)
    monkeypatch.setattr(BatchNormalization, "_own_gradient", lambda self, inputs: False)
    wanted = trained_once(last, image, outer, graph=False)
    # what the last normalisation of a bottleneck adds, the next one takes away: thirteen gradients are zero
    nothing = [index for index, value in enumerate(wanted) if np.abs(value).max() < 1e-9]
    assert len(nothing) == 13 and all(np.abs(found[index]).max() < 1e-9 for index in nothing)
    others = [pair for index, pair in enumerate(zip(found, wanted, strict=True)) if index not in nothing]
    assert max(difference(*pair) for pair in others) < 1e-9
    assert difference(found[2][::-1], wanted[2]) > 0.01  # the control


def test_files_do_not_tell_our_batch_normalisation_from_keras(tmp_path):
    ours, keras_own = (
        keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 1), kind()])
        for kind in (BatchNormalization, keras.layers.BatchNormalization)
    )
    ours.set_weights([np.random.default_rng(0).uniform(1, 2, weight.shape) for weight in ours.weights])
    ours.save_weights(tmp_path / "ours.weights.h5")
    keras_own.load_weights(tmp_path / "ours.weights.h5")
    for mine, theirs in zip(ours.get_weights(), keras_own.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    copy = keras.Sequential.from_config(ours.get_config())
    assert type(copy.layers[-1]) is BatchNormalization
