"""Outlines survive a file, lie where they should in another CRS, and have the area that they have on the ground."""

import math
import sqlite3
import struct
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import pytest
import shapely
from shapely import Point, Polygon, box

from keras_landslide.errors import LandslideError
from keras_landslide.mapping.vectors import (
    geodesic_area,
    made_valid,
    points_inside,
    read_outlines,
    transformed,
    write_layer,
)

UTM = "EPSG:32633"  # its middle line is 15° east, shown at x = 500 km
MERCATOR, DEGREES = "EPSG:3857", "EPSG:4326"
CROSSED = Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])  # two triangles of area 1


def written(path: Path, **more) -> Path:
    """A file of two outlines in `UTM`, but for what is said."""
    content = {"layer": "landslides", "geometries": [box(0, 0, 1, 1), box(5, 5, 9, 9)], "crs": UTM, "fields": {}}
    write_layer(path, **(content | more))
    return path


def test_what_is_written_is_what_other_programs_read(tmp_path):
    ring = box(0, 0, 9, 9) - box(2, 2, 3, 3)
    pair = box(20, 0, 21, 1) | box(30, 0, 31, 1)
    fields = {
        "id": [7, 8],
        "scene": ["a", None],
        "name": ["short", "and longer"],
        "mean_probability": [0.5, float("nan")],
    }
    path = written(tmp_path / "out.gpkg", geometries=[ring, pair], fields=fields)
    assert [path.name for path in tmp_path.iterdir()] == ["out.gpkg"]
    assert pyogrio.list_layers(path).tolist() == [["landslides", "MultiPolygon"]]
    table = geopandas.read_file(path, layer="landslides")
    assert table.crs.to_epsg() == 32633
    assert all(table.geometry.geom_equals(geopandas.GeoSeries([ring, pair], crs=UTM)))
    assert table["id"].tolist() == [7, 8] and table["id"].dtype.kind == "i"
    assert table["name"].tolist() == ["short", "and longer"]
    assert table["scene"][0] == "a" and table["scene"].isna()[1]
    assert table["mean_probability"][0] == 0.5 and table["mean_probability"].isna()[1]

    outlines = read_outlines(path)
    assert shapely.equals(outlines.geometries, [ring, pair]).all()
    assert (outlines.ids.tolist(), outlines.crs) == (["7", "8"], UTM)
    assert outlines.fields["scene"].tolist() == ["a", None]


def test_what_other_programs_wrote_is_read(tmp_path):
    """Heights, rows without an outline, outlines that cross themselves, a CRS that has no number."""
    line = Polygon([(0, 0), (1, 0), (0, 0)])
    shapes = [shapely.force_3d(box(0, 0, 1, 1), 9), None, Polygon(), CROSSED, line, Point()]
    crs = "+proj=laea +lat_0=27 +lon_0=105 +ellps=WGS84"
    table = geopandas.GeoDataFrame({"name": list("abcdef")}, geometry=shapes, crs=crs)
    table.to_file(tmp_path / "drawn.gpkg", layer="inventory")
    outlines = read_outlines(tmp_path / "drawn.gpkg")
    assert outlines.fields["name"].tolist() == ["a", "d"]
    assert outlines.ids.tolist() == ["1", "4"]  # the GeoPackage's own numbers
    assert not shapely.has_z(outlines.geometries).any() and shapely.is_valid(outlines.geometries).all()
    assert shapely.area(outlines.geometries).tolist() == [1, 2]
    assert geopandas.GeoSeries([], crs=outlines.crs).crs.equals(table.crs)


@pytest.mark.parametrize("ids", [[7, 7], [7, None]], ids=["twice", "missing"])
def test_ids_that_do_not_name_each_outline_once_are_not_used(ids, tmp_path):
    path = written(tmp_path / "out.gpkg", fields={"id": np.array(ids, float)})
    assert read_outlines(path).ids.tolist() == ["1", "2"]


