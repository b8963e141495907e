"""Scenes on disk whose every pixel a test knows, and networks whose every answer it knows."""

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.transform import from_origin

from keras_landslide.mapping.network import Network

UTM = "EPSG:32648"  # of Bijie
MERCATOR = "EPSG:3857"
PLACE = from_origin(500_000, 3_000_000, 0.8, 0.8)


def write_scene(
    path: Path,
    pixels: np.ndarray,
    *,
    crs: str | None = UTM,
    transform: Affine = PLACE,
    colours: tuple = (),
    mask: np.ndarray | None = None,
    **how,
) -> Path:
    """Write `(h, w, bands)` or `(h, w)` as a GeoTIFF; `colours` are what the bands are called, `mask` is inside it."""
    pixels = np.atleast_3d(pixels)
    height, width, count = pixels.shape
    profile = {"driver": "GTiff", "height": height, "width": width, "count": count, "dtype": pixels.dtype, **how}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", crs=crs, transform=transform, **profile) as file,
    ):
        if colours:
            file.colorinterp = colours
        file.write(np.moveaxis(pixels, -1, 0))
        if mask is not None:
            file.write_mask(mask)
    return path


def noise(height: int, width: int, bands: int = 3, seed: int = 0) -> np.ndarray:
    """Pixels that no resampling leaves as they are, none of them 0."""
    return np.random.default_rng(seed).integers(1, 256, (height, width, bands), np.uint8)


def overlaps(length: int, parts: int) -> np.ndarray:
    """`(parts, length)`: the share of each pixel of a side in the mean of each of its equal parts."""
    step = length / parts
    begin, pixels = step * np.arange(parts)[:, None], np.arange(length)
    return np.clip(np.minimum(begin + step, pixels + 1) - np.maximum(begin, pixels), 0, None) / step


def redness(windows: np.ndarray) -> np.ndarray:
    """A network's answer: the more red, the more probable a landslide."""
    probability = windows[..., 0] / np.float32(255)
    return np.stack([1 - probability, probability], -1)


def by_place(windows: np.ndarray) -> np.ndarray:
    """An answer that leans on where in its window a pixel stands, as networks do: higher to the lower right."""
    size = windows.shape[1]
    across = np.linspace(0, 1, size, dtype=np.float32)
    probability = 0.5 * redness(windows)[..., 1] + 0.25 * (across + across[:, None])
    return np.stack([1 - probability, probability], -1)


def red_network(size: int = 64, *runs, **how) -> Network:
    """`redness`, or the `runs` that are given, as what blocks are predicted with."""
    return Network(runs or (redness,), size, **how)
