"""Every experiment with --quick, into a temporary folder."""

import argparse
import importlib.util
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from keras_landslide.cli import main
from keras_landslide.errors import LandslideError
from keras_landslide.paper import TABLE_5
from keras_landslide.results import reproduce
from keras_landslide.settings import preset

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted((ROOT / "experiments").glob("table5_*.py"))
TRAINED = ("deeplabv3plus_xception", "pspnet_resnet50")  # U-Net (VGG16) is trained in tests/training/test_engines.py
RESULT_KEYS = {"settings", "seed", "machine", "versions", "date", "minutes", "history"}


def loaded(name: str):
    """The script `experiments/<name>.py` as a module."""
    specification = importlib.util.spec_from_file_location(name, ROOT / "experiments" / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def same_numbers(found, stored) -> bool:
    """Whether a comparison computed now is the one in a file, to rounding."""
    if isinstance(stored, dict):
        return found.keys() == stored.keys() and all(same_numbers(found[key], stored[key]) for key in stored)
    return found == pytest.approx(tuple(stored) if isinstance(found, tuple) else stored, rel=1e-9)


def run(script, *arguments):
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    environment["KERAS_LANDSLIDE_BACKBONES"] = str(ROOT.parent / "shared" / "imagenet")
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def real_results() -> dict[Path, bytes]:
    """Every file in `results/`, which quick runs leave as they are."""
    return {path: path.read_bytes() for path in (ROOT / "results").rglob("*") if path.is_file()}


@pytest.mark.parametrize("row", TABLE_5, ids=lambda row: row.name)
def test_every_row_has_a_script(row, monkeypatch):
    seen = []
    monkeypatch.setattr(reproduce, "main", lambda *arguments: seen.append(arguments))
    runpy.run_path(str(ROOT / "experiments" / f"table5_{row.name}.py"), run_name="__main__")
    ((name, description),) = seen
    assert name == row.name and row.title in description and f"results/{name}.json" in description


@pytest.mark.slow
@pytest.mark.parametrize("row", TRAINED)
def test_quick(row, bijie, tmp_path):
    before, script = real_results(), ROOT / "experiments" / f"table5_{row}.py"
    done = run(script, "--quick", "--data", bijie, "--out", tmp_path / "run", "--results", tmp_path / "results")
    assert done.returncode == 0, done.stderr
    (result,) = (tmp_path / "results").glob("*.json")
    content = json.loads(result.read_text())
    assert set(content) >= RESULT_KEYS
    assert result.stem == row == f"{content['settings']['architecture']}_{content['settings']['backbone']}"
    assert content["images"] == 8
    losses = [line["loss"] for line in content["history"]]
    assert len(losses) == 4
    assert losses[-1] < 0.9 * losses[0]  # a few steps on real images bring the row's loss down
    assert real_results() == before


def test_quick_never_replaces_a_real_result():
    done = run(EXPERIMENTS[0], "--quick")
    assert done.returncode == 2 and "wants its own --out" in done.stderr


def test_figure_5_shows_image_label_and_what_predict_marks(tiny_run, scenes, tmp_path):
    figure5, shown = loaded("figure5"), {}
    really_draw = figure5.comparison_figure

    def draw(rows, columns, path):
        shown.update(rows=rows, columns=columns)
        really_draw(rows, columns, path)

    figure5.comparison_figure = draw
    weights = [str(tiny_run / "best.weights.h5"), str(tiny_run / "last" / "last.weights.h5")]
    out = tmp_path / "figure5.png"
    options = {"data": str(scenes), "split": "auto", "weights": weights, "names": None, "count": 2, "out": str(out)}
    figure5.draw(argparse.Namespace(**options, overwrite=False))
    assert shown["columns"] == ["image", "label", "PSPNet (MobileNet)", "PSPNet (MobileNet)"]
    assert cv2.imread(str(out)).shape[1] > 800
    for number, file in enumerate(weights):
        folder = tmp_path / str(number)
        images = [str(scenes / "landslide" / "image" / f"{name}.png") for name, _ in shown["rows"]]
        assert main(["predict", "--weights", file, *images, "--out", str(folder)]) == 0
        for name, pictures in shown["rows"]:
            marked = cv2.imread(str(folder / "masks" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
            label = cv2.imread(str(scenes / "landslide" / "mask" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(pictures[2 + number], marked == 255)
            np.testing.assert_array_equal(pictures[1], label == 255)
            assert pictures[0].shape == (*marked.shape, 3)


def test_paired_trainings_freeze_the_first_tenth():
    options = reproduce.paired_parser("pair", "")
    settings = reproduce.paired_settings(options.parse_args(["--epochs", "30", "--image-size", "96"]))
    assert (settings.frozen_epochs, settings.unfrozen_epochs, settings.image_size) == (3, 27, 96)
    assert reproduce.paired_settings(options.parse_args(["--epochs", "2"])).frozen_epochs == 1
    whole = reproduce.paired_parser("pair", "", epochs=None, image_size=None).parse_args([])
    assert reproduce.paired_settings(whole) == preset("cpu")
    with pytest.raises(LandslideError, match="--epochs 1 is not possible; give 2 or more"):
        reproduce.paired_settings(options.parse_args(["--epochs", "1"]))


def test_images_of_a_scene_lie_apart():
    shapes = [(30, 40), (20, 60), (31, 30), (5, 5)]
    covered = np.zeros((100, 100), int)
    places = loaded("scene_of_bijie").laid_out(shapes, 100, 6)
    for shape, (rows, columns) in zip(shapes, places, strict=True):
        assert covered[rows, columns].shape == shape
        around = covered[max(0, rows.start - 6) : rows.stop + 6, max(0, columns.start - 6) : columns.stop + 6]
        assert not around.any()
        covered[rows, columns] = 1
    with pytest.raises(LandslideError, match="has no room for all 4 images"):
        loaded("scene_of_bijie").laid_out(shapes, 60)


def test_false_alarms_are_pieces_that_touch_no_landslide():
    scene = loaded("scene_of_bijie")
    mapped, truth = np.zeros((60, 60), np.uint8), np.zeros((60, 60), np.uint8)
    mapped[50:] = 255
    truth[5:15, 5:15] = mapped[14:30, 5:20] = 1  # touches
    mapped[35:48, 35:48] = 1  # 169 pixels of 0.64 m² elsewhere
    mapped[40:43, 5:8] = 1  # too small to be outlined
    found = scene.false_alarms(mapped, {"a": (slice(0, 60), slice(0, 60))}, {"a": (mapped, truth)})
    assert found["pieces"] == 1 and found["square_kilometres"] == round(50 * 60 * 0.64 / 1e6, 3)


def test_landslides_are_cut_into_the_corners():
    truth = np.zeros((100, 120), bool)
    truth[30:60, 40:70] = True
    whole, first, last = loaded("shifted").cut_places(truth)
    assert truth[whole].shape == truth.shape
    assert truth[first].shape == (70, 80) and truth[first][0, 0] and truth[first].sum() == 900
    assert truth[last].shape == (60, 70) and truth[last][-1, -1] and truth[last].sum() == 900
    truth[5, 60] = True  # too near to the upper edge
    assert loaded("shifted").cut_places(truth) is None


@pytest.mark.slow
def test_shifted_landslides_are_counted_by_place(bijie, tmp_path):
    places = {name: str(tmp_path / name) for name in ("out", "results")}
    command = f"--quick --data {bijie} --weights pspnet_mobilenet_v2_scenes"
    command += "".join(f" --{name} {place}" for name, place in places.items())
    with pytest.raises(SystemExit) as stop:
        loaded("shifted").main(command.split())
    assert stop.value.code == 0
    told = json.loads((tmp_path / "results" / "shifted.json").read_text())["pspnet_mobilenet_v2_scenes"]
    assert 0 < told["images"] == len(told["landslide_iou"]) <= 8
    for place, found in told["found"].items():
        assert found == sum(one[place] > 0.5 for one in told["landslide_iou"].values())
    assert told["found"]["in the middle"] > 4


@pytest.mark.parametrize(
    ("given", "changed"), [([], {}), (["--precision", "mixed_bfloat16"], {"precision": "mixed_bfloat16"})]
)
def test_a_row_changes_the_presets_precision_where_that_is_asked_for(given, changed, monkeypatch):
    found = []
    monkeypatch.setattr(reproduce, "reproduced", lambda row, name, options, **changes: found.append((name, changes)))
    with pytest.raises(SystemExit) as stop:
        reproduce.main("unet_vgg16", "", given)
    assert (stop.value.code, found) == (0, [("unet_vgg16", changed)])


@pytest.mark.parametrize(
    ("count", "out", "said"),
    [
        (0, "figure.png", "--count 0 is not possible; give 1 or more."),
        (1, "figure.jpg", "figure.jpg: is no picture; give a name that ends in .png or .pdf."),
    ],
)
def test_figure_5_of_nothing_or_in_another_format_is_refused(count, out, said):
    with pytest.raises(LandslideError, match=re.escape(said)):
        loaded("figure5").draw(argparse.Namespace(count=count, out=out))


def test_experiments_print_nothing_of_tensorflows_own(scenes, tiny_run, tmp_path):
    command = [sys.executable, str(ROOT / "experiments" / "figure5.py"), "--data", str(scenes), "--split", "auto"]
    command += ["--weights", str(tiny_run / "best.weights.h5"), "--out", str(tmp_path / "figure.png")]
    unset = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    ended = subprocess.run(command, env={**unset, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"Figure: {tmp_path / 'figure.png'}\n"


@pytest.mark.parametrize("script", sorted(path.name for path in (ROOT / "experiments").glob("*.py")))
def test_experiments_say_what_they_do_without_loading_tensorflow(script):
    loaded = (
        "import sys, runpy\n"
        "try: runpy.run_path(sys.argv[1], run_name='__main__')\n"
        "finally: print('tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", loaded, str(ROOT / "experiments" / script), "--help"]
    ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert ended.stdout.endswith("False\n") and "--data" in ended.stdout
