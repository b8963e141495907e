"""Finished blocks → Cloud-Optimised GeoTIFFs of probabilities and classes, strip by strip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio._err import CPLE_BaseError  # what `copy` raises: it has no public name
from rasterio.errors import RasterioError
from rasterio.shutil import copy
from rasterio.windows import Window

from ..console import Track, untracked
from .blocks import BLOCK, LEVELS, MOST, NODATA, read_blocks
from .raster import Grid, Scene, gdal, reason

TILE = 512
PROBABILITY, SPREAD, CLASSES = "probability.tif", "uncertainty.tif", "landslides.tif"
COLOURS = {0: (0, 0, 0), 1: (230, 97, 1)}  # of the class raster: black, and an orange that everybody sees


@dataclass
class Counts:
    """How many pixels of a scene are valid, and how many of them landslide."""

    valid: int = 0
    landslide: int = 0


@dataclass(frozen=True)
class Sheet:
    """The pixels that results have: the scene's own, or those of the grid that the network saw.

    `of_scene` says which; `transform` leads from them to the scene's CRS.
    """

    scene: Scene
    grid: Grid
    of_scene: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return (self.scene.height, self.scene.width) if self.of_scene else (self.grid.height, self.grid.width)

    @property
    def transform(self) -> Affine:
        return self.scene.transform if self.of_scene else self.scene.transform @ self.grid.transform

    @property
    def to_grid(self) -> Grid:
        """The sheet's pixels as a grid over those of the network."""
        height, width = self.shape
        return Grid(width, height, self.grid.width, self.grid.height)

    @property
    def own(self) -> Grid:
        """The sheet's pixels as a grid over those of the scene."""
        height, width = self.shape
        return Grid(width, height, self.scene.width, self.scene.height)


def write_rasters(
    sheet: Sheet,
    blocks: Path,
    out: Path,
    *,
    kinds: int,
    threshold: float,
    tags: Mapping[str, str],
    side: int = BLOCK,
    track: Track = untracked,
) -> Counts:
    """Write the rasters of a scene all of whose blocks, of `side` pixels, lie in `blocks` to the folder `out`.

    `probability.tif` has grey levels of 1/254, `landslides.tif` 1 where it is above `threshold` and 0 elsewhere, and
    with two `kinds` `uncertainty.tif` the standard deviation of the opinions in levels of 1/508: uint8, 255 where the
    scene has no data. They have overviews, of classes the most frequent one, and `tags`. Nothing is in memory but a
    strip of the scene.
    """
    names, counts = [PROBABILITY, SPREAD][:kinds], Counts()
    plain = {name: out / f".plain-{name}" for name in (*names, CLASSES)}
    with gdal(), _full_disk_told(out):
        with _written(sheet, plain, tags) as files:
            for rows, strips in _strips(sheet, blocks, side, out, kinds, track):
                window = Window(0, rows.start, sheet.shape[1], rows.stop - rows.start)
                for name, strip in zip(names, strips, strict=True):
                    files[name].write(strip, 1, window=window)
                classes = decided(strips[0], threshold)
                files[CLASSES].write(classes, 1, window=window)
                counts.valid += int((classes != NODATA).sum())
                counts.landslide += int((classes == 1).sum())
        for name, path in plain.items():
            _optimised(path, out / name, "mode" if name == CLASSES else "average")
    return counts


@contextmanager
def _full_disk_told(out: Path) -> Iterator[None]:
    """What GDAL raises while it writes as an `OSError`; of the scene `Scene.read` speaks."""
    try:
        yield
    except (CPLE_BaseError, RasterioError) as error:
        why = f"rasters could not be written ({reason(error)}); is the disk full? Make room and go on with --resume."
        raise OSError(f"{out.parent}: {why}") from error


