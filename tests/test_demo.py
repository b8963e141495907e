"""The demo, small and with a small network: files, messages, refusal. The whole demo is a slow test."""

import json

import cv2
import numpy as np
import pytest
import rasterio

from keras_landslide.cli import main
from keras_landslide.data.synthetic import mountain_scene
from keras_landslide.demo import demo, demo_scene
from tests.scenes import red_network
from tests.small import small_network

SMALL = {"scenes": 16, "image_size": 64, "frozen_epochs": 1, "unfrozen_epochs": 1, "frozen_batch_size": 4}


@pytest.mark.slow
def test_a_small_demo_leaves_everything_it_names(tmp_path, fails):
    lines = []
    out = tmp_path / "demo"
    with small_network():
        demo(out, report=lines.append, unfrozen_batch_size=4, **SMALL)
    for name in ("run/best.weights.h5", "run/curves.png", "comparison.png", "scores.json"):
        assert (out / name).stat().st_size > 0
        assert str(out / name) in "\n".join(lines)
    assert "finished demo; add --overwrite" in fails("demo", "--out", out)
    (out / "scores.json").unlink()  # as if it had been stopped: it may simply be run again
    with small_network():
        demo(out, report=lines.append, unfrozen_batch_size=4, **SMALL)
    assert (out / "scores.json").exists()


@pytest.mark.parametrize("name", ["thesis.txt", "data/mine.txt", "run/best.weights.h5", "scores.json"])
def test_a_folder_of_something_else_is_left_alone(tmp_path, fails, name):
    """Folders called `data` and `run` are everywhere."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    for more in ([], ["--overwrite"]):
        assert "holds something else" in fails("demo", "--out", tmp_path, *more)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / name]


def test_a_folder_of_other_scenes_is_left_alone(tmp_path, fails):
    (tmp_path / "truth.png").write_text("mine")
    for more in ([], ["--overwrite"]):
        assert "holds something else" in fails("demo", "--scene", "--out", tmp_path, *more)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_finished_demo_stays_where_a_new_one_cannot_begin(tmp_path, fails, monkeypatch):
    for name in ("demo.json", "scores.json", "run/best.weights.h5"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    monkeypatch.setenv("KERAS_LANDSLIDE_BACKBONES", str(tmp_path / "nowhere"))
    assert "nowhere" in fails("demo", "--out", tmp_path, "--overwrite")
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 3


def test_a_scene_is_painted_and_mapped(tmp_path, fails):
    """Where red stands for landslide: the scores are those of the map against the painted mask."""
    lines, out = [], tmp_path / "scene"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_landslide.mapping.scenes.network_of", lambda *_: red_network(64))
        scores = demo_scene(out, seed=3, size=(150, 200), report=lines.append)
    truth = cv2.imread(str(out / "truth.png"), cv2.IMREAD_UNCHANGED) > 0
    with rasterio.open(out / "scene.tif") as scene, rasterio.open(out / "map/scene/landslides.tif") as found:
        assert scene.shape == found.shape == (150, 200) and scene.crs == found.crs
        marked = found.read(1) == 1
        painted = mountain_scene(3, (150, 200), landslides=4)
        np.testing.assert_array_equal(np.moveaxis(scene.read(), 0, -1), painted.image)
    np.testing.assert_array_equal(truth, painted.mask > 0)
    assert truth.any() and marked.any()
    assert scores["confusion"][1] == [np.sum(truth & ~marked), np.sum(truth & marked)]
    assert scores["landslide_iou"] == pytest.approx((truth & marked).sum() / (truth | marked).sum())
    for named in ("scene.tif", "map/scene/index.html"):
        assert (out / named).is_file() and str(out / named) in "\n".join(lines)
    assert "exists; add --overwrite" in fails("demo", "--scene", "--out", out)


@pytest.mark.slow
def test_the_network_clearly_beats_colour(tmp_path):
    assert main(["demo", "--out", str(tmp_path / "demo")]) == 0
    scores = json.loads((tmp_path / "demo" / "scores.json").read_text())
    assert scores["landslide"]["iou"] > scores["colour_baseline"]["landslide"]["iou"] + 0.1
