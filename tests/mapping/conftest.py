"""What the tests of maps share."""

import pytest

from keras_landslide.mapping import blocks, plan, rasters, scenes
from keras_landslide.mapping.raster import Scene, open_scene
from tests.scenes import write_scene


@pytest.fixture
def small_blocks(monkeypatch) -> int:
    """Blocks of so many pixels a side wherever nobody says another: small scenes then have several."""
    side = 100
    for takes_it in (blocks.blocks, blocks.read_blocks, plan.planned):
        monkeypatch.setattr(takes_it, "__defaults__", (side,))
    for takes_it in (rasters.write_rasters, scenes.map_scenes):
        monkeypatch.setitem(takes_it.__kwdefaults__, "side", side)
    return side


@pytest.fixture
def scene(tmp_path, pixels) -> Scene:
    """A scene of the `pixels` that a file of tests has."""
    return open_scene(write_scene(tmp_path / "scene.tif", pixels))