def test_a_file_may_have_no_outline(tmp_path):
    path = written(tmp_path / "out.gpkg", geometries=[], fields={"id": np.array([], int)})
    outlines = read_outlines(path)
    assert (len(outlines.geometries), len(outlines.ids), outlines.crs) == (0, 0, UTM)
    assert outlines.fields["id"].dtype.kind == "i"


def test_without_a_georeference_there_is_no_crs(tmp_path):
    path = written(tmp_path / "out.gpkg", crs=None)
    assert read_outlines(path).crs is None
    with closing(sqlite3.connect(path)) as file:  # -1 is what the standard has for plain coordinates
        file.execute("UPDATE gpkg_geometry_columns SET srs_id = -1")
        file.commit()
    assert "Undefined" in pyogrio.read_info(path)["crs"]
    assert read_outlines(path).crs is None


def test_which_layer_is_read(tmp_path):
    path = tmp_path / "many.gpkg"
    tables = {
        "points": [Point(0, 0)], "one": [box(0, 0, 1, 1)], "other": [box(0, 0, 2, 2)], "landslides": [box(0, 0, 3, 3)]
    }  # fmt: skip
    messages = {"points": "has no layer of polygons", "other": "several layers of polygons (one, other)"}
    for layer, shapes in tables.items():
        geopandas.GeoDataFrame(geometry=shapes, crs=UTM).to_file(path, layer=layer, mode="a" if path.exists() else "w")
        if layer in messages:
            with pytest.raises(LandslideError, match=r"many\.gpkg: ") as mistake:
                read_outlines(path)
            assert messages[layer] in str(mistake.value)
        else:
            assert shapely.area(read_outlines(path).geometries) == {"one": 1, "landslides": 9}[layer]


