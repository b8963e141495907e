"""Backbones that are random but alive."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_landslide.models.backbones import BACKBONES
from keras_landslide.models.calibration import calibrate_batch_normalization
from keras_landslide.models.layers import BatchNormalization
from tests.conftest import make_images


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)
    yield
    keras.backend.clear_session()


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


@pytest.fixture
def normalised_by_keras(monkeypatch):
    """Batch normalisation as Keras writes it, step by step, for comparisons to the last digits.

    The kernel's rounding differs, and graphs join it to convolutions; `test_layers.py` is about it.
    """
    monkeypatch.setattr(BatchNormalization, "_is_fused", lambda layer, features: False)


def _draw_normalisations(network: keras.Model) -> None:
    """Scales and offsets that differ from channel to channel; all begin as 1 and 0."""
    random = np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(random.uniform(0.6, 1.4, layer.gamma.shape))
            layer.beta.assign(random.normal(0, 0.3, layer.beta.shape))
