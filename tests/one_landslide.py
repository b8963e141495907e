"""A scene with one landslide, which is red, and what reads its map."""

from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely

from keras_landslide.mapping.vectors import write_layer
from tests.scenes import PLACE, UTM, noise, redness

HEIGHT, WIDTH = 180, 150
ROWS, COLUMNS = slice(40, 80), slice(30, 100)  # of the one landslide; it lies in four blocks
AREA = 40 * 70 * 0.64 / 0.9996**2  # on the ground, near the middle of its zone


def pixels(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Dark ground and red landslide."""
    found = noise(height, width) // 4 + 1
    found[ROWS, COLUMNS, 0] = 255
    return found


def tables(path: Path) -> geopandas.GeoDataFrame:
    return geopandas.read_file(path / "outlines.gpkg", layer="landslides")


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


def write_area(folder: Path, *rectangles: tuple[float, float, float, float], crs: str | None = UTM) -> Path:
    """Rectangles of pixels (left, top, right, bottom) as an area of interest."""
    boxes = [shapely.box(*(PLACE @ (left, bottom)), *(PLACE @ (right, top))) for left, top, right, bottom in rectangles]
    if crs not in (None, UTM):
        boxes = geopandas.GeoSeries(boxes, crs=UTM).to_crs(crs).to_list()
    write_layer(folder / "area.gpkg", "area", boxes, {}, crs)
    return folder / "area.gpkg"


class Answers:
    """A network that calls what is red landslide; it counts its calls, and Ctrl-C may come at one of them."""

    def __init__(self):
        self.calls, self.stops_at = 0, 0

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        self.calls += 1
        if self.calls == self.stops_at:
            raise KeyboardInterrupt
        return redness(batch)
