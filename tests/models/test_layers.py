"""The package's own layers against Keras' and against plain NumPy, at sizes known and unknown in advance."""

import keras
import numpy as np
import pytest

from keras_landslide.models import layers
from keras_landslide.models.backbones import build_backbone
from keras_landslide.models.layers import BatchNormalization, DilatedMaxPooling
from keras_landslide.models.saving import load_backbone_weights


def maps(height: int, width: int, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(height * 100 + width).normal(size=(1, height, width, channels)).astype("float32")


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
    pair = [BatchNormalization(**options), keras.layers.BatchNormalization(**{**options, "dtype": "float64"})]
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

    # the controls: another epsilon shows in outputs and gradients, the kernel's own variance in the statistics
    wrong = trained_once(normalisations(24, momentum=0.9, epsilon=2e-3)[0], features, outer)
    assert min(difference(*pair) for pair in zip(wrong[:3], wanted[:3], strict=True)) > 3e-5
    monkeypatch.setattr(layers, "_biased", lambda variance, features: variance)
    assert difference(trained_once(normalisations(24, momentum=0.9)[0], features, outer)[5], wanted[5]) > 3e-5


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_batch_normalisation_of_half_precision_has_the_statistics_of_float64(precision, difference):
    features = np.asarray(keras.ops.cast(200.0 + 3.0 * maps(60, 41, channels=24), precision)).astype("float64")
    outer = np.asarray(keras.ops.cast(maps(41, 60, channels=24).reshape(features.shape), precision)).astype("float64")
    ours, oracle = normalisations(24, momentum=0.9, dtype=f"mixed_{precision}")
    oracle.set_weights([np.asarray(keras.ops.cast(weight, precision), "float64") for weight in oracle.get_weights()])
    ours.set_weights(oracle.get_weights())  # which half precision holds without rounding
    wanted = trained_once(oracle, features, outer)
    found = trained_once(ours, features, keras.ops.cast(outer, precision))
    # sums of squares in half precision would be off by whole units here
    assert max(difference(*pair) for pair in zip(found[4:], wanted[4:], strict=True)) < 1e-5
    assert max(difference(*pair) for pair in zip(found[:4], wanted[:4], strict=True)) < 2.0**-7


@pytest.mark.parametrize(
    "options", [{"renorm": True}, {"scale": False}, {"center": False}, {"axis": 1}, {"synchronized": True}]
)
def test_batch_normalisation_of_other_kinds_is_left_to_keras(options, difference, monkeypatch):
    monkeypatch.setattr(layers, "_biased", None)
    features = maps(5, 5, channels=5)
    found, wanted = (trained_once(layer, features, None) for layer in normalisations(5, **options))
    assert difference(found[0], wanted[0]) < 1e-5


def test_batch_normalisation_at_inference_and_frozen_is_that_of_keras(difference, monkeypatch):
    monkeypatch.setattr(layers, "_biased", None)
    ours, oracle = normalisations(3)
    features = maps(6, 4, channels=3)
    assert difference(ours(features), oracle(features)) < 1e-6
    before = ours.get_weights()
    ours.trainable = oracle.trainable = False
    found, wanted = (trained_once(layer, features, None) for layer in (ours, oracle))
    assert max(difference(*pair) for pair in zip(found, wanted, strict=True)) < 1e-6
    np.testing.assert_array_equal(ours.get_weights(), before)


@pytest.mark.parametrize("weights", ["calibrated", pytest.param("imagenet", marks=pytest.mark.slow)])
def test_a_whole_backbone_learns_as_with_keras_own_normalisation_in_float64(
    weights, request, images, difference, monkeypatch
):
    """Outputs, gradients and statistics, with a smooth activation: rounding decides on which side of a bend one is."""
    sides = (64, 96)
    monkeypatch.setattr(keras.layers.ReLU, "call", lambda layer, features: keras.ops.silu(features))
    folder = request.getfixturevalue(weights)
    folder = folder("mobilenet_v2") if callable(folder) else folder
    image = images(*sides, count=4) / 127.5 - 1

    def network(precision: str, **options) -> keras.Model:
        keras.config.set_dtype_policy(precision)
        backbone = build_backbone("mobilenet_v2", output_stride=8, **options)
        keras.config.set_dtype_policy("float32")
        load_backbone_weights(backbone, folder / "mobilenet_v2.weights.h5")
        return keras.Model(backbone.input, backbone.output["stride_32"])

    ours, oracle = network("float32", sides=sides), network("float64")
    outer = np.random.default_rng(0).normal(size=ours.output_shape[1:])
    outer = np.broadcast_to(outer, (len(image), *outer.shape))
    found = trained_once(ours, image, outer.astype("float32"))
    wanted = trained_once(oracle, image, outer)
    assert difference(ours.predict(image, verbose=0), oracle.predict(image.astype("float64"), verbose=0)) < 1e-4
    # what the last normalisation of a bottleneck adds, the next one takes away: sixteen gradients are zero
    pairs = [pair for pair in zip(found, wanted, strict=True) if np.abs(pair[1]).max() > 1e-9]
    assert len(found) - len(pairs) == 16
    assert max(difference(*pair) for pair in pairs) < 1e-4
    # the control: statistics through which no gradient goes, as at inference
    monkeypatch.setattr(keras.layers.BatchNormalization, "call", without_gradients_of_statistics)
    dropped = trained_once(network("float64"), image, outer)
    assert difference(dropped[0], wanted[0]) < 1e-9
    assert difference(dropped[2], wanted[2]) > 0.01


def without_gradients_of_statistics(layer, features, training=None, mask=None):
    mean, variance = (keras.ops.stop_gradient(value) for value in keras.ops.moments(features, (0, 1, 2), keepdims=True))
    return (features - mean) / keras.ops.sqrt(variance + layer.epsilon) * layer.gamma + layer.beta


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
