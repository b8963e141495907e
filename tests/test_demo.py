"""The demo, small and with a small network: files, messages, refusal. The whole demo is a slow test."""

import json

import pytest

from keras_landslide.cli import main
from keras_landslide.demo import demo
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


def test_a_folder_of_something_else_is_left_alone(tmp_path, fails):
    (tmp_path / "thesis.txt").write_text("mine")
    for more in ([], ["--overwrite"]):
        assert "holds something else" in fails("demo", "--out", tmp_path, *more)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.slow
def test_the_network_clearly_beats_colour(tmp_path):
    assert main(["demo", "--out", str(tmp_path / "demo")]) == 0
    scores = json.loads((tmp_path / "demo" / "scores.json").read_text())
    assert scores["landslide"]["iou"] > scores["colour_baseline"]["landslide"]["iou"] + 0.1
