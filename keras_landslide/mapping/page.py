"""A mapped scene as a page without network or script: its picture, outlines that can be clicked, a table of them."""

from collections.abc import Sequence

import numpy as np
import shapely
from affine import Affine

from ..files.images import jpeg
from ..markup import Content, Element, element, facts, page, picture, section, table
from .outlines import Outline

MADE_BY = "keras-landslide map"
SHOWN = 2000  # outlines, the largest: more are in the GeoPackage
STYLE = """
.map { position: relative; margin: 1rem 0; }
.map img { display: block; width: 100%; border-radius: 0.25rem; }
.map svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.map path { fill: rgb(230 97 1 / 20%); stroke: #ffe600; stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.map a:hover path, .map a:focus path { fill: rgb(230 97 1 / 55%); }
.map a:target path { fill: rgb(0 114 178 / 60%); stroke: #fff; stroke-width: 3; }
tr:target { background: var(--warning); }
"""


def map_page(
    title: str,
    preview: np.ndarray,
    outlines: Sequence[Outline],
    *,
    from_preview: Affine,
    said: Sequence[tuple[str, Content]],
    notes: Sequence[str],
    unit: str,
) -> str:
    """The page's HTML.

    `preview` is `(h, w, 3)` uint8 RGB, `from_preview` leads from its pixels to the CRS of the outlines, `said` is what
    there is to say of the scene, `unit` that of the areas (`m²` or `pixels`).
    """
    largest = sorted(outlines, key=lambda outline: -outline.area)[:SHOWN]
    rest = [f"The {SHOWN} largest of {len(outlines)} are shown here; all are in the GeoPackage."]
    return page(
        title,
        element("style", STYLE),
        element("h1", title),
        *(element("p", note, class_="note") for note in [*notes, *(rest if len(outlines) > SHOWN else [])]),
        facts(said),
        section("Map", _drawn(preview, largest, from_preview)),
        section("Landslides", _table(largest, unit)) if largest else section("Landslides", element("p", "None.")),
        made_by=MADE_BY,
    )


def _drawn(preview: np.ndarray, outlines: Sequence[Outline], from_preview: Affine) -> Element:
    height, width = preview.shape[:2]
    to_preview = ~from_preview
    links = [
        element(
            "a",
            element("title", f"Landslide {outline.number}"),
            element("path", d=_path(outline.geometry, to_preview)),
            href=f"#row-{outline.number}",
            id=f"outline-{outline.number}",
        )
        for outline in outlines
    ]
    return element(
        "div",
        picture(jpeg(preview), "image/jpeg", "The scene"),
        element("svg", *links, viewBox=f"0 0 {width} {height}", preserveAspectRatio="none", role="group"),
        class_="map",
    )


def _path(geometry: shapely.Geometry, to_preview: Affine) -> str:
    """Rings as a path of SVG, in tenths of the preview's pixels."""
    rings = [
        np.asarray(ring.coords)
        for polygon in shapely.get_parts(geometry)
        if polygon.geom_type == "Polygon"
        for ring in (polygon.exterior, *polygon.interiors)
    ]
    return " ".join(f"M{' '.join(_point(to_preview @ (x, y)) for x, y in ring[:-1])}Z" for ring in rings)


def _point(place: tuple[float, float]) -> str:
    return f"{place[0]:.1f},{place[1]:.1f}"


def _table(outlines: Sequence[Outline], unit: str) -> Element:
    rows: list[list[Content]] = []
    for outline in outlines:
        place = "" if outline.latitude is None else f"{outline.latitude:.5f}, {outline.longitude:.5f}"
        rows.append(
            [
                element("a", str(outline.number), href=f"#outline-{outline.number}"),
                f"{outline.area:,.0f}",
                f"{outline.mean_probability:.2f}",
                f"{outline.largest_probability:.2f}",
                place,
            ]
        )
    head = ["number", f"area, {unit}", "mean probability", "largest", "latitude, longitude"]
    made = table("Largest first; a number leads to its outline, an outline to its line.", head, rows)
    (body,) = made.iter("tbody")
    for outline, line in zip(outlines, body, strict=True):
        line.set("id", f"row-{outline.number}")
    return made
