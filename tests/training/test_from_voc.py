"""Starting from a file of another class count, and the way from VOC to landslides to its end."""

import dataclasses
import json
import runpy
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from keras_landslide.cli import main
from keras_landslide.data.layouts import find_samples
from keras_landslide.data.splits import split_samples
from keras_landslide.data.voc import VOC_CLASSES
from keras_landslide.errors import LandslideError
from keras_landslide.models import Description, build_model, read_description, save_weights
from keras_landslide.models.description import Data, Start
from keras_landslide.models.saving import read_layers
from keras_landslide.settings import Settings
from keras_landslide.training.plan import initial_weights, new_model, planned
from keras_landslide.training.runs import read_history
from tests.small import SETTINGS, small_model, small_network

PRETRAIN = Path(__file__).parents[2] / "experiments" / "pretrain_voc.py"
SMALL = {"architecture": "pspnet", "backbone": "mobilenet", "output_stride": 16, "image_size": 64}
DATA = Data("voc", ("2007_000000", "2007_000001"))


@pytest.fixture(scope="module")
def from_voc(tmp_path_factory):
    """Weights of 21 classes such as pretrain_voc.py writes, from random."""
    path = tmp_path_factory.mktemp("weights") / "voc.weights.h5"
    options = {name: SMALL[name] for name in ("architecture", "backbone", "output_stride")}
    model = build_model(**options, input_shape=(64, 64, 3), classes=21, backbone_weights=None)
    save_weights(model, path, Description(**options, class_names=VOC_CLASSES, prediction_size=64, data=DATA))
    return path


def test_all_but_the_head_comes_from_the_file_and_no_backbone_file_is_wanted(from_voc, monkeypatch, caplog):
    monkeypatch.setenv("KERAS_LANDSLIDE_BACKBONES", "/nowhere")  # an error as soon as ImageNet's file is looked for
    settings = Settings(**SMALL, init_weights=str(from_voc))
    model, random_layers = new_model(settings, initial_weights(settings))
    assert random_layers == ["head"]
    (line,) = caplog.messages
    assert f"{from_voc}: skipped head: the file has 1×1×256×21 21, the model needs 1×1×256×2 2" in line
    stored = read_layers(from_voc)
    compared = 0
    for layer in (*model.get_layer("backbone").layers, *model.layers):
        if layer.name in stored and layer.name != "head":
            assert all(np.array_equal(*pair) for pair in zip(stored[layer.name], layer.get_weights(), strict=True))
            compared += 1
    assert compared == len(stored) - 1 > 50
    with pytest.raises(LandslideError, match="which does not exist"):
        new_model(Settings(**SMALL), None)


def test_what_the_initial_weights_had_started_from_counts_as_trained_on(small, split, tmp_path):
    path, start = tmp_path / "second.weights.h5", Start("voc.weights.h5", ("head",), Data("voc", ("first",)))
    described = Description("pspnet", "mobilenet_v2", output_stride=16, start=start, data=Data("auto", ("second",)))
    save_weights(small_model(), path, described)
    third = planned(dataclasses.replace(SETTINGS, init_weights=str(path)), split, tmp_path / "run")
    assert third.run.description.start.data.trained_on == ("first", "second")


def train(scenes, out, *more) -> list[str]:
    arguments = f"train --data {scenes} --out {out} --output-stride 16 --image-size 64".split()
    return [*arguments, *map(str, more)]


def test_initial_weights_that_cannot_be_used(fails, from_voc, scenes, tmp_path):
    out = tmp_path / "out"
    error = fails(*train(scenes, out, "--init-weights", tmp_path / "none.weights.h5"))
    assert "none.weights.h5: no such weights file" in error
    error = fails(*train(scenes, out, "--experiment", "unet_vgg16", "--init-weights", from_voc))
    assert "these weights are of pspnet_mobilenet, not of unet_vgg16" in error
    assert "or --experiment pspnet_mobilenet." in error
    broken = tmp_path / "broken.weights.h5"
    broken.write_bytes(from_voc.read_bytes()[:5000])
    error = fails(*train(scenes, out, "--experiment", "pspnet_mobilenet", "--init-weights", broken))
    assert f"{broken}: is damaged" in error
    foreign = tmp_path / "keras.weights.h5"
    build_model("pspnet", "mobilenet", input_shape=(64, 64, 3), backbone_weights=None).save_weights(foreign)
    error = fails(*train(scenes, out, "--experiment", "pspnet_mobilenet", "--init-weights", foreign))
    assert "does not say which model it belongs to" in error
    assert not out.exists()


def test_the_classes_of_a_folder_are_checked_before_anything_is_written(fails, voc, from_voc, tmp_path):
    error = fails(*train(voc, tmp_path / "out", "--backbone-weights", "none"))
    assert "11 files cannot be used" in error
    assert "2007_000000.png: has the value 7, but with 2 classes a mask has 0 to 1, and 255 where ignored" in error
    assert not (tmp_path / "out").exists()


