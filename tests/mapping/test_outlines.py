"""Outlines of class rasters made by hand: shapes, areas by formulas, probabilities by NumPy, files in geopandas."""

import json
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import Transformer
from rasterio.transform import from_origin

from keras_landslide.mapping import outlines as module
from keras_landslide.mapping.outlines import Outline, outlines
from keras_landslide.mapping.raster import Grid, open_scene
from keras_landslide.mapping.rasters import CLASSES, PROBABILITY, Sheet
from keras_landslide.mapping.vectors import GEOJSON, write_layer
from tests.mapping.test_raster import ACROSS, ALONG, AXIS, LATITUDE, MERCATOR_NORTH
from tests.scenes import MERCATOR, PLACE, UTM, noise, write_scene


@pytest.fixture
def outlined(tmp_path):
    """A function from a class raster and where it lies to its outlines; unless they are given, probabilities are 1."""

    def find(
        classes: np.ndarray,
        probability: np.ndarray | None = None,
        *,
        least_area: float = 0,
        tolerance: float = 0,
        grid: Grid | None = None,
        **where,
    ) -> list[Outline]:
        levels = np.where(classes == 255, 255, 254 if probability is None else probability).astype(np.uint8)
        tiles = {"nodata": 255, "tiled": True, "blockxsize": 16, "blockysize": 16}
        path = write_scene(tmp_path / CLASSES, classes.astype(np.uint8), **tiles, **where)
        write_scene(tmp_path / PROBABILITY, levels, **tiles, **where)
        scene = open_scene(path)
        here = Grid(scene.width, scene.height, scene.width, scene.height)
        return outlines(tmp_path, Sheet(scene, here, True), least_area=least_area, tolerance=tolerance)

    return find


def raster(*rectangles: tuple[slice, slice], height: int = 90, width: int = 80) -> np.ndarray:
    """Landslide in these rows and columns."""
    classes = np.zeros((height, width), np.uint8)
    for rectangle in rectangles:
        classes[rectangle] = 1
    return classes


def on_the_map(left: float, top: float, right: float, bottom: float, transform: Affine = PLACE) -> shapely.Polygon:
    """A rectangle of pixels."""
    return shapely.Polygon(
        [transform @ corner for corner in ((left, top), (right, top), (right, bottom), (left, bottom))]
    )


def same(found: shapely.Geometry, wanted: shapely.Geometry) -> bool:
    """Equal to a thousandth of the area."""
    return found.symmetric_difference(wanted).area < 1e-3 * wanted.area


def test_a_hole_stays_a_hole(outlined):
    classes = raster((slice(10, 40), slice(20, 70)))
    classes[15:20, 30:40] = 0
    classes[30:33, 50:52] = 255  # and where nothing is known, neither is a landslide
    (found,) = outlined(classes)
    wanted = on_the_map(20, 10, 70, 40) - on_the_map(30, 15, 40, 20) - on_the_map(50, 30, 52, 33)
    assert same(found.geometry, wanted) and len(found.geometry.interiors) == 2


def test_nothing_is_cut_where_blocks_of_the_raster_meet(outlined):
    classes = raster((slice(2, 88), slice(14, 18)), (slice(40, 44), slice(3, 77)))
    (found,) = outlined(classes)
    assert same(found.geometry, on_the_map(14, 2, 18, 88) | on_the_map(3, 40, 77, 44))


def test_pixels_that_touch_at_a_corner_alone_are_two_landslides_and_the_upper_is_the_first(outlined):
    upper, lower = outlined(raster((slice(10, 20), slice(40, 50)), (slice(20, 25), slice(50, 60))))
    assert (upper.number, lower.number) == (1, 2)
    assert same(upper.geometry, on_the_map(40, 10, 50, 20)) and same(lower.geometry, on_the_map(50, 20, 60, 25))


def test_a_raster_without_landslide_has_no_outlines(outlined):
    assert outlined(raster()) == [] and outlined(np.full((20, 20), 255)) == []


