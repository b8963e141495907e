"""How many pixels of a scene keep their class in bfloat16, against NumPy; and maps of the shipped weights in it."""

import keras
import numpy as np
import pytest
import rasterio

from keras_landslide.data.synthetic import mountain_scene
from keras_landslide.errors import LandslideError
from keras_landslide.mapping import scenes
from keras_landslide.mapping.bfloat16 import same_class
from keras_landslide.mapping.plan import Options, planned
from keras_landslide.models.loading import rebuilt, shipped_weights
from keras_landslide.models.saving import read_weights
from keras_landslide.runtimes.engines import engine
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


def by_tensorflow(weights, runtime, size, *, bfloat16, report):
    """An engine that computes in bfloat16 on any processor, if slowly."""
    if not bfloat16:
        return engine(weights, "keras", size)
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = rebuilt(weights, input_shape=(size, size, 3))
    finally:
        keras.config.set_dtype_policy(policy)
    return lambda batch: model.predict_on_batch(batch).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("by", ["openvino", "tensorflow"])
def test_what_is_mapped_in_bfloat16_keeps_its_class(tmp_path, monkeypatch, by, seed):
    """Painted scenes, of which the weights are less sure than of real ones: they are refused, or marked alike."""
    if by == "tensorflow":
        monkeypatch.setattr(scenes, "engine", by_tensorflow)
    else:
        import openvino

        # where it cannot be asked for (test_runtime_engines.py); with TensorFlow's arithmetic this runs on all of them
        if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            pytest.skip("this processor has no instructions for bfloat16")
    image = mountain_scene(seed, (256, 256), landslides=2).image
    path = write_scene(tmp_path / "scene.tif", image)
    weights = [read_weights(shipped_weights("pspnet_mobilenet_v2_scenes"))]
    classes = []
    for asked in (False, True):
        out = tmp_path / f"map{asked}"
        try:
            scenes.map_scenes([path], out, weights, Options(runtime="openvino", bfloat16=asked))
        except LandslideError as error:
            assert asked and "less than 99.5 %" in str(error)
            return
        with rasterio.open(out / "scene" / "landslides.tif") as file:
            classes.append(file.read(1))
    assert 0.001 < (classes[0] == 1).mean() < 0.9
    assert (classes[0] == classes[1]).mean() > 0.995
