"""What a mapped scene leaves beside its rasters: outlines, a style, a preview, a page, and a line in a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import shapely
from affine import Affine

from ..files.atomic import csv_text, read_json, write_json, write_text
from ..files.images import write_image
from ..pictures import OUTLINE
from .outlines import Outline, outlines
from .page import map_page
from .plan import Job
from .raster import Grid, opened
from .rasters import Counts
from .vectors import GEOJSON, LAYER, placed, write_layer

FINISHED = "scene.json"
SUMMARY = "summary.csv"
PREVIEW = 1600  # pixels of its longer side
PIXELS, METRES = "pixels", "m²"


@dataclass(frozen=True)
class Mapped:
    """A scene that was mapped: a line of `summary.csv`.

    `area` and `largest` are of the outlines, in `unit`; `marked` is the share of the valid pixels that is landslide.
    """

    scene: str
    folder: str
    width: int
    height: int
    gsd: float | None
    threshold: float
    landslides: int
    area: float
    largest: float
    unit: str
    valid_pixels: int
    landslide_pixels: int

    @property
    def marked(self) -> float:
        return self.landslide_pixels / self.valid_pixels if self.valid_pixels else 0.0


def write_results(job: Job, folder: Path, counts: Counts) -> Mapped:
    """Write all that is made of the finished rasters in `folder`, and say what was found."""
    tolerance = _tolerance(job)
    found = outlines(folder, job.sheet, least_area=job.options.min_area, tolerance=tolerance)
    _write_outlines(folder, job, found)
    preview, to_preview = _preview(job)
    areas = [outline.area for outline in found]
    made = Mapped(
        scene=job.scene.path,
        folder=job.name,
        width=job.scene.width,
        height=job.scene.height,
        gsd=job.gsd,
        threshold=job.threshold,
        landslides=len(found),
        area=sum(areas),
        largest=max(areas, default=0.0),
        unit=PIXELS if job.scene.crs is None else METRES,
        valid_pixels=counts.valid,
        landslide_pixels=counts.landslide,
    )
    from_preview = job.scene.transform @ ~to_preview
    drawn = _drawn(preview, found, from_preview)
    write_image(folder / "preview.jpg", drawn)
    page = map_page(
        job.name, preview, found, from_preview=from_preview, said=_said(job, made, tolerance), notes=_notes(made, job),
        unit=made.unit,
    )  # fmt: skip
    write_text(folder / "index.html", page)
    write_json(folder / FINISHED, dataclasses.asdict(made))
    return made


def read_finished(folder: Path) -> Mapped:
    """What `write_results` said of a scene that is finished."""
    return Mapped(**read_json(folder / FINISHED))


def write_summary(folder: Path, done: Sequence[Mapped]) -> None:
    """`summary.csv`: a line a scene."""
    names = [field.name for field in dataclasses.fields(Mapped)]
    lines = [[getattr(one, name) for name in names] + [f"{one.marked:.6f}"] for one in done]
    write_text(folder / SUMMARY, csv_text([[*names, "marked"], *lines]))


def _tolerance(job: Job) -> float:
    """How far a simplified outline may leave the pixels' own, in pixels of the results."""
    sheet = job.sheet
    # pixels of the results for one that the network saw
    seen = (sheet.shape[1] / job.grid.width + sheet.shape[0] / job.grid.height) / 2
    if job.options.simplify is None:
        return seen
    return job.options.simplify if job.gsd is None else job.options.simplify / job.gsd * seen


def _write_outlines(folder: Path, job: Job, found: Sequence[Outline]) -> None:
    crs = job.scene.crs
    fields: dict[str, list] = {
        "id": [outline.number for outline in found],
        "scene": [job.name] * len(found),
        "area_m2" if crs else "area_pixels": [outline.area for outline in found],
        "mean_probability": [outline.mean_probability for outline in found],
        "largest_probability": [outline.largest_probability for outline in found],
        "longitude": [outline.longitude for outline in found],
        "latitude": [outline.latitude for outline in found],
    }
    geometries = [outline.geometry for outline in found]
    write_layer(folder / "outlines.gpkg", LAYER, geometries, fields, crs)
    style = resources.files(__package__) / "outlines.qml"
    write_text(folder / "outlines.qml", style.read_text(encoding="utf-8"))
    if crs:
        write_layer(folder / "outlines.geojson", LAYER, geometries, fields, crs, GEOJSON)


def _preview(job: Job) -> tuple[np.ndarray, Affine]:
    """The scene made small, `(h, w, 3)` uint8, and the way from its pixels to those."""
    scene = job.scene
    factor = min(1.0, PREVIEW / max(scene.width, scene.height))
    small = Grid(max(1, round(scene.width * factor)), max(1, round(scene.height * factor)), scene.width, scene.height)
    with opened(scene.path) as dataset:  # with its overviews: nobody measures in a preview
        image, _ = scene.read(dataset, small, slice(0, small.height), slice(0, small.width))
    return image, ~small.transform


def _drawn(preview: np.ndarray, found: Sequence[Outline], from_preview: Affine) -> np.ndarray:
    """The preview with the outlines."""
    drawn = preview.copy()
    polygons = shapely.get_parts(placed([outline.geometry for outline in found], ~from_preview))
    rings = [shapely.get_coordinates(ring).round().astype(np.int32) for ring in shapely.get_rings(polygons)]
    cv2.polylines(drawn, rings, True, OUTLINE, max(1, round(max(drawn.shape[:2]) / 400)), cv2.LINE_AA)
    return drawn


def _said(job: Job, made: Mapped, tolerance: float) -> list[tuple[str, str]]:
    found = f"{made.landslides}, {made.area:,.0f} {made.unit} in all, the largest {made.largest:,.0f} {made.unit}"
    metres = "as it is" if job.gsd is None else f"{job.gsd:g} m a pixel"
    return [
        ("scene", job.scene.path),
        ("size", f"{made.width} × {made.height} pixels"),
        ("seen at", metres),
        ("landslides", found),
        ("marked", f"{100 * made.marked:.2f} % of the valid pixels, above a probability of {job.threshold:g}"),
        (
            "outlines",
            f"of {job.options.min_area:g} {made.unit} or more, simplified: at most {tolerance:.2g} px away",
        ),
        ("weights", ", ".join(f"sha256 {one[:16]}…" for one in job.weights)),
    ]


def _notes(made: Mapped, job: Job) -> list[str]:
    if made.valid_pixels == 0:
        return ["The scene has no valid pixel."]
    return [job.licence] if job.licence else []
