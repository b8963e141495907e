"""Scenes: rasters of any size, with or without a place on the earth, read piece by piece at the scale of a grid."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import rasterio
import rasterio.features
from affine import Affine
from pyproj import Transformer
from pyproj.exceptions import ProjError
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from ..data.letterbox import BAR_GREY
from ..data.native import mirrored
from ..errors import LandslideError
from ..files.atomic import written_beside
from .vectors import ELLIPSOID, LONGITUDE_LATITUDE

log = logging.getLogger("keras_landslide")

SAME_SCALE = 0.02  # a factor nearer to 1 than this is taken as 1: resampling would blur and gain nothing
MOST_RESAMPLED = 2  # a factor beyond this, or below its inverse, is worth a warning
PERCENTILES = (2.0, 98.0)
SAMPLED = 1024  # pixels of the longer side that percentiles are taken from
CACHE = 64 * 2**20  # bytes that GDAL keeps of what it has read
COLOURS = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


@dataclass(frozen=True)
class Scene:
    """A raster, and how its values become an image.

    Args:
        path: of anything that GDAL opens, `/vsizip/` and `/vsis3/` included.
        width, height: in its own pixels.
        crs: as WKT; `None` where it lies nowhere on the earth.
        transform: from pixels (x, y) to the CRS; may be turned or south-up.
        bands: red, green and blue, counted from 1.
        stretch: for each of them the values that become 0 and 255; `None` where they are such values already.
        nodata_is_black: pixels that are 0 in all three bands are no data, whatever the file says.
        area: geometries in the scene's pixels outside which nothing is looked at; `None` for everywhere.
    """

    path: str
    width: int
    height: int
    crs: str | None
    transform: Affine
    bands: tuple[int, ...]
    stretch: tuple[tuple[float, float], ...] | None = None
    nodata_is_black: bool = False
    area: tuple | None = None

    @cached_property
    def pixel(self) -> tuple[float, float] | None:
        """Geodesic metres that a step along x and along y is long in the middle; `None` where it lies nowhere."""
        return None if self.crs is None else _pixel_metres(self)

    @contextmanager
    def opened(self) -> Iterator[rasterio.DatasetReader]:
        """The file, without its overviews: nobody knows how those were made."""
        with opened(self.path, OVERVIEW_LEVEL="NONE") as dataset:
            yield dataset

    def read(self, dataset: rasterio.DatasetReader, grid: Grid, rows: slice, columns: slice):
        """The pixels of `grid` in these rows and columns: `(h, w, 3)` uint8 RGB, and where they are valid, `(h, w)`.

        Areas are averaged when shrinking, else interpolated, over the pixels alone that the file itself calls valid.
        Rows and columns may reach beyond the scene, where it goes on mirrored and is not valid. What is not valid in
        the scene is grey.
        """
        sides = (rows, grid.height), (columns, grid.width)
        there = [mirrored(part, length) for part, length in sides]
        here = [slice(int(places.min()), int(places.max()) + 1) for places in there]
        values, found = self._values(dataset, grid, *here)
        image = np.where(found[..., None], self._as_image(values), np.uint8(BAR_GREY))
        places = [part - seen.start for part, seen in zip(there, here, strict=True)]
        inside = np.logical_and.outer(*(_inside(part, length) for part, length in sides))
        planes = _taken(np.moveaxis(image, -1, 0), *places)  # as they lie in memory
        return np.moveaxis(planes, 0, -1), _taken(found, *places) & inside

    def _values(self, dataset, grid: Grid, rows: slice, columns: slice) -> tuple[np.ndarray, np.ndarray]:
        """`(h, w, 3)` as stored, resampled, and where they are valid."""
        window, shape = grid.window(rows, columns), (rows.stop - rows.start, columns.stop - columns.start)

        def read(resampling: Resampling) -> np.ndarray:
            return dataset.read(self.bands, window=window, out_shape=(3, *shape), resampling=resampling)

        try:
            values = read(grid.resampling)
            valid = _valid(dataset, self.bands, shape, window=window, resampling=grid.resampling_of_masks)
            if self.nodata_is_black:
                same = grid.resampling == grid.resampling_of_masks
                valid &= (values if same else read(grid.resampling_of_masks)).any(axis=0)
        except RasterioError as error:
            raise LandslideError(
                f"{self.path}: is damaged or not all there, and was read no further than its row "
                f"{round(window.row_off)}; get a whole copy."
            ) from error
        values = np.moveaxis(values, 0, -1)
        if np.issubdtype(values.dtype, np.floating):
            valid &= np.isfinite(values).all(axis=-1)
        if self.area is not None:
            valid &= inside(self.area, grid, rows, columns)
        return values, valid

    def _as_image(self, values: np.ndarray) -> np.ndarray:
        if self.stretch is None:
            return values.astype(np.uint8)
        low, high = np.array(self.stretch, np.float32).T
        stretched = (np.nan_to_num(values.astype(np.float32)) - low) / np.maximum(high - low, 1e-6)
        return np.rint(255 * np.clip(stretched, 0, 1)).astype(np.uint8)


@dataclass(frozen=True)
class Grid:
    """Where the pixels lie that a network sees: `width` × `height` of them over the whole scene.

    >>> grid = Grid.of_factors(1000, 500, 0.25, 0.5)
    >>> grid.width, grid.height, grid.window(slice(0, 10), slice(20, 30)).col_off
    (250, 250, 80.0)
    """

    width: int
    height: int
    scene_width: int
    scene_height: int

    @classmethod
    def of_factors(cls, width: int, height: int, x: float, y: float) -> Grid:
        """The grid with `x` and `y` pixels for one of the scene; factors near 1 are 1 (`SAME_SCALE`)."""
        return cls(_scaled(width, x), _scaled(height, y), width, height)

    @property
    def factors(self) -> tuple[float, float]:
        """Pixels of the grid for one of the scene, along x and y."""
        return self.width / self.scene_width, self.height / self.scene_height

    @property
    def same(self) -> bool:
        """Whether its pixels are those of the scene."""
        return (self.width, self.height) == (self.scene_width, self.scene_height)

    @property
    def resampling(self) -> Resampling:
        """How the scene's pixels become the grid's."""
        if self.same:
            return Resampling.nearest
        return Resampling.average if math.prod(self.factors) < 1 else Resampling.bilinear

    @property
    def resampling_of_masks(self) -> Resampling:
        """The same for where they are valid: shrunk, a pixel is valid as far as one in it is (but for less than 1/510
        of it, where the file has a mask); interpolated masks would grow into what is no data."""
        return self.resampling if self.resampling == Resampling.average else Resampling.nearest

    @property
    def transform(self) -> Affine:
        """From pixels of the grid to pixels of the scene."""
        return Affine.scale(self.scene_width / self.width, self.scene_height / self.height)

    def window(self, rows: slice, columns: slice) -> Window:
        """The part of the scene that these rows and columns of the grid cover, in its pixels."""
        x, y = self.scene_width / self.width, self.scene_height / self.height
        left, top = columns.start * x, rows.start * y
        return Window(
            left, top, min(columns.stop * x, self.scene_width) - left, min(rows.stop * y, self.scene_height) - top
        )


def _taken(planes: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """These rows and columns of `(…, h, w)`: what `np.ix_` gives, and faster."""
    return planes.take(rows, axis=-2).take(columns, axis=-1)


def _scaled(side: int, factor: float) -> int:
    return side if abs(factor - 1) < SAME_SCALE else max(1, round(side * factor))


@contextmanager
def gdal(**options) -> Iterator[None]:
    """GDAL with little memory, and without warnings of images that lie nowhere on the earth: such are welcome."""
    with rasterio.Env(GDAL_CACHEMAX=CACHE, **options), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


@contextmanager
def opened(path: str | Path, **options) -> Iterator[rasterio.DatasetReader]:
    """A raster that is there to be read; raises `LandslideError` where it is none."""
    with gdal():
        try:
            dataset = rasterio.open(path, **options)
        except RasterioError as error:
            raise LandslideError(f"{path}: cannot be opened as a raster ({reason(error)}).") from error
        with dataset:
            yield dataset


def open_scene(
    path: str | Path,
    *,
    bands: Sequence[int] | None = None,
    percentiles: Sequence[float] | None = None,
    nodata_is_black: bool = False,
) -> Scene:
    """The scene in a raster file.

    `bands` are those of red, green and blue, by default those that the file calls so, else the first three; a single
    band is taken as grey. Values of other types than uint8 are stretched between `percentiles` of each band (by default
    2 and 98), taken from the file's overviews or from every so many pixels; values of type uint8 only where
    `percentiles` are given. Raises `LandslideError` for a file that is no raster or whose bands cannot be chosen.
    """
    with opened(path) as dataset:
        chosen = _bands(dataset, path, bands)
        stretch = None
        if percentiles or any(dataset.dtypes[band - 1] != "uint8" for band in chosen):
            stretch = _stretch(dataset, chosen, percentiles or PERCENTILES, nodata_is_black)
        # a CRS of a building site says as little of the place on a map as none, and so does one without a transform
        placed = dataset.crs and dataset.transform != Affine.identity()
        somewhere = placed and (dataset.crs.is_geographic or dataset.crs.is_projected)
        crs = dataset.crs.to_wkt() if somewhere else None
        return Scene(str(path), dataset.width, dataset.height, crs, dataset.transform, chosen, stretch, nodata_is_black)


def write_scene(
    path: Path | str, image: np.ndarray, crs: str, transform: Affine, valid: np.ndarray | None = None
) -> None:
    """Write an image `(H, W, 3)` uint8 RGB as a GeoTIFF, with a mask where it is `valid`, `(H, W)` bool."""
    height, width = image.shape[:2]
    how = {
        "driver": "GTiff", "width": width, "height": height, "count": 3, "dtype": "uint8", "photometric": "RGB",
        "tiled": True, "compress": "DEFLATE", "crs": crs, "transform": transform,
    }  # fmt: skip
    internal = rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True)
    with written_beside(Path(path)) as beside, internal, rasterio.open(beside, "w", **how) as file:
        file.write(np.moveaxis(image, -1, 0))
        if valid is not None:
            file.write_mask(valid)


def inside(area: Sequence, grid: Grid, rows: slice, columns: slice) -> np.ndarray:
    """Where pixels of the grid, `(h, w)` bool, have their middle in geometries given in the scene's pixels."""
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    place = grid.transform @ Affine.translation(columns.start, rows.start)
    return rasterio.features.geometry_mask(area, shape, place, invert=True) if area else np.zeros(shape, bool)