@pytest.mark.parametrize(
    ("crs", "transform", "scale"),
    [
        (UTM, from_origin(499_960, 3_320_000, 0.8, 0.8), 1 / 0.9996**2),
        # on the map a third larger than on the ground: 1 / cos² 30°
        (
            MERCATOR,
            from_origin(11_700_000, MERCATOR_NORTH + 40, 0.8, 0.8),
            np.cos(LATITUDE) ** 2 * ACROSS * ALONG / AXIS**2,
        ),
        (UTM, from_origin(499_960, 3_320_000, 0.8, 0.8) @ Affine.rotation(25), 1 / 0.9996**2),
        (UTM, Affine(0.8, 0, 499_960, 0, 0.8, 3_320_000), 1 / 0.9996**2),
    ],
    ids=["UTM", "Mercator", "turned", "south up"],
)
def test_the_area_is_that_on_the_ground(outlined, crs, transform, scale):
    (found,) = outlined(
        raster((slice(0, 100), slice(0, 100)), height=110, width=110), crs=crs, transform=transform, tolerance=1
    )
    assert found.geometry.area == pytest.approx(6400)
    assert found.area == pytest.approx(6400 * scale, rel=1e-4)


def test_the_area_of_degrees_is_in_square_metres_too(outlined):
    place = from_origin(105, 30 + 5e-4, 1e-5, 1e-5)
    (found,) = outlined(raster((slice(0, 100), slice(0, 80)), height=100), crs="EPSG:4326", transform=place)
    wanted = 8000 * np.radians(1e-5) ** 2 * np.cos(LATITUDE) * ACROSS * ALONG
    assert found.area == pytest.approx(wanted, rel=1e-4)


def test_a_raster_that_lies_nowhere_has_areas_in_pixels(outlined):
    (found,) = outlined(raster((slice(3, 13), slice(5, 9))), crs=None, transform=Affine.identity())
    assert found.area == 40 and (found.longitude, found.latitude) == (None, None)
    assert same(found.geometry, shapely.box(5, 3, 9, 13))


def test_outlines_smaller_than_the_least_area_are_left_out(outlined):
    """By their area on the ground, before they are simplified; one that is just as large stays."""
    classes = raster((slice(0, 4), slice(0, 5)), (slice(10, 13), slice(0, 7)), (slice(20, 22), slice(0, 11)))
    areas = [outline.area for outline in outlined(classes)]
    np.testing.assert_allclose(areas, np.array([20, 21, 22]) * 0.64 / 0.9996**2, rtol=1e-4)
    kept = outlined(classes, least_area=areas[1], tolerance=3)
    assert [outline.area for outline in kept] == areas[1:] and [outline.number for outline in kept] == [1, 2]


@pytest.mark.parametrize("tolerance", [0.5, 1, 3])
def test_a_simplified_outline_stays_within_its_tolerance(outlined, tolerance):
    y, x = np.mgrid[:90, :80] + 0.5
    classes = ((y - 45) ** 2 / 38**2 + (x - 38) ** 2 / 25**2 < 1) & ((y - 50) ** 2 + (x - 40) ** 2 > 64)
    (exact,), (simple,) = outlined(classes), outlined(classes, tolerance=tolerance)
    rings = [[one.geometry.exterior, *one.geometry.interiors] for one in (exact, simple)]
    for one, other in zip(*rings, strict=True):
        assert shapely.hausdorff_distance(one, other, densify=0.01) <= 0.8 * tolerance + 1e-6
        assert len(other.coords) < len(one.coords)
    assert simple.geometry.is_valid and simple.area == exact.area