def test_weights_of_21_classes_say_what_they_mark_and_where_they_come_from(voc, from_voc, tmp_path, capsys):
    weights = tmp_path / "later.weights.h5"
    shutil.copy(from_voc, weights)
    with h5py.File(weights, "r+") as file:
        held = json.loads(file.attrs["keras_landslide"])
        before = {"split": "voc", "trained_on": ["2007_000007", "2007_000010", "2007_000000"]}
        held["start"] = {"weights": "earlier.weights.h5", "random_layers": ["head"], "data": before}
        file.attrs["keras_landslide"] = json.dumps(held)
    assert main(["evaluate", "--weights", str(weights), "--data", str(voc), "--subset", "val"]) == 0
    printed = capsys.readouterr().out
    assert "2 of these 4 images have names of images that the initial weights were trained on" in printed
    assert "\ntvmonitor " in printed and "89.11" not in printed
    assert main(["predict", "--weights", str(weights), str(voc), "--out", str(tmp_path / "out")]) == 0
    assert "14 images" in (printed := capsys.readouterr().out) and "of the pixels marked as aeroplane" in printed


def test_a_landslide_folder_in_vocs_form_scores_the_same_to_the_pixel(scenes, tiny_run, tmp_path, palette_png, capsys):
    """The same images and masks as in image/ and mask/, with the parts of split auto as lists."""
    root = tmp_path / "voc"
    shutil.copytree(scenes / "landslide" / "image", root / "JPEGImages")
    (root / "SegmentationClass").mkdir()
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    samples = find_samples(scenes)
    for sample in samples:
        palette_png(root / "SegmentationClass" / f"{sample.name}.png", sample.read()[1])
    for subset, part in split_samples(samples, "auto").subsets.items():
        lines = "".join(f"{sample.name}\n" for sample in part)
        (root / "ImageSets" / "Segmentation" / f"{subset}.txt").write_text(lines)
    weights = str(tiny_run / "best.weights.h5")
    for name, folder, split in (("plain", scenes, "auto"), ("voc", root, "voc")):
        file = tmp_path / f"{name}.json"
        assert main(["evaluate", "--weights", weights, "--data", str(folder), "--json", str(file)]) == 0
        assert f"subset test of split {split}" in capsys.readouterr().out
    plain, voc = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("plain", "voc"))
    assert {**plain, "split": "voc"} == voc


def pretrain(monkeypatch, *arguments) -> None:
    """Run the script as a program, here, where TensorFlow is loaded already."""
    monkeypatch.setattr(sys, "argv", [str(PRETRAIN), *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(PRETRAIN), run_name="__main__")
    assert end.value.code == 0


@pytest.fixture
def small():
    with small_network():
        yield


@pytest.mark.slow
def test_from_voc_to_landslides(small, voc, scenes, tmp_path, monkeypatch, capsys):
    """The way to its end, with a small network: pretrain_voc.py, train --init-weights on landslides, evaluate."""
    pretrain(monkeypatch, "--quick", "--data", voc, "--out", tmp_path / "voc", "--backbone-weights", "none")
    weights = tmp_path / "voc" / "best.weights.h5"
    assert capsys.readouterr().out.splitlines()[-1].endswith(f"--init-weights: {weights}")
    described = read_description(weights)
    assert described.class_names == VOC_CLASSES and described.settings["class_weights"] == [1.0] * 21
    assert described.data.split == "voc" and len(described.data.trained_on) == 7
    scores = json.loads((tmp_path / "voc" / "scores.json").read_text())
    assert np.shape(scores["confusion"]) == (21, 21) and "tvmonitor" in scores

    frozen = "--experiment pspnet_mobilenet_v2 --frozen-epochs 1 --unfrozen-epochs 0 --frozen-batch-size 4".split()
    out = tmp_path / "landslides"
    assert main(train(scenes, out, *frozen, "--init-weights", weights)) == 0
    assert "departs from the paper: init_weights" in capsys.readouterr().out
    best = read_description(out / "best.weights.h5")
    assert best.class_names == ("background", "landslide")
    assert best.start == Start(str(weights), ("head",), described.data)
    before, after = read_layers(weights), read_layers(out / "best.weights.h5")
    np.testing.assert_array_equal(before["convolution_8"][0], after["convolution_8"][0])  # frozen: as it came from VOC
    assert before["head"][0].shape[-1] == 21 and after["head"][0].shape[-1] == 2

    file = tmp_path / "scores.json"
    assert (
        main(["evaluate", "--weights", str(out / "best.weights.h5"), "--data", str(scenes), "--json", str(file)]) == 0
    )
    scores = json.loads(file.read_text())
    assert np.shape(scores["confusion"]) == (2, 2) and set(scores["landslide"]) == {"precision", "recall", "iou", "f1"}


@pytest.mark.slow
def test_21_classes_are_learnt(small, voc, tmp_path, capsys):
    """The classes of the made-up folder differ in colour: a mix-up of numbers anywhere on the way would show."""
    arguments = (
        "--experiment pspnet_mobilenet_v2 --backbone-weights none --frozen-epochs 0 --unfrozen-epochs 24 "
        "--unfrozen-batch-size 4 --unfrozen-learning-rate 0.01 --augmentation none --no-early-stopping "
        "--samples-per-epoch 40 --classes 21 --class-weights"
    ).split()
    assert main(train(voc, tmp_path / "run", *arguments, *[1] * 21)) == 0
    assert "Split voc: 7 train, 4 val, 0 test" in capsys.readouterr().out
    assert read_history(tmp_path / "run")[0]["val_miou"] < 0.2
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert scores["miou"] > 0.6
    wrong = np.array(scores["confusion"])
    assert (wrong.argmax(axis=1) == np.arange(21))[wrong.sum(axis=1) > 0].mean() > 0.7
