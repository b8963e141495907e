"""An image given a place on the earth, and mapped: the scene of the demo."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from rasterio.transform import from_origin

from ..models.loading import weights_file
from ..models.saving import read_weights
from ..paper import METRES_A_PIXEL
from ..settings import SCENE_WEIGHTS
from .plan import Options
from .raster import opened, write_scene
from .rasters import CLASSES
from .scenes import map_scenes

# in the hills around Bijie
CRS, TRANSFORM = "EPSG:32648", from_origin(500_000.0, 3_020_000.0, METRES_A_PIXEL, METRES_A_PIXEL)


def mapped_example(
    image: np.ndarray,
    folder: Path,
    *,
    overwrite: bool = False,
    report: Callable[[str], object] = lambda line: None,
) -> tuple[np.ndarray, Path]:
    """Write `image`, `(H, W, 3)` uint8 RGB, to `folder` as `scene.tif` and map it with the weights for scenes.

    Returns the map's classes, `(H, W)` uint8, and its page.
    """
    write_scene(folder / "scene.tif", image, CRS, TRANSFORM)
    weights = [read_weights(weights_file(SCENE_WEIGHTS))]
    how = Options(gsd=METRES_A_PIXEL)
    (made,) = map_scenes([folder / "scene.tif"], folder / "map", weights, how, overwrite=overwrite, report=report)
    with opened(folder / "map" / made.folder / CLASSES) as file:
        return file.read(1), folder / "map" / made.folder / "index.html"
