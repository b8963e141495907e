"""What a map needs, settled before the first block: options, scale, area, threshold, space on the disk."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from pyproj import CRS

from ..errors import LandslideError, unknown_name
from ..files.checks import identity, nearest_existing
from ..files.images import check_name
from ..models.description import Description, Scale
from ..models.saving import StoredWeights
from ..prediction.images import output_names
from ..settings import LEAST_AREA
from .blocks import BLOCK, Block, blocks, windows_of
from .raster import MOST_RESAMPLED, Grid, Scene, open_scene
from .rasters import Sheet
from .vectors import TURN, Outlines, placed, read_outlines, transformed

log = logging.getLogger("keras_landslide")

GRIDS = ("scene", "model")
SPARE = 4 / 3  # what overviews add to a raster


@dataclass(frozen=True)
class Options:
    """How scenes are mapped; the names are those of the options of `keras-landslide map`.

    Args:
        gsd: metres a pixel that the network sees; by default what the weights say.
        scene_gsd: metres a pixel of scenes that do not say it themselves.
        grid: `scene` for results on the scene's own pixels, `model` for those that the network saw.
        bands: of red, green and blue, from 1; `None` for what the scene says.
        stretch: the percentiles of a band's values that become black and white; `None` for 2 and 98, and 8-bit bands as
            they are.
        black_is_nodata: pixels that are 0 in all three bands are no data.
        average_flips: predict mirror images too, and average.
        threshold: the probability above which a pixel is landslide; by default what the weights say.
        uncertainty: also write how far opinions lie apart, of mirror images or of several weights.
        aoi: a file of polygons outside which nothing is looked at.
        min_area: of an outline, in square metres, or square pixels where a scene lies nowhere on the earth.
        simplify: metres, or pixels, by which a simplified outline may leave the pixels' own; by default one pixel that
            the network saw.
        runtime: `keras`, `openvino` or `onnx`; by default the fastest that is installed.
        bfloat16: compute in that type, where runtime and processor can, if nearly all pixels keep their class.
    """

    gsd: float | None = None
    scene_gsd: float | None = None
    grid: str = "scene"
    bands: Sequence[int] | None = None
    stretch: Sequence[float] | None = None
    black_is_nodata: bool = False
    average_flips: bool = False
    threshold: float | None = None
    uncertainty: bool = False
    aoi: Path | str | None = None
    min_area: float = LEAST_AREA
    simplify: float | None = None
    runtime: str | None = None
    bfloat16: bool = False

    def to_json(self) -> dict:
        """Plain values, the same ones for what means the same, such as 1 and 1.0."""
        return json.loads(json.dumps(dataclasses.asdict(self), default=str), parse_int=float)


@dataclass(frozen=True)
class Job:
    """A scene before its first block: all that its results depend on, checked; its blocks have `side` pixels."""

    name: str
    scene: Scene
    grid: Grid
    gsd: float | None
    options: Options
    threshold: float
    size: int
    weights: tuple[str, ...]
    licence: str
    side: int = BLOCK

    @property
    def kinds(self) -> int:
        """How many rasters of probability there are: its mean, and its spread where that is asked for."""
        return 2 if self.options.uncertainty else 1

    @property
    def sheet(self) -> Sheet:
        return Sheet(self.scene, self.grid, self.options.grid == "scene")

    @property
    def blocks(self) -> list[Block]:
        return blocks(self.grid, self.side)

    def windows_of(self, some: Sequence[Block]) -> int:
        """How many windows some blocks have at most; those without a valid pixel are not predicted."""
        return sum(windows_of(block, self.grid, self.size) for block in some)

    @property
    def source(self) -> list:
        """Which file it is (`files.checks.identity`); of one that lies on no disk only its name."""
        path = Path(self.scene.path)
        return identity(path) if path.is_file() else [self.scene.path]

    def stamp(self) -> str:
        """What tells the blocks of this scene, weights and options from others."""
        scene = [self.source, self.scene.stretch, self.scene.bands, self.grid, self.side]
        told = [*scene, self.size, self.weights, self.options.to_json()]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:12]

    def bytes_needed(self) -> int:
        """Bytes on the disk at most while it is made: blocks, their mosaic, plain rasters and their copies."""
        kinds = self.kinds
        seen, sheet = self.grid.width * self.grid.height, int(np.prod(self.sheet.shape))
        return int(2 * kinds * seen + SPARE * 2 * (kinds + 1) * sheet)


def planned(
    paths: Sequence[Path | str], weights: Sequence[StoredWeights], options: Options, side: int = BLOCK
) -> list[Job]:
    """A job for each scene, in blocks of `side` pixels.

    Raises `LandslideError` where scene, weights and options do not fit each other.
    """
    descriptions = [one.description for one in weights]
    _check_options(options, descriptions)
    for path in paths:
        check_name(Path(path))
    first, hashes = descriptions[0], tuple(one.stamp()["sha256"] for one in weights)
    licence = licence_of(weights)
    threshold = options.threshold
    if threshold is None:
        threshold = sum(one.threshold for one in descriptions) / len(descriptions)
    area = None if options.aoi is None else read_outlines(options.aoi)
    jobs = []
    for path, name in zip(paths, output_names([Path(path) for path in paths]), strict=True):
        scene = open_scene(
            path, bands=options.bands, percentiles=options.stretch, nodata_is_black=options.black_is_nodata
        )
        if area is not None:
            scene = dataclasses.replace(scene, area=_in_pixels(area, options.aoi, scene))
        gsd, grid = _scaled(scene, first.scale, options)
        job = Job(name, scene, grid, gsd, options, threshold, first.prediction_size, hashes, licence, side)
        jobs.append(job)
    return jobs


def licence_of(weights: Sequence[StoredWeights]) -> str:
    """The terms of all weights of an ensemble, each once; empty where there are none."""
    return " ".join(dict.fromkeys(one.description.licence for one in weights if one.description.licence))


def check_disk(folder: Path, jobs: Sequence[Job], there: int = 0) -> None:
    """Raise `LandslideError` where the disk of `folder` has less space than the scenes still need.

    Counted is what they need if all are made at once, as on a cluster, less the bytes of it that are `there` already.
    """
    free = shutil.disk_usage(nearest_existing(folder)).free
    needed = sum(job.bytes_needed() for job in jobs) - there
    if needed > free:
        raise LandslideError(
            f"{folder}: mapping needs up to {needed / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are free there; choose "
            "another --out, a larger --gsd with --grid model, or fewer scenes."
        )


def _check_options(options: Options, descriptions: Sequence[Description]) -> None:
    if options.grid not in GRIDS:
        raise unknown_name("--grid", options.grid, GRIDS)
    if options.stretch is not None and not 0 <= options.stretch[0] < options.stretch[1] <= 100:
        raise LandslideError(
            f"--stretch {' '.join(f'{one:g}' for one in options.stretch)}: give two percentiles from 0 to 100, the "
            "lower first."
        )
    for name, value in (("--min-area", options.min_area), ("--simplify", options.simplify or 0.0)):
        if not 0 <= value < math.inf:
            raise LandslideError(f"{name} {value:g} is not possible; give 0 or more.")
    for name, length in (("--gsd", options.gsd), ("--scene-gsd", options.scene_gsd)):
        if length is not None and not 0 < length < math.inf:
            raise LandslideError(f"{name} {length:g} is no length; give metres above 0.")
    if options.threshold is not None and not 0 < options.threshold < 1:
        raise LandslideError(f"--threshold {options.threshold:g} is not possible; give a probability between 0 and 1.")
    _check_opinions(options, descriptions)


def _check_opinions(options: Options, descriptions: Sequence[Description]) -> None:
    first = descriptions[0]
    for one in descriptions:
        if one.classes != 2:
            raise LandslideError(f"A map shows landslides alone, and these weights have {one.classes} classes.")
        if (one.prediction_size, one.scale) != (first.prediction_size, first.scale):
            raise LandslideError("Weights of one ensemble have one input size and one scale; these differ in them.")
    if options.uncertainty and len(descriptions) == 1 and not options.average_flips:
        raise LandslideError("An uncertainty needs several opinions: add --average-flips or --ensemble.")


def _scaled(scene: Scene, scale: Scale | None, options: Options) -> tuple[float | None, Grid]:
    """Metres a pixel that the network sees, as far as anybody knows, and the grid of such pixels."""
    own = scene.pixel or ((options.scene_gsd,) * 2 if options.scene_gsd else None)
    if scale is None and options.gsd is None:
        raise LandslideError(
            "These weights have no scale: they do not say how large a landslide looks to them. Give --gsd in metres a "
            f"pixel{_own_scale(own)}."
        )
    if own is None:
        if options.gsd or scale is None:
            raise LandslideError(f"{scene.path}: does not say how long its pixels are; give --scene-gsd beside --gsd.")
        log.warning(
            "%s: does not say how long its pixels are; taken for the %g m of the images that the network was trained "
            "on (see --scene-gsd).", scene.path, scale.training,
        )  # fmt: skip
        factor = scale.training / scale.prediction
        return None, Grid.of_factors(scene.width, scene.height, factor, factor)
    gsd = options.gsd or scale.prediction  # type: ignore[union-attr]  # one of them is there
    _warn_of_scale(scene, own, gsd, scale)
    return gsd, Grid.of_factors(scene.width, scene.height, own[0] / gsd, own[1] / gsd)


def _warn_of_scale(scene: Scene, own: tuple[float, float], gsd: float, scale: Scale | None) -> None:
    if not all(1 / MOST_RESAMPLED <= side / gsd <= MOST_RESAMPLED for side in own):
        log.warning(
            "%s: its pixels are %.2g m long and the network sees it at %.2g m; expect less of the result.",
            scene.path, max(own), gsd,
        )  # fmt: skip
    if scale and not 1 / MOST_RESAMPLED <= gsd / scale.prediction <= MOST_RESAMPLED:
        log.warning("The network was trained at %g m a pixel and is used at %g m.", scale.prediction, gsd)


def _own_scale(own: tuple[float, float] | None) -> str:
    return f" (those of the scene are {own[0]:.2g} m)" if own else ""


def _in_pixels(found: Outlines, path: Path | str | None, scene: Scene) -> tuple:
    """The polygons of the file `path` in pixels of the scene."""
    if scene.crs is None or found.crs is None:
        raise LandslideError(f"{scene.path}: an area of interest needs a CRS of the scene and one of {path}.")
    if not found.geometries.size:
        raise LandslideError(f"{path}: holds no polygon; give one that says where to look.")
    # what is straight in one CRS is bent in another, by less than a pixel between corners that lie so close
    close = shapely.segmentize(found.geometries, 0.001 if CRS(found.crs).is_geographic else 100.0)
    polygons = transformed(close, found.crs, scene.crs)
    if CRS(scene.crs).is_geographic:  # across the 180th meridian a scene goes on to 181°, and others begin at −180°
        beyond = [shapely.transform(polygons, lambda points, turn=turn: points + turn) for turn in (TURN, -TURN)]
        polygons = np.concatenate([polygons, *beyond])
    in_pixels = placed(polygons, ~scene.transform)
    if not shapely.intersects(in_pixels, shapely.box(0, 0, scene.width, scene.height)).any():
        raise LandslideError(f"{path}: lies beside {scene.path}; give the area that belongs to it.")
    return tuple(in_pixels)