def _optimised(path: Path, to: Path, overviews: str) -> None:
    """A plain GeoTIFF as a Cloud-Optimised one in its place."""
    how = {"driver": "COG", "compress": "DEFLATE", "blocksize": TILE, "bigtiff": "IF_SAFER"}
    with gdal(GDAL_NUM_THREADS="ALL_CPUS"):
        copy(path, to, **how, overview_resampling=overviews, resampling="nearest")
    with rasterio.open(to) as file:
        file.checksum(1)  # reads every pixel: GDAL may lose what a full disk does not take, and say nothing
    path.unlink()


def decided(levels: np.ndarray, threshold: float) -> np.ndarray:
    """Classes, uint8, of probabilities in grey levels: 1 above the threshold, 0, and `NODATA`."""
    return np.where(levels == NODATA, np.uint8(NODATA), (levels > threshold * MOST).view(np.uint8))


def _plain(width: int, height: int) -> dict:
    """How rasterio creates a tiled GeoTIFF of one band of grey levels or classes."""
    return {
        "driver": "GTiff", "width": width, "height": height, "count": 1, "dtype": "uint8", "nodata": NODATA,
        "tiled": True, "blockxsize": TILE, "blockysize": TILE, "bigtiff": "IF_SAFER",
    }  # fmt: skip


@contextmanager
def _written(sheet: Sheet, paths: Mapping[str, Path], tags: Mapping[str, str]) -> Iterator[dict]:
    """Tiled GeoTIFFs, open to be written, by name."""
    height, width = sheet.shape
    how = _plain(width, height) | {"crs": sheet.scene.crs, "transform": sheet.transform}
    files = {}
    try:
        for name, path in paths.items():
            files[name] = rasterio.open(path, "w", **how)
            files[name].update_tags(**tags)
            if name == CLASSES:
                files[name].write_colormap(1, COLOURS)
            else:
                files[name].scales = (1 / LEVELS[name == SPREAD],)
        yield files
    finally:
        for file in files.values():
            file.close()


def _strips(
    sheet: Sheet, blocks: Path, side: int, out: Path, kinds: int, track: Track
) -> Iterator[tuple[slice, list[np.ndarray]]]:
    """Rows of the sheet from top to bottom, and of each kind their grey levels."""
    height, _ = sheet.shape
    parts = [slice(top, min(top + TILE, height)) for top in range(0, height, TILE)]
    if sheet.to_grid.same:
        for rows in track(parts):
            yield rows, [read_blocks(blocks, sheet.grid, kind, rows, side) for kind in range(kinds)]
        return
    between = [out / f".grid-{kind}.tif" for kind in range(kinds)]
    for kind, path in enumerate(between):
        _write_grid(path, sheet.grid, blocks, side, kind)
    with sheet.scene.opened() as dataset:
        for rows in track(parts):
            yield rows, [_resampled(path, sheet, dataset, rows) for path in between]
    for path in between:
        path.unlink()


def _write_grid(path: Path, grid: Grid, blocks: Path, side: int, kind: int) -> None:
    """The blocks in one file, from which any window can be read at another size."""
    how = {"compress": "DEFLATE", "transform": grid.transform}  # some transform, or it warns
    with rasterio.open(path, "w", **_plain(grid.width, grid.height), **how) as file:
        for top in range(0, grid.height, TILE):
            rows = slice(top, min(top + TILE, grid.height))
            file.write(
                read_blocks(blocks, grid, kind, rows, side), 1, window=Window(0, top, grid.width, rows.stop - top)
            )


def _resampled(path: Path, sheet: Sheet, dataset: rasterio.DatasetReader, rows: slice) -> np.ndarray:
    """Rows of the sheet from the network's grid, interpolated over valid pixels; no data where the scene has none."""
    columns = slice(0, sheet.shape[1])
    with rasterio.open(path) as file:
        found = file.read(
            1,
            window=sheet.to_grid.window(rows, columns),
            out_shape=(rows.stop - rows.start, columns.stop),
            resampling=sheet.to_grid.resampling,
        )
    _, valid = sheet.scene.read(dataset, sheet.own, rows, columns)
    return np.where(valid, found, NODATA).astype(np.uint8)
