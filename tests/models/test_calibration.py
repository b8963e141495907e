"""A random network calibrated on images answers at inference as it does on a batch's own statistics."""

import keras
import numpy as np
import pytest

from keras_landslide.data.synthetic import mountain_scene
from keras_landslide.models import build_model
from keras_landslide.models.calibration import calibrate_batch_normalization
from keras_landslide.models.saving import layers_with_weights


@pytest.fixture(scope="module")
def images():
    return np.stack([mountain_scene(seed, (64, 64)).image for seed in range(8)]).astype(np.float32)


def test_inference_agrees_with_batch_statistics_only_after_calibration(images):
    keras.utils.set_random_seed(0)
    model = build_model("pspnet", "mobilenet_v2", input_shape=(64, 64, 3), backbone_weights=None)
    features = keras.Model(model.input, model.get_layer("fuse_bn").output)
    momenta = _momenta(model)
    uncalibrated = model.get_weights()
    wanted = np.asarray(features(images, training=True))
    model.set_weights(uncalibrated)
    before = np.asarray(features(images, training=False))
    calibrate_batch_normalization(model, [images])
    after = np.asarray(features(images, training=False))

    largest = np.abs(wanted).max()
    assert np.std(wanted) > 0.5  # the features are alive
    assert np.abs(after - wanted).max() < 0.01 * largest
    assert np.abs(before - wanted).max() > 0.5 * largest
    assert _momenta(model) == momenta


def _momenta(model):
    return [layer.momentum for layer in layers_with_weights(model) if hasattr(layer, "momentum")]


def test_several_batches_are_averaged():
    layer = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((2, 2, 1)), layer])
    batches = [np.full((1, 2, 2, 1), value, np.float32) for value in (1.0, 2.0, 6.0)]
    calibrate_batch_normalization(model, batches)
    assert float(layer.moving_mean[0]) == pytest.approx(3.0)
