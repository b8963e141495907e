"""Images, and a comparison whose tolerance is relative to the largest value."""

import keras
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)
    yield
    keras.backend.clear_session()


@pytest.fixture
def images():
    """A function from a size to RGB images of that size: smooth shapes and noise, `(N, H, W, 3)` float32 0–255."""

    def make(height: int, width: int, count: int = 1, seed: int = 0) -> np.ndarray:
        random = np.random.default_rng(seed)
        y, x = np.mgrid[:height, :width]
        phases = random.uniform(0, 6, (count, 3, 2))
        waves = np.sin(y / 9 + phases[..., :1, None]) + np.cos(x / 7 + phases[..., 1:, None])
        noise = random.normal(0, 20, (count, height, width, 3))
        return np.clip(127 + 50 * np.moveaxis(waves, 1, -1) + noise, 0, 255).astype("float32")

    return make


def _difference(found, wanted) -> float:
    found, wanted = np.asarray(found, "float64"), np.asarray(wanted, "float64")
    assert found.shape == wanted.shape, (found.shape, wanted.shape)
    assert np.ptp(wanted) > 0, "nothing varies: the comparison would mean nothing"
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.fixture
def difference():
    """The largest difference of two arrays of one shape, relative to the largest value."""
    return _difference