def test_files_that_cannot_be_used(tmp_path):
    good = written(tmp_path / "good.gpkg").read_bytes()
    bad = {"text": b"hello", "empty": b"", "short": good[: len(good) // 3], "spoilt": good[:100] + bytes(len(good))}
    for name, content in bad.items():
        path = tmp_path / f"{name}.gpkg"
        path.write_bytes(content)
        with pytest.raises(LandslideError, match=rf"{name}\.gpkg: .*(is no GeoPackage|is damaged)") as mistake:
            read_outlines(path)
        assert "\n" not in str(mistake.value)
        assert ("is damaged" in str(mistake.value)) == (name in ("short", "spoilt"))
    for path in (tmp_path / "nowhere.gpkg", tmp_path):
        with pytest.raises(LandslideError, match="no such file"):
            read_outlines(path)
    mixed = geopandas.GeoDataFrame(geometry=[box(0, 0, 1, 1), Point(0, 0)], crs=UTM)
    mixed.to_file(tmp_path / "mixed.gpkg", layer="mixed")
    with pytest.raises(LandslideError, match="has a Point in layer mixed, where polygons are needed"):
        read_outlines(tmp_path / "mixed.gpkg")


def test_writing_that_fails_leaves_what_was_there(tmp_path):
    path = written(tmp_path / "out.gpkg")
    with pytest.raises(OSError, match=r"out\.gpkg: writing failed"):
        written(path, geometries=[box(0, 0, 5, 5)], crs="nowhere")
    assert shapely.area(read_outlines(path).geometries).tolist() == [1, 16]
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(LandslideError, match="cannot be written"):
        written(path / "below_a_file.gpkg")


@pytest.mark.skipif(sys.platform == "win32", reason="limits on files are POSIX")
def test_a_disk_that_is_full_leaves_nothing(tmp_path):
    """A limit on the size of files stands for the disk: what is written ends in the middle."""
    code = (
        "import resource, signal, sys, shapely\n"
        "from keras_landslide.errors import exit_code\n"
        "from keras_landslide.mapping.vectors import write_layer\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))\n"
        "circles = [shapely.Point(9 * place, 0).buffer(3) for place in range(2000)]\n"
        "sys.exit(exit_code(lambda: write_layer(sys.argv[1], 'landslides', circles, {}, 'EPSG:32633')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "out.gpkg"], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "out.gpkg: writing failed" in done.stderr and len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_what_is_left_of_outlines_that_are_made_valid():
    with_a_spike = Polygon([(0, 0), (2, 0), (2, 2), (1, 2), (1, 4), (1, 2), (0, 2)])
    line = Polygon([(0, 0), (1, 0), (0, 0)])
    whole = box(0, 0, 1, 1)
    valid = made_valid([CROSSED, with_a_spike, line, whole])
    assert shapely.is_valid(valid).all()
    assert shapely.area(valid).tolist() == [2, 4, 0, 1]
    assert {shape.geom_type for shape in valid} == {"Polygon", "MultiPolygon"}
    assert made_valid([]).shape == (0,)


def rectangle_area(west: float, south: float, east: float, north: float) -> float:
    """m² between two meridians and two parallels of the WGS84 ellipsoid, by the closed formula; degrees."""
    a, f = 6378137.0, 1 / 298.257223563
    e = math.sqrt(f * (2 - f))

    def below(latitude: float) -> float:
        """Of one radian of longitude, from the equator."""
        sine = math.sin(math.radians(latitude))
        return a**2 * (1 - e**2) / 2 * (sine / (1 - (e * sine) ** 2) + math.atanh(e * sine) / e)

    return math.radians(east - west) * (below(north) - below(south))


def rectangle(west: float, south: float, east: float, north: float) -> Polygon:
    """The same as a polygon in degrees; parallels are cut short enough to be straight."""
    return shapely.segmentize(box(west, south, east, north), 0.002)


def test_the_formula_gives_the_whole_earth():
    assert rectangle_area(-180, -90, 180, 90) == pytest.approx(510_065_621_724_000, rel=1e-9)  # as tables have it


def test_web_mercator_is_off_by_a_third_at_30_degrees_and_the_area_is_not():
    """The same kilometre in degrees, in Web Mercator and in UTM."""
    corners = (15, 30, 15.01, 30.009)
    truth = rectangle_area(*corners)
    square = rectangle(*corners)
    (mercator,), (utm,) = (transformed([square], DEGREES, crs) for crs in (MERCATOR, UTM))
    assert mercator.area / truth == pytest.approx(1 / math.cos(math.radians(30)) ** 2, rel=0.01)
    for shape, crs in ((square, DEGREES), (mercator, MERCATOR), (utm, UTM)):
        assert geodesic_area([shape], crs)[0] == pytest.approx(truth, rel=1e-7), crs
    assert utm.area == pytest.approx(0.9996**2 * truth, rel=1e-5)


def test_holes_parts_and_directions_of_outlines():
    corners, hole = (15, 60, 15.02, 60.01), (15.005, 60.002, 15.01, 60.006)
    other = (15.03, 60, 15.04, 60.01)
    ring = Polygon(rectangle(*corners).exterior.coords, [rectangle(*hole).exterior.coords])
    pair = shapely.MultiPolygon([ring, rectangle(*other)])
    whole, gap, more = (rectangle_area(*each) for each in (corners, hole, other))
    wanted = [whole - gap, whole - gap + more, 0, more]
    found = [ring, pair, Polygon(), rectangle(*other)]
    for shapes in (found, [shapely.reverse(shape) for shape in found]):
        assert geodesic_area(shapes, DEGREES) == pytest.approx(wanted, rel=1e-7)
    assert geodesic_area([], DEGREES).shape == (0,)


def test_an_outline_across_the_180th_meridian():
    truth = rectangle_area(179.99, -17.01, 180.01, -17)
    pacific = "EPSG:3832"  # its middle line is 150° east
    (shape,) = transformed([rectangle(179.99, -17.01, 180.01, -17)], DEGREES, pacific)
    assert shape.is_valid and shape.bounds[2] - shape.bounds[0] < 3000
    assert geodesic_area([shape], pacific)[0] == pytest.approx(truth, rel=1e-7)
    with pytest.raises(LandslideError, match="cross the 180th meridian, where WGS 84 is torn"):
        transformed([shape], pacific, DEGREES)
    cut = shapely.MultiPolygon([box(179.99, -17, 180, -16.99), box(-180, -17, -179.99, -16.99)])
    assert transformed([cut], "EPSG:4258", DEGREES)[0].equals(cut)  # its halves are whole


def test_without_a_crs_areas_are_square_pixels_and_places_pixels():
    ring = box(0, 0, 9, 9) - box(1, 1, 9, 8)
    assert geodesic_area([ring, box(0, 0, 2, 2)], None).tolist() == [25, 4]
    (point,) = points_inside([ring], None)
    assert ring.contains(Point(point))


def test_points_are_inside_and_in_degrees():
    """UTM's corner is known: 15° east on the equator is (500 000, 0)."""
    square = box(499_999, -1, 500_001, 1)
    beside = shapely.affinity.translate(square, 100_000)
    arc = Point(500_000, 5_000_000).buffer(9000) - Point(500_000, 5_000_000).buffer(8000)
    points = points_inside([square, beside, arc], UTM)
    assert points[0] == pytest.approx([15, 0], abs=1e-6)
    assert points[1][0] > 15.8
    (back,) = geopandas.GeoSeries([Point(points[2])], crs=DEGREES).to_crs(UTM)
    assert arc.contains(back)
    assert points_inside([], UTM).shape == (0, 2)


def test_another_crs_is_as_geopandas_has_it():
    shapes = [box(400_000, 3_000_000, 400_900, 3_000_500), Point(600_000, 5_000_000).buffer(700)]
    for crs in (DEGREES, MERCATOR, "EPSG:32634", "EPSG:3035"):
        other = geopandas.GeoSeries(shapes, crs=UTM).to_crs(crs)
        assert shapely.equals_exact(transformed(shapes, UTM, crs), other.to_numpy(), 1e-7).all()
    assert (
        transformed(shapes, UTM, "+proj=utm +zone=33 +datum=WGS84 +type=crs").tolist() == shapes
    )  # the same, untouched


def test_an_outline_that_crosses_itself_in_another_crs_is_made_valid_there():
    """A notch comes down to just above the 60th parallel, which is a straight edge in degrees and bows in a map."""
    shape = Polygon([(0, 60), (60, 60), (60, 70), (40, 70), (30, 60.01), (20, 70), (0, 70)])
    europe = "EPSG:3035"
    assert shape.is_valid and not geopandas.GeoSeries([shape], crs=DEGREES).to_crs(europe).is_valid[0]
    (moved,) = transformed([shape], DEGREES, europe)
    assert moved.is_valid and moved.geom_type == "MultiPolygon"


def test_outlines_that_have_no_place_in_the_other_crs():
    with pytest.raises(LandslideError, match="cannot be brought from EPSG:32633 to EPSG:4326"):
        transformed([box(1e9, 1e9, 2e9, 2e9)], UTM, DEGREES)
    with pytest.raises(LandslideError, match="cannot be brought from IAU_2015:49900 to EPSG:4326"):  # on Mars
        geodesic_area([box(0, 0, 1, 1)], "IAU_2015:49900")


@pytest.mark.parametrize("corners", [[(0, 0), (9, 0), (9, 9), (0, 8)], [(0, 0), (9, 0)]], ids=["open", "two corners"])
def test_rings_that_are_none_are_told(tmp_path, corners):
    ring = struct.pack("<BIII", 1, 3, 1, len(corners)) + struct.pack(f"<{2 * len(corners)}d", *np.ravel(corners))
    path = tmp_path / "broken.gpkg"
    how = {"layer": "landslides", "crs": UTM, "geometry_type": "Polygon"}
    pyogrio.raw.write(path, np.array([ring], object), [], [], driver="GPKG", **how)
    with pytest.raises(LandslideError, match=r"broken\.gpkg: is damaged or cannot be read \("):
        read_outlines(path)
