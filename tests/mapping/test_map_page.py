"""The page of a mapped scene: outlines lie over its picture, lead to their rows and back, and it needs nothing else."""

import re

import cv2
import numpy as np
import pytest
import shapely

from keras_landslide.mapping.outlines import Outline
from keras_landslide.mapping.page import SHOWN, map_page
from tests.page import Page
from tests.scenes import PLACE

ATTACK = "\"'><script>alert(1)</script>&amp;"
STEP = 0.8 * 4  # metres of a pixel of the preview, of which four make one of the scene


def outline(number: int, geometry: shapely.Geometry, area: float, place: tuple = (105.123456, 27.5)) -> Outline:
    return Outline(number, geometry, area, 0.91 - number / 100, 0.99, *place)


def at(left: float, top: float, right: float, bottom: float) -> shapely.Polygon:
    """A rectangle of the preview's pixels in the CRS."""
    return shapely.box(PLACE.c + STEP * left, PLACE.f - STEP * bottom, PLACE.c + STEP * right, PLACE.f - STEP * top)


RING = at(10, 20, 50, 40) - at(20, 25, 30, 35)
TWO = shapely.MultiPolygon([at(60, 5, 62.25, 9), at(70, 5, 72, 9)])
OUTLINES = [outline(1, RING, 4444.4), outline(2, TWO, 1_234_567.0), outline(3, at(3, 60, 6, 66), 99.6, (-3.1, -0.25))]
SAID = [("scene", "scene.tif"), ("size", "320 × 280 pixels")]


def text(outlines=OUTLINES, title: str = "scene", notes=("Only for research.",), unit: str = "m²", said=SAID) -> str:
    preview = np.full((70, 80, 3), (40, 90, 60), np.uint8)
    preview[20:40, 10:50] = (200, 60, 40)
    # in the pixels of the scene a preview's is four, as `results` has it
    return map_page(title, preview, outlines, from_preview=PLACE @ PLACE.scale(4), said=said, notes=notes, unit=unit)


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(text())


def drawn(page: Page) -> dict[str, str]:
    """The shape of each outline by the address that it links to."""
    found, links = {}, []
    for tag, said in page.tags:
        if tag == "a":
            links.append(said)
        if tag == "path":
            found[links[-1]["href"]] = said["d"]
    return found


def rings(path: str) -> list[list[tuple[float, float]]]:
    return [
        [tuple(map(float, corner.split(","))) for corner in part.split()] for part in re.findall(r"M([^MZ]*)Z", path)
    ]


def test_the_page_needs_nothing_but_itself(page):
    page.check_alone()
    for style in re.findall(r"<style>(.*?)</style>", text(), re.DOTALL):
        assert "url(" not in style and "@import" not in style


def test_every_outline_has_a_path_and_a_row_that_lead_to_each_other(page):
    identified = [said["id"] for _, said in page.tags if "id" in said]
    assert len(set(identified)) == len(identified)
    to_row = {said["id"]: said["href"] for tag, said in page.tags if tag == "a" and "id" in said}
    to_outline = [said["href"] for tag, said in page.tags if tag == "a" and "id" not in said]
    assert to_row == {f"outline-{number}": f"#row-{number}" for number in (1, 2, 3)}
    assert sorted(to_outline) == [f"#outline-{number}" for number in (1, 2, 3)]
    assert sorted(said["id"] for tag, said in page.tags if tag == "tr" and "id" in said) == ["row-1", "row-2", "row-3"]
    assert drawn(page).keys() == {"#row-1", "#row-2", "#row-3"}


def test_the_rows_are_those_of_their_outlines_with_the_largest_first(page):
    """A row has the number to which its address leads."""
    (rows,) = page.tables.values()
    assert rows == [
        ["number", "area, m²", "mean probability", "largest", "latitude, longitude"],
        ["2", "1,234,567", "0.89", "0.99", "27.50000, 105.12346"],
        ["1", "4,444", "0.90", "0.99", "27.50000, 105.12346"],
        ["3", "100", "0.88", "0.99", "-0.25000, -3.10000"],
    ]
    addresses = [said["id"] for tag, said in page.tags if tag == "tr" and "id" in said]
    assert addresses == [f"row-{row[0]}" for row in rows[1:]]


def test_paths_lie_over_the_picture_holes_and_parts_included(page):
    (svg,) = [said for tag, said in page.tags if tag == "svg"]
    assert svg["viewbox"] == "0 0 80 70" and svg["preserveaspectratio"] == "none"
    wanted = {
        "#row-1": [[(10, 20), (50, 20), (50, 40), (10, 40)], [(20, 25), (30, 25), (30, 35), (20, 35)]],
        "#row-2": [
            [(60, 5), (62.2, 5), (62.2, 9), (60, 9)],  # to tenths
            [(70, 5), (72, 5), (72, 9), (70, 9)],
        ],
        "#row-3": [[(3, 60), (6, 60), (6, 66), (3, 66)]],
    }
    for address, path in drawn(page).items():
        assert [sorted(ring) for ring in rings(path)] == [sorted(ring) for ring in wanted[address]]


def test_the_picture_is_the_scene(page):
    shown = page.pictures["The scene"]
    assert shown.shape == (70, 80, 3)
    np.testing.assert_allclose(shown[30, 40], (200, 60, 40), atol=6)
    np.testing.assert_allclose(shown[60, 70], (40, 90, 60), atol=6)


def test_the_path_covers_in_a_drawing_what_is_red_in_the_picture(page):
    """But for the hole: rings that are filled by the rule of even and odd."""
    canvas = np.zeros((70, 80), np.uint8)
    cv2.fillPoly(canvas, [np.array(ring).astype(np.int32) for ring in rings(drawn(page)["#row-1"])], 1)
    red = page.pictures["The scene"][..., 0] > 120
    assert (canvas[28:32, 22:28] == 0).all() and (red & (canvas == 1)).sum() > 0.8 * (red.sum() - 100)
    assert (canvas.astype(bool) & ~red).sum() < 70  # the pixels along two sides, which the drawing includes


def test_what_is_said_and_noted_stands_at_the_top(page):
    for said in ("scene.tif", "320 × 280 pixels", "Only for research."):
        assert said in page.sections[""]


def test_a_scene_that_lies_nowhere_has_no_places_and_areas_in_pixels():
    page = Page(text([outline(1, RING, 812.0, (None, None))], unit="pixels"))
    (rows,) = page.tables.values()
    assert rows[0][1] == "area, pixels" and rows[1] == ["1", "812", "0.90", "0.99", ""]


def test_a_scene_without_landslides_says_so():
    page = Page(text([]))
    assert "None." in page.sections["Landslides"] and not page.tables and drawn(page) == {}
    assert page.pictures.keys() == {"The scene"}


def test_of_very_many_outlines_the_largest_are_shown():
    many = [outline(number, at(1, 1, 2, 2), float(number)) for number in range(1, SHOWN + 4)]
    page = Page(text(many))
    assert f"The {SHOWN} largest of {SHOWN + 3} are shown here; all are in the GeoPackage." in page.sections[""]
    assert len(drawn(page)) == SHOWN and "#row-3" not in drawn(page) and "#row-4" in drawn(page)
    (rows,) = page.tables.values()
    assert len(rows) == SHOWN + 1 and "largest of" not in text()


def test_what_files_are_called_is_text_and_never_markup():
    page = Page(text(title=ATTACK, notes=[ATTACK], unit=ATTACK, said=[(ATTACK, ATTACK)]))
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.sections[""].count(ATTACK) >= 3
    (rows,) = page.tables.values()
    assert rows[0][1] == f"area, {ATTACK}"