def _valid(dataset: rasterio.DatasetReader, bands: Sequence[int], shape: tuple[int, int], **how) -> np.ndarray:
    """Where at least one of `bands` has data, `(h, w)` bool; other bands, as of infrared, do not matter, but alpha."""
    flags = [dataset.mask_flag_enums[band - 1] for band in bands]
    asked = sorted(set(bands))
    if all(MaskFlags.per_dataset in one for one in flags):  # one mask for all bands; alpha is one
        return dataset.read_masks(asked[0], out_shape=shape, **how) > 0
    if any(MaskFlags.all_valid in one for one in flags):
        valid = np.ones(shape, bool)
    else:
        valid = (dataset.read_masks(asked, out_shape=(len(asked), *shape), **how) > 0).any(axis=0)
    if ColorInterp.alpha in dataset.colorinterp:  # GDAL leaves it out beside a value for no data or more bands
        valid &= dataset.read(dataset.colorinterp.index(ColorInterp.alpha) + 1, out_shape=shape, **how) > 0
    return valid


def _inside(part: slice, length: int) -> np.ndarray:
    """Which places of `part` lie on a side of `length`, `(stop − start,)` bool."""
    places = np.arange(part.start, part.stop)
    return (places >= 0) & (places < length)


def reason(error: BaseException) -> str:
    """What GDAL said first, of which the others are consequences."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).splitlines()[0].rstrip(".")


def _bands(dataset: rasterio.DatasetReader, path: str | Path, asked: Sequence[int] | None) -> tuple[int, ...]:
    """Red, green and blue, counted from 1."""
    count = dataset.count
    if asked is not None:
        if len(asked) not in (1, 3) or not all(1 <= band <= count for band in asked):
            raise LandslideError(
                f"{path}: has no bands {' '.join(map(str, asked))}; give --bands one number for grey or three for red, "
                f"green and blue, from 1 to {count}."
            )
        return tuple(asked) if len(asked) == 3 else (asked[0],) * 3
    called = dataset.colorinterp
    if all(colour in called for colour in COLOURS):
        return tuple(called.index(colour) + 1 for colour in COLOURS)
    shown = [number for number, colour in enumerate(called, start=1) if colour != ColorInterp.alpha]
    if not shown:
        inside = f"; name one of its rasters: {' '.join(dataset.subdatasets)}" if dataset.subdatasets else "."
        raise LandslideError(f"{path}: holds no band that shows anything{inside}")
    if ColorInterp.palette in called:
        raise LandslideError(f"{path}: has a palette, not colours; convert it with rio or gdal_translate -expand rgb.")
    if len(shown) == 1:
        log.warning("%s: has one band, taken as grey; the network was trained on colours.", path)
        return (shown[0],) * 3
    if len(shown) == 2:
        raise LandslideError(f"{path}: has two bands, and neither is called a colour; say with --bands which to take.")
    if len(shown) > 3:
        log.warning("%s: does not say which bands are colours; taken as red, green, blue: 1 2 3 (see --bands).", path)
    return tuple(shown[:3])


def _stretch(
    dataset: rasterio.DatasetReader, bands: Sequence[int], percentiles: Sequence[float], nodata_is_black: bool
) -> tuple[tuple[float, float], ...]:
    """For each band the values at these percentiles, of valid pixels in a small copy of the scene."""
    smaller = max(1, math.ceil(max(dataset.width, dataset.height) / SAMPLED))
    shape = (max(1, dataset.height // smaller), max(1, dataset.width // smaller))
    try:
        values = dataset.read(list(bands), out_shape=(3, *shape)).astype(np.float64)
        valid = _valid(dataset, bands, shape) & np.isfinite(values).all(axis=0)
    except RasterioError as error:
        raise LandslideError(f"{dataset.name}: is damaged ({reason(error)}); get a whole copy.") from error
    if nodata_is_black:
        valid &= values.any(axis=0)
    if not valid.any():
        return ((0.0, 1.0),) * 3
    low, high = np.percentile(values[:, valid], percentiles, axis=1)
    return tuple(zip(low.tolist(), high.tolist(), strict=True))


def _pixel_metres(scene: Scene) -> tuple[float, float]:
    """See `Scene.pixel`."""
    x, y = scene.width / 2, scene.height / 2
    try:
        to_degrees = Transformer.from_crs(scene.crs, LONGITUDE_LATITUDE, always_xy=True)
    except ProjError as error:
        raise LandslideError(f"{scene.path}: its CRS is that of no place on the earth ({error}).") from error
    sides = []
    for step_x, step_y in ((0.5, 0), (0, 0.5)):
        ends = [scene.transform @ (x + sign * step_x, y + sign * step_y) for sign in (-1, 1)]
        degrees = [to_degrees.transform(*end) for end in ends]
        sides.append(ELLIPSOID.inv(*degrees[0], *degrees[1])[2])
    if not all(math.isfinite(side) and side > 0 for side in sides):
        raise LandslideError(f"{scene.path}: its place on the earth makes no sense; mend its transform or its CRS.")
    return sides[0], sides[1]
