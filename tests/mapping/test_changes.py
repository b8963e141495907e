"""What became of landslides: each word by its definition, areas by another program, files by what they hold."""

import csv
import sys
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
from shapely import box

from keras_landslide.cli import main
from keras_landslide.mapping import changes as module
from keras_landslide.mapping.changes import compared
from keras_landslide.mapping.vectors import LAYER, Outlines, write_layer
from keras_landslide.settings import STATES

UTM, DEGREES, MERCATOR = "EPSG:32633", "EPSG:4326", "EPSG:3857"
EQUAL_AREA = "EPSG:6933"  # shows areas of the WGS84 ellipsoid as they are
X, Y = 500_000, 3_320_000  # in UTM: 15° east, where lengths are shown at 0.9996, and almost exactly 30° north
TRUE = 1 / 0.9996**2


def outlines(*shapes, crs=None) -> Outlines:
    """Numbered from 1."""
    geometries = np.empty(len(shapes), object)
    geometries[:] = shapes
    return Outlines(geometries, np.array([str(number + 1) for number in range(len(shapes))], object), {}, crs)


def wide(width: float, left: float = 0) -> shapely.Polygon:
    """Of area `width`."""
    return box(left, 0, left + width, 1)


def became(earlier, later, **how) -> list[tuple]:
    """State, ids before and after, area before, after, gained and lost of each landslide."""
    found = compared(outlines(*earlier), outlines(*later), **how)
    areas = np.round([found.before, found.after, found.gained, found.lost], 9).tolist()
    ids = ["".join(one) for one in found.ids_before], ["".join(one) for one in found.ids_after]
    return list(zip(found.states, *ids, *areas, strict=True))


@pytest.mark.parametrize(
    ("later", "wanted"),
    [
        ([wide(100)], [("unchanged", "1", "1", 100, 100, 0, 0)]),
        ([wide(109)], [("unchanged", "1", "1", 100, 109, 9, 0)]),
        ([wide(111)], [("grown", "1", "1", 100, 111, 11, 0)]),
        ([wide(91)], [("unchanged", "1", "1", 100, 91, 0, 9)]),
        ([wide(89)], [("shrunk", "1", "1", 100, 89, 0, 11)]),
        ([wide(100, 33)], [("unchanged", "1", "1", 100, 100, 33, 33)]),  # 67 of 133
        ([wide(100, 34)], [("shifted", "1", "1", 100, 100, 34, 34)]),  # 66 of 134
        ([wide(120, 60)], [("grown", "1", "1", 100, 120, 80, 60)]),
        ([wide(80, 60)], [("shrunk", "1", "1", 100, 80, 40, 60)]),
        ([wide(100, 89)], [("shifted", "1", "1", 100, 100, 89, 89)]),  # 11 of 100
        ([wide(100, 91)], [("new", "", "1", 0, 100, 100, 0), ("gone", "1", "", 100, 0, 0, 100)]),  # 9 of 100
        ([wide(20, 97)], [("shrunk", "1", "1", 100, 20, 17, 97)]),  # 3 of 100, but 3 of 20
        ([wide(1000, 89)], [("grown", "1", "1", 100, 1000, 989, 89)]),
        ([wide(100, 100)], [("new", "", "1", 0, 100, 100, 0), ("gone", "1", "", 100, 0, 0, 100)]),  # touches
        ([], [("gone", "1", "", 100, 0, 0, 100)]),
    ],
)
def test_each_word(later, wanted):
    assert became([wide(100)], later) == wanted
    assert {line[0] for line in wanted} <= set(STATES)


def test_the_shares_are_those_that_are_given():
    assert became([wide(100)], [wide(124)], growth=0.25)[0][0] == "unchanged"
    assert became([wide(100)], [wide(126)], growth=0.25)[0][0] == "grown"
    assert became([wide(100)], [wide(76)], growth=0.25)[0][0] == "unchanged"
    assert became([wide(100)], [wide(74)], growth=0.25)[0][0] == "shrunk"
    assert [line[0] for line in became([wide(100)], [wide(100, 91)], overlap=0.08)] == ["shifted"]
    assert [line[0] for line in became([wide(100)], [wide(100, 66)], overlap=0.35)] == ["new", "gone"]


def test_outlines_that_merge_or_are_split_are_one_landslide():
    pair, whole = [wide(40), wide(40, 60)], [wide(100)]
    assert became(pair, whole) == [("grown", "12", "1", 80, 100, 20, 0)]
    assert became(whole, pair) == [("shrunk", "1", "12", 100, 80, 0, 20)]
    merged, split = (compared(outlines(*one), outlines(*other)) for one, other in ((pair, whole), (whole, pair)))
    assert (merged.merged, merged.split, split.merged, split.split) == (1, 0, 0, 1)
    assert split.geometries[0].equals(pair[0] | pair[1])
    # from one to the next: 1 – 1 – 2 – 2, and another beside them
    chain = became([wide(50), wide(50, 60), wide(9, 300)], [wide(60, 20), wide(40, 85), wide(9, 300)])
    assert chain == [("unchanged", "12", "12", 100, 100, 25, 25), ("unchanged", "3", "3", 9, 9, 0, 0)]


