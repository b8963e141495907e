"""A map that was stopped: what goes on, what is other work, what is replaced."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from keras_landslide.mapping.plan import Options, planned
from keras_landslide.models.saving import read_weights
from tests.one_landslide import pixels, read, write_area
from tests.scenes import write_scene


@pytest.fixture
def stopped(mapped, network, scene, tmp_path) -> tuple[Path, list[Path], int]:
    """A folder that Ctrl-C stopped in the second scene, the scenes, and how often the network is asked for both."""
    other = write_scene(tmp_path / "other.tif", pixels()[::-1].copy())
    mapped(scene, other, out="plain")
    calls, network.calls, network.stops_at = network.calls, 0, int(0.8 * network.calls)
    out = mapped(scene, other, code=130)
    network.stops_at = network.calls = 0
    return out, [scene, other], calls


def test_what_was_stopped_goes_on_and_ends_as_if_it_had_not_been(mapped, network, stopped, tmp_path):
    out, paths, calls = stopped
    (blocks,) = out.glob(".blocks-*")
    assert (out / "scene/scene.json").is_file() and not (out / "other").exists() and not (out / "summary.csv").exists()
    assert 0 < len(list(blocks.iterdir())) < 4
    finished = (out / "scene/probability.tif").stat().st_mtime_ns
    mapped(*paths, "--resume")
    assert 0 < network.calls < 0.5 * calls
    assert (out / "scene/probability.tif").stat().st_mtime_ns == finished
    plain = tmp_path / "plain"
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in plain.iterdir())
    for name in ("scene", "other"):
        for raster in ("probability.tif", "landslides.tif"):
            np.testing.assert_array_equal(read(out / name / raster), read(plain / name / raster))
        for text in ("outlines.geojson", "index.html", "scene.json"):
            assert (out / name / text).read_text() == (plain / name / text).read_text()
    assert (out / "summary.csv").read_text() == (plain / "summary.csv").read_text()
    network.calls = 0
    mapped(*paths, "--resume")  # and once more, when nothing is left to do
    assert network.calls == 0


def test_only_the_same_work_goes_on(fails, weights, stopped):
    out, paths, _ = stopped
    command = ["map", "--out", out, "--weights", weights]
    assert "add --overwrite, --resume to go on with it" in fails(*command, *paths)
    assert "holds results of other options" in fails(*command, *paths, "--resume", "--gsd", 0.7)
    assert "holds results of other scenes" in fails(*command, paths[0], "--resume")


def test_a_scene_that_was_written_anew_is_another(fails, weights, stopped):
    out, paths, _ = stopped
    before = paths[0].stat()
    write_scene(paths[0], np.full_like(pixels(), 7))
    assert paths[0].stat().st_size == before.st_size
    error = fails("map", "--out", out, "--weights", weights, *paths, "--resume")
    assert "holds results of other scenes" in error


def test_a_folder_whose_mark_is_damaged_is_said(fails, weights, stopped):
    out, paths, _ = stopped
    (out / "map.json").write_text("[]")
    assert "map.json: is damaged; choose another --out" in fails(
        "map", "--out", out, "--weights", weights, *paths, "--resume"
    )


def test_blocks_of_a_finished_scene_go(mapped, stopped):
    """It was killed after the results had their name, and before the blocks went."""
    out, paths, _ = stopped
    (rest,) = out.glob(".blocks-*")
    mapped(*paths, "--resume")
    rest.mkdir()
    mapped(*paths, "--resume")
    assert not list(out.glob(".blocks-*"))


def test_another_area_in_the_same_file_is_other_work(mapped, fails, weights, scene, tmp_path):
    out = mapped(scene, "--aoi", write_area(tmp_path, (0, 0, 60, 60)))
    area = write_area(tmp_path, (0, 0, 90, 90))
    error = fails("map", scene, "--aoi", area, "--out", out, "--weights", weights, "--resume")
    assert "holds results of other area" in error


def test_overwriting_replaces_maps_and_nothing_else(mapped, stopped, tmp_path):
    out, paths, _ = stopped
    (out / "notes.txt").write_text("mine")
    (out / "photos").mkdir()
    mapped(paths[1], "--overwrite")
    assert sorted(path.name for path in out.iterdir()) == ["map.json", "notes.txt", "other", "photos", "summary.csv"]
    lines = list(csv.DictReader((out / "summary.csv").open()))
    assert [line["folder"] for line in lines] == ["other"]


def test_overwriting_removes_nothing_that_is_to_be_read(mapped, fails, weights, scene, tmp_path):
    """A scene beside its results, and outlines of an earlier map as the area of interest."""
    out = mapped(scene)
    inside = Path(shutil.copy(scene, out / "scene" / "copy.tif"))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for given in ([inside], [scene, "--aoi", out / "scene" / "outlines.gpkg"]):
        error = fails("map", *given, "--out", out, "--weights", weights, "--overwrite")
        assert f"{given[-1]}: lies in {out / 'scene'}, which --overwrite removes; choose another --out." in error
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_what_means_the_same_makes_the_same_blocks(weights, scene):
    """Numbers and paths as a script gives them, and as the command line reads them."""
    ways = [
        Options(gsd=1, bands=(3, 2, 1), stretch=(2, 98), runtime="keras"),
        Options(gsd=1.0, bands=[3, 2, 1], stretch=[2.0, 98.0], runtime="keras"),
        Options(gsd=1, bands=(3, 2, 1), stretch=(2, 97), runtime="keras"),
    ]
    jobs = [planned([scene], [read_weights(weights)], options)[0] for options in ways]
    assert jobs[0].stamp() == jobs[1].stamp() != jobs[2].stamp()
    assert ways[0].to_json() == ways[1].to_json() != ways[2].to_json()