def test_probabilities_are_the_mean_and_the_largest_of_the_pixels_inside(outlined, monkeypatch):
    monkeypatch.setattr(module, "STRIP", 7)  # so that a landslide is looked at in several parts
    classes = raster((slice(10, 60), slice(20, 70)), (slice(70, 80), slice(0, 9)))
    classes[25:40, 30:50] = 0  # in whose hole lies another
    classes[30:35, 35:42] = 1
    levels = noise(90, 80, 1)[..., 0] % 255
    levels[26, 31] = levels[30, 44] = 254  # in the hole, where it does not count
    ring = classes.astype(bool)
    ring[30:35, 35:42] = ring[70:] = False
    levels[ring] = np.minimum(levels[ring], 240)
    shown = outlined(classes, levels)
    others = [raster(rectangle) > 0 for rectangle in ((slice(30, 35), slice(35, 42)), (slice(70, 80), slice(0, 9)))]
    for found, inside in zip(shown, (ring, *others), strict=True):
        assert found.mean_probability == pytest.approx(levels[inside].mean() / 254)
        assert found.largest_probability == pytest.approx(levels[inside].max() / 254)


def test_the_centroid_is_in_degrees(outlined):
    (found,) = outlined(raster((slice(10, 40), slice(20, 70))))
    x, y = PLACE @ (45, 25)
    wanted = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True).transform(x, y)
    assert (found.longitude, found.latitude) == pytest.approx(wanted, abs=1e-9)


def test_results_on_the_pixels_of_the_network_have_the_same_outlines_on_the_ground(tmp_path):
    """A raster of half as many pixels a side over the same ground."""
    scene = open_scene(write_scene(tmp_path / "scene.tif", noise(90, 80)))
    sheet = Sheet(scene, Grid(40, 45, 80, 90), False)
    for name in (CLASSES, PROBABILITY):
        half = raster((slice(5, 20), slice(10, 35)), height=45, width=40)
        write_scene(tmp_path / name, half, nodata=255, transform=PLACE @ Affine.scale(2))
    (found,) = outlines(tmp_path, sheet, least_area=0, tolerance=0)
    assert same(found.geometry, on_the_map(20, 10, 70, 40))
    assert found.area == pytest.approx(30 * 50 * 0.64 / 0.9996**2, rel=1e-4)


@pytest.fixture
def written(outlined, tmp_path) -> tuple[Path, list[Outline]]:
    """A ring and a bar as a GeoPackage and as GeoJSON."""
    classes = raster((slice(10, 40), slice(20, 70)), (slice(60, 80), slice(3, 9)))
    classes[15:20, 30:40] = 0
    found = outlined(classes)
    geometries = [one.geometry for one in found]
    fields = {"id": [one.number for one in found], "area_m2": [one.area for one in found]}
    write_layer(tmp_path / "outlines.gpkg", "landslides", geometries, fields, UTM)
    write_layer(tmp_path / "outlines.geojson", "landslides", geometries, fields, UTM, GEOJSON)
    return tmp_path, found


def test_the_geopackage_has_the_crs_of_the_scene_in_geopandas(written):
    folder, found = written
    table = geopandas.read_file(folder / "outlines.gpkg", layer="landslides")
    assert table.crs == UTM and list(table["id"]) == [1, 2] and table.is_valid.all()
    assert all(same(one, other.geometry) for one, other in zip(table.geometry, found, strict=True))
    np.testing.assert_allclose(table["area_m2"], [one.area for one in found])


def test_geojson_is_in_degrees_and_winds_as_its_standard_wants(written):
    folder, found = written
    table = geopandas.read_file(folder / "outlines.geojson")
    assert table.crs == "EPSG:4326" and table.is_valid.all() and list(table["id"]) == [1, 2]
    back = table.to_crs(UTM)
    assert all(same(one, other.geometry) for one, other in zip(back.geometry, found, strict=True))
    content = json.loads((folder / "outlines.geojson").read_text())
    assert content["type"] == "FeatureCollection" and "crs" not in content
    outside, hole = (shapely.LinearRing(ring) for ring in content["features"][0]["geometry"]["coordinates"])
    assert outside.is_ccw and not hole.is_ccw