def test_ground_under_two_outlines_of_a_date_counts_once():
    assert became([wide(50), wide(50, 20)], [wide(60), wide(60, 40)]) == [("grown", "12", "12", 70, 100, 30, 0)]


def test_the_order_is_that_of_the_words_and_large_ones_come_first():
    earlier = [wide(10), wide(30, 50), wide(20, 100), wide(40, 200), wide(10, 300), wide(10, 400)]
    later = [wide(10), wide(30, 50), wide(25, 100), wide(20, 200), wide(10, 305), wide(60, 500), wide(70, 600)]
    found = [(state, max(areas)) for state, _, _, *areas in became(earlier, later)]
    sizes = [("new", 70), ("new", 60), ("grown", 25), ("shrunk", 40), ("shifted", 10), ("unchanged", 30)]
    assert found == [*sizes, ("unchanged", 10), ("gone", 10)]
    assert list(dict.fromkeys(state for state, _ in found)) == list(STATES)


def scattered(seed: int) -> list[shapely.Polygon]:
    """Up to 150 rectangles in UTM that do not touch each other."""
    random = np.random.default_rng(seed)
    made = []
    for row, column in np.ndindex(10, 15):
        if random.random() < 0.7:
            left, below, width, height = random.uniform([0, 0, 30, 30], [60, 60, 139, 139])
            left, below = X + 200 * column + left, Y + 200 * row + below
            made.append(box(left, below, left + width, below + height))
    return made


def test_geopandas_agrees_on_landslides_and_areas():
    """Its overlay gives the pieces; what is one landslide is one part of all outlines in one."""
    earlier, later = scattered(1), scattered(2)
    later = [shapely.affinity.translate(shape, 90, 90) for shape in later]  # so that some reach over two earlier ones
    found = compared(outlines(*earlier, crs=UTM), outlines(*later, crs=UTM), overlap=1e-12)
    assert {1, 2, 3} <= {len(ids) for ids in (*found.ids_before, *found.ids_after)}
    assert sorted(int(one) for ids in found.ids_before for one in ids) == list(range(1, len(earlier) + 1))
    assert sorted(int(one) for ids in found.ids_after for one in ids) == list(range(1, len(later) + 1))

    before, after = (geopandas.GeoDataFrame(geometry=shapes, crs=UTM) for shapes in (earlier, later))
    both = pd.concat([before, after])
    landslides = geopandas.GeoDataFrame(geometry=[both.union_all()], crs=UTM).explode()
    landslides["landslide"] = range(len(landslides))
    pieces = geopandas.overlay(before.assign(was=1), after.assign(now=1), how="union")
    pieces["ground"] = pieces.to_crs(EQUAL_AREA).area
    pieces["geometry"] = pieces.representative_point()
    pieces = pieces.sjoin(landslides.reset_index(drop=True), predicate="within")
    parts = {"before": pieces.was.notna(), "after": pieces.now.notna()}
    parts |= {"gained": pieces.was.isna(), "lost": pieces.now.isna()}
    wanted = np.array(
        [pieces["ground"].where(here, 0).groupby(pieces.landslide).sum().to_numpy() for here in parts.values()]
    ).T
    areas = np.column_stack([found.before, found.after, found.gained, found.lost])
    assert len(areas) == len(landslides)
    in_order = [table[np.lexsort(np.round(table, 1).T)] for table in (areas, wanted)]
    np.testing.assert_allclose(*in_order, rtol=1e-6, atol=0.01)
    assert {"new", "grown", "shrunk", "gone"} <= set(found.states)


def test_the_other_way_round_what_is_new_is_gone():
    earlier, later = (outlines(*scattered(seed), crs=UTM) for seed in (1, 2))
    there, back = compared(earlier, later), compared(later, earlier)
    assert there.totals()["new"][0] == back.totals()["gone"][0] > 0
    by_ids = {line[:2]: line[2:] for line in zip(back.ids_after, back.ids_before, back.gained, back.lost, strict=True)}
    for before, after, gained, lost in zip(there.ids_before, there.ids_after, there.gained, there.lost, strict=True):
        assert by_ids[before, after] == pytest.approx((lost, gained))


