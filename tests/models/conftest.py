"""Images, backbones that are random but alive, and a comparison whose tolerance is relative to the largest value."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_landslide.models.backbones import BACKBONES
from keras_landslide.models.calibration import calibrate_batch_normalization


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)
    yield
    keras.backend.clear_session()


def make_images(height: int, width: int, count: int = 1, seed: int = 0) -> np.ndarray:
    """RGB images: smooth shapes and noise, `(N, H, W, 3)` float32 0–255."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    phases = random.uniform(0, 6, (count, 3, 2))
    waves = np.sin(y / 9 + phases[..., :1, None]) + np.cos(x / 7 + phases[..., 1:, None])
    noise = random.normal(0, 20, (count, height, width, 3))
    return np.clip(127 + 50 * np.moveaxis(waves, 1, -1) + noise, 0, 255).astype("float32")


@pytest.fixture
def images():
    """`make_images`."""
    return make_images


@pytest.fixture(scope="session")
def calibrated(tmp_path_factory) -> Callable[[str], Path]:
    """A function from a backbone's name to a folder with a file of weights for it, as Keras' application stores them.

    Random weights, normalised by the statistics of a few images: as they are at first, deep features all but vanish,
    and with them whatever is wrong.
    """
    folder = tmp_path_factory.mktemp("calibrated")

    def made(name: str) -> Path:
        path = folder / f"{name}.weights.h5"
        if not path.exists():
            # The same weights whichever test asks first; with those of seed 0 one value lies so close to where ReLU6
            # bends that rounding decides about the gradient of its pixel.
            keras.utils.set_random_seed(1)
            network = BACKBONES[name].application(include_top=False, weights=None, input_shape=(None, None, 3))
            _draw_normalisations(network)
            calibrate_batch_normalization(network, [make_images(96, 112, count=2, seed=7) / 127.5 - 1])
            network.save_weights(path)
        return folder

    return made


def _draw_normalisations(network: keras.Model) -> None:
    """Scales and offsets that differ from channel to channel; all begin as 1 and 0."""
    random = np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(random.uniform(0.6, 1.4, layer.gamma.shape))
            layer.beta.assign(random.normal(0, 0.3, layer.beta.shape))


def _difference(found, wanted) -> float:
    found, wanted = np.asarray(found, "float64"), np.asarray(wanted, "float64")
    assert found.shape == wanted.shape, (found.shape, wanted.shape)
    assert np.ptp(wanted) > 0, "nothing varies: the comparison would mean nothing"
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.fixture
def difference():
    """The largest difference of two arrays of one shape, relative to the largest value."""
    return _difference
