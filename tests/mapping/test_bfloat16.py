"""How many pixels of a scene keep their class, against NumPy."""

import numpy as np
import pytest

from keras_landslide.mapping.bfloat16 import same_class
from keras_landslide.mapping.plan import Options, planned
from keras_landslide.models.loading import shipped_weights
from keras_landslide.models.saving import read_weights
from tests.scenes import red_network, redness, write_scene

HEIGHT, WIDTH = 416, 256  # as many windows as are looked at, so that all are
MOVED = 10


@pytest.fixture
def job(tmp_path):
    """A scene that gets redder from top to bottom; a strip at its left is no data."""
    values = np.linspace(0, 255, HEIGHT).astype(np.uint8)[:, None, None]
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    mask[:, :50] = 0
    path = write_scene(tmp_path / "scene.tif", np.tile(values, (1, WIDTH, 3)), mask=mask)
    weights = read_weights(shipped_weights("pspnet_mobilenet_v2_scenes"))
    return planned([path], [weights], Options(threshold=0.5))[0]


def test_the_share_is_that_of_the_valid_pixels_of_the_windows(job):
    def brighter(windows):
        return redness(np.minimum(windows + MOVED, 255))

    rows = np.linspace(0, 255, HEIGHT).astype(np.uint8).astype(int)
    changed = (rows > 127) != (np.minimum(rows + MOVED, 255) > 127)
    assert 0.02 < changed.mean() < 0.06
    found = same_class(job, red_network(256), red_network(256, brighter))
    assert found == pytest.approx(1 - changed.mean())  # each pixel is in four of the windows
    assert same_class(job, red_network(256), red_network(256)) == 1
    assert same_class(job, red_network(256), red_network(256, lambda windows: 1 - redness(windows))) == 0