def test_areas_are_those_on_the_ground_in_any_crs():
    """A square of 100 m that becomes one of 200 m, in maps that show it a third too large or in degrees."""
    small, large = box(X, Y, X + 100, Y + 100), box(X, Y, X + 200, Y + 200)
    for crs_before, crs_after in ((UTM, UTM), (DEGREES, UTM), (MERCATOR, DEGREES), (UTM, MERCATOR)):
        earlier, later = (
            outlines(*geopandas.GeoSeries([shape], crs=UTM).to_crs(crs), crs=crs)
            for shape, crs in ((small, crs_before), (large, crs_after))
        )
        found = compared(earlier, later)
        assert found.crs == crs_after and found.states.tolist() == ["grown"]
        assert found.geometries[0].equals(later.geometries[0])
        areas = [found.before[0], found.after[0], found.gained[0]]
        assert areas == pytest.approx([1e4 * TRUE, 4e4 * TRUE, 3e4 * TRUE], rel=1e-6), (crs_before, crs_after)
        assert found.lost[0] == pytest.approx(0, abs=0.01)
    assert later.geometries[0].area == pytest.approx(4 / 3 * 4e4, rel=0.01)


# by command line


@pytest.fixture
def files(tmp_path) -> tuple[Path, Path]:
    """Of four squares of a hectare one grows by half, two merge, one goes; two others come."""
    earlier = [box(X + left, Y, X + left + 100, Y + 100) for left in (0, 300, 405, 700)]
    later = [(0, 150), (300, 210), (1000, 100), (1200, 100)]
    later = [box(X + left, Y, X + left + width, Y + 100) for left, width in later]
    before, after = tmp_path / "before.gpkg", tmp_path / "after.gpkg"
    write_layer(before, LAYER, earlier, {"id": [1, 2, 3, 4]}, UTM)
    write_layer(after, LAYER, later, {"id": [11, 12, 13, 14]}, UTM)
    return before, after


def compare(*arguments) -> int:
    return main(["compare", *map(str, arguments)])


