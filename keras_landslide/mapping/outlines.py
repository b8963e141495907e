"""The class raster → outlines of landslides, in one pass over the whole of it, so that nothing is cut at a block."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import shapely
from affine import Affine
from rasterio.features import geometry_mask, shapes
from rasterio.windows import Window

from .blocks import LEVELS, NODATA
from .raster import opened
from .rasters import CLASSES, PROBABILITY, Sheet
from .vectors import geodesic_area, longitude_latitude, made_valid, placed

SURELY = 0.5  # of an area that is measured in the middle of a scene: no pixel elsewhere is twice as large
STRIP = 1024  # rows of a large landslide that are looked at together


@dataclass(frozen=True)
class Outline:
    """A landslide: pixels of the class raster that touch along their sides.

    Args:
        number: from 1, from the top of the raster to its bottom.
        geometry: in the scene's CRS, simplified; holes are kept.
        area: square metres on the ellipsoid, of the outline before it was simplified; square pixels where the scene
            lies nowhere on the earth.
        mean_probability, largest_probability: of its pixels, 0 to 1.
        longitude, latitude: of its centroid, in degrees; `None` where the scene lies nowhere.
    """

    number: int
    geometry: shapely.Geometry
    area: float
    mean_probability: float
    largest_probability: float
    longitude: float | None
    latitude: float | None


def outlines(folder: Path, sheet: Sheet, *, least_area: float, tolerance: float) -> list[Outline]:
    """The landslides in the rasters of `folder` (`write_rasters`) of `least_area` or more.

    `least_area` is in square metres, or square pixels where the scene lies nowhere on the earth; `tolerance`, how far
    a simplified outline may leave the pixels' own, is in pixels of the raster.
    """
    with opened(folder / CLASSES) as classes:
        polygons = _polygons(classes, SURELY * least_area / _pixel_area(sheet))
    areas = _areas(polygons, sheet)
    polygons, areas = polygons[areas >= least_area], areas[areas >= least_area]
    with opened(folder / PROBABILITY) as dataset:
        probabilities = [_probabilities(dataset, polygon) for polygon in polygons]
    simplified = made_valid(placed(shapely.simplify(polygons, tolerance), sheet.transform))
    return [
        Outline(number, geometry, float(area), *probability, *centre)
        for number, (geometry, area, probability, centre) in enumerate(
            zip(simplified, areas, probabilities, _centres(polygons, sheet), strict=True), start=1
        )
    ]


def _polygons(classes: rasterio.DatasetReader, least_pixels: float) -> np.ndarray:
    """The landslides in pixels of the raster, from its top to its bottom; GDAL reads it once, row by row.

    What has fewer pixels than `least_pixels` is not kept. GDAL still holds all of it for a while.
    """
    band = rasterio.band(classes, 1)
    found = shapes(band, mask=band, connectivity=4)  # in the CRS, whatever transform is asked for
    least = least_pixels * abs(classes.transform.determinant)
    polygons = [
        polygon
        for polygon in (_polygon(geometry["coordinates"]) for geometry, value in found if value == 1)
        if polygon.area >= least
    ]
    in_pixels = shapely.transform(placed(polygons, ~classes.transform), np.rint)
    left, top, *_ = shapely.bounds(in_pixels).T
    return in_pixels[np.lexsort((left, top))]  # GDAL gives each where it ends


def _polygon(rings: list[list[tuple[float, float]]]) -> shapely.Polygon:
    """Of arrays, which Shapely takes as they are, where it goes through lists point by point."""
    shell, *holes = (np.array(ring) for ring in rings)
    return shapely.Polygon(shell, holes)


def _pixel_area(sheet: Sheet) -> float:
    """Square metres of a pixel of the sheet in the middle of the scene, or pixels of one that lies nowhere on earth."""
    return math.prod(sheet.scene.pixel or (1.0, 1.0)) / math.prod(sheet.own.factors)


def _areas(polygons: np.ndarray, sheet: Sheet) -> np.ndarray:
    if sheet.scene.crs is None:
        return shapely.area(polygons) * _pixel_area(sheet)
    return geodesic_area(placed(polygons, sheet.transform), sheet.scene.crs)


def _centres(polygons: np.ndarray, sheet: Sheet) -> list[tuple[float | None, float | None]]:
    if sheet.scene.crs is None:
        return [(None, None)] * len(polygons)
    places = longitude_latitude(placed(shapely.centroid(polygons), sheet.transform), sheet.scene.crs)
    return [(longitude, latitude) for longitude, latitude in places.tolist()]


def _probabilities(dataset: rasterio.DatasetReader, polygon: shapely.Polygon) -> tuple[float, float]:
    """Mean and largest probability of the pixels of a polygon, strip by strip."""
    left, top, right, bottom = (round(side) for side in polygon.bounds)
    total, count, largest = 0, 0, 0
    for first in range(top, bottom, STRIP):
        window = Window(left, first, right - left, min(STRIP, bottom - first))
        values = dataset.read(1, window=window)
        inside = geometry_mask([polygon], values.shape, Affine.translation(left, first), invert=True)
        inside &= values != NODATA
        total += int(values[inside].sum())
        count += int(inside.sum())
        largest = max(largest, int(values[inside].max(initial=0)))
    return total / count / LEVELS[0] if count else math.nan, largest / LEVELS[0]