def read_csv(folder: Path) -> list[dict]:
    with (folder / "changes.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_files_and_the_table_say_the_same(files, tmp_path, capsys):
    out = tmp_path / "out"
    assert compare(*files, "--out", out) == 0
    said = capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["changes.csv", "changes.gpkg"]
    lines = read_csv(out)
    assert [(line["state"], line["ids_before"], line["ids_after"]) for line in lines] == [
        ("new", "", "13"), ("new", "", "14"), ("grown", "1", "11"), ("unchanged", "2 3", "12"), ("gone", "4", "")
    ]  # fmt: skip
    areas = [[float(line[f"area_{name}_m2"]) for name in ("before", "after", "gained", "lost")] for line in lines]
    hectares = [[0, 1, 1, 0], [0, 1, 1, 0], [1, 1.5, 0.5, 0], [2, 2.1, 0.1, 0], [1, 0, 0, 1]]
    np.testing.assert_allclose(areas, 1e4 * TRUE * np.array(hectares), atol=0.1)

    table = geopandas.read_file(out / "changes.gpkg", layer="changes")
    assert table.crs.to_epsg() == 32633
    for line, (_, row) in zip(lines, table.iterrows(), strict=True):
        assert {name: row[name] for name in ("state", "ids_before", "ids_after")} == {
            name: line[name] for name in ("state", "ids_before", "ids_after")
        }
        for name in set(line) - {"state", "ids_before", "ids_after"}:
            assert float(line[name]) == pytest.approx(row[name], abs=0.06 if "area" in name else 1e-6), name
        (point,) = geopandas.GeoSeries.from_xy([row.longitude], [row.latitude], crs=DEGREES).to_crs(UTM)
        assert row.geometry.contains(point)
    lefts = [round(shape.bounds[0] - X) for shape in table.geometry]
    assert lefts == [1000, 1200, 0, 300, 700]  # the last of the earlier date
    totals = {line.split()[0]: line.split()[1:] for line in said.splitlines()[1:8]}
    assert totals["grown"] == ["1", "10,008", "15,012", "5,004", "0"]
    assert totals["shrunk"] == totals["shifted"] == ["0"] * 5
    assert totals["all"] == ["5", "40,032", "56,045", "26,021", "10,008"]
    assert "Areas in m²" in said and "more than 10 % of the earlier area" in said
    assert "several earlier outlines: 1; with several later ones: 0" in said


def test_the_options_reach_the_comparison(files, tmp_path, capsys):
    assert compare(*files, "--out", tmp_path / "out", "--growth", "0.6", "--overlap", "0.95") == 0
    assert "more than 60 % of" in capsys.readouterr().out
    assert [line["state"] for line in read_csv(tmp_path / "out")] == ["new", "new", "unchanged", "unchanged", "gone"]
    write_layer(files[1], LAYER, [box(X + 6, Y, X + 106, Y + 100)], {}, UTM)
    assert compare(*files, "--out", tmp_path / "moved", "--overlap", "0.95") == 0
    assert {line["state"] for line in read_csv(tmp_path / "moved")} == {"new", "gone"}
    assert "are they of the same ground?" in capsys.readouterr().out


def test_outlines_in_pixels(files, tmp_path, capsys):
    for path, width in zip(files, (10, 20), strict=True):
        write_layer(path, LAYER, [wide(width)], {}, None)
    assert compare(*files, "--out", tmp_path / "out") == 0
    assert "Areas in square units of the files (pixels, " in capsys.readouterr().out
    (line,) = read_csv(tmp_path / "out")
    assert (line["state"], line["area_before_units2"], line["area_gained_units2"]) == ("grown", "10.0", "10.0")
    assert (line["x"], line["y"]) == ("10.0", "0.5")
    assert geopandas.read_file(tmp_path / "out" / "changes.gpkg").crs is None


def test_a_date_without_landslides(files, tmp_path, capsys):
    before, after = files
    write_layer(before, LAYER, [], {"id": np.array([], int)}, UTM)
    assert compare(before, after, "--out", tmp_path / "new") == 0
    assert [line["state"] for line in read_csv(tmp_path / "new")] == ["new"] * 4
    assert compare(after, before, "--out", tmp_path / "gone") == 0
    assert [line["state"] for line in read_csv(tmp_path / "gone")] == ["gone"] * 4
    assert "same ground?" not in capsys.readouterr().out
    assert compare(before, before, "--out", tmp_path / "none") == 0
    assert read_csv(tmp_path / "none") == []
    assert len(geopandas.read_file(tmp_path / "none" / "changes.gpkg")) == 0


def test_mistakes_leave_nothing(files, fails, tmp_path):
    before, after = files
    out, text, points, plain = (tmp_path / name for name in ("out", "text.gpkg", "points.gpkg", "plain.gpkg"))
    text.write_text("hello")
    geopandas.GeoDataFrame(geometry=[shapely.Point(0, 0)], crs=UTM).to_file(points)
    write_layer(plain, LAYER, [wide(10)], {}, None)
    mistakes = {
        (before, tmp_path / "nowhere.gpkg"): "nowhere.gpkg: no such file",
        (text, after): "text.gpkg: is no GeoPackage",
        (points, after): "points.gpkg: has no layer of polygons",
        (before, plain): f"The earlier outlines have a CRS ({UTM}) and the later ones none",
        (plain, after): f"The later outlines have a CRS ({UTM}) and the earlier ones none",
    }
    for pair, message in mistakes.items():
        error = fails("compare", *pair, "--out", out)
        assert message in error and len(error.splitlines()) == 1
    for option in ("--growth", "--overlap"):
        for value in ("0", "1", "ten"):
            assert f"argument {option}: {value} is not possible" in fails(
                "compare", *files, "--out", out, option, value
            )
    assert not out.exists()


def test_only_what_was_made_so_is_replaced(files, fails, tmp_path):
    out = tmp_path / "out"
    assert compare(*files, "--out", out) == 0
    (out / "notes.txt").write_text("mine")
    made = (out / "changes.csv").read_text()
    assert f"{out / 'changes.csv'}: exists; add --overwrite" in fails("compare", *reversed(files), "--out", out)
    (out / "changes.csv").unlink()
    assert f"{out / 'changes.gpkg'}: exists; add --overwrite" in fails("compare", *reversed(files), "--out", out)
    assert compare(*reversed(files), "--out", out, "--overwrite") == 0
    assert (out / "changes.csv").read_text() not in ("", made)
    assert sorted(path.name for path in out.iterdir()) == ["changes.csv", "changes.gpkg", "notes.txt"]
    itself = out / "changes.gpkg"
    content = itself.read_bytes()
    for pair in ((itself, files[1]), (files[0], itself)):
        assert "is to be compared itself" in fails("compare", *pair, "--out", out, "--overwrite")
    assert itself.read_bytes() == content


def test_writing_that_fails_leaves_both_earlier_files(files, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    assert compare(*files, "--out", out) == 0
    made = {path.name: path.read_bytes() for path in out.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_layer", full)
    assert compare(*reversed(files), "--out", out, "--overwrite") == 1
    assert "No space left" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == made


def test_without_the_extra_one_sentence_says_how_to_install_it(files, fails, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    error = fails("compare", *files, "--out", tmp_path / "out")
    assert error == (
        'keras-landslide: Maps need pyogrio, not installed here; run: pip install "keras-landslide[geo]"\n'
    )
    assert not (tmp_path / "out").exists()


def test_help_says_what_each_word_means(capsys, monkeypatch):
    assert main(["compare", "--help"]) == 0
    text = capsys.readouterr().out
    for state, meaning in STATES.items():
        assert f"  {state:10} {meaning}\n" in text
