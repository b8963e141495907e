"""Mistakes end in one clear sentence, exit code 2 and nothing written; help and import load no TensorFlow."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys

import cv2
import h5py
import numpy as np
import pytest

from keras_landslide.cli import main
from keras_landslide.data.layouts import find_negatives, find_samples
from keras_landslide.data.letterbox import Letterbox
from keras_landslide.data.splits import split_samples
from keras_landslide.data.synthetic import write_dataset
from keras_landslide.runtimes.export import FORMATS
from keras_landslide.settings import (
    AUGMENTATIONS,
    LABELS,
    PRESET_MEANINGS,
    PRESETS,
    SECTIONS,
    SPLITS,
    SUBSETS,
    Settings,
    flag,
)
from keras_landslide.training.runs import read_history
from tests.small import small_network


@pytest.fixture
def folder(scenes, tmp_path):
    shutil.copytree(scenes, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def best(tiny_run):
    return tiny_run / "best.weights.h5"


def train(folder, out, *more):
    return [
        "train",
        "--experiment",
        "pspnet_mobilenet_v2",
        "--data",
        folder,
        "--out",
        out,
        "--backbone-weights",
        "none",
        *more,
    ]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "required"),
        (["tarin"], "invalid choice: 'tarin'"),
        (["train", "--data", "x", "--out", "y", "--experimet", "z"], "unrecognized arguments: --experimet"),
        (["train", "--data", "x"], "required: --out"),
        (["train", "--data", "x", "--out", "y", "--experiment", "pspnet_resnet"], "did you mean 'pspnet_resnet50'"),
        (["train", "--data", "x", "--out", "y", "--preset", "gpu"], "Choose from: paper, cpu"),
        (["train", "--data", "x", "--out", "y", "--augmentation", "string"], "did you mean 'strong'"),
        (["train", "--data", "x", "--out", "y", "--image-size", "ten"], "invalid int value: 'ten'"),
        (
            ["train", "--data", "x", "--out", "y", "--image-size", "32"],
            "--image-size 32 is not possible; give 64 or more",
        ),
        (["models", "--image-size", "63"], "--image-size 63 is not possible; give 64 or more."),
        (["train", "--data", "x", "--out", "y", "--negatives", "many"], "--negatives many is not possible"),
        (["train", "--data", "x", "--out", "y", "--negatives", "-1"], "--negatives -1 is not possible"),
        (["train", "--data", "x", "--out", "y", "--sampling", "crops"], "did you mean 'crop'"),
        (["train", "--data", "x", "--out", "y", "--class-weights", "1"], "one weight of 0 or more for each of the 2"),
        (["train", "--data", "x", "--out", "y", "--unfrozen-learning-rate", "-1"], "between 0 and 1"),
        (["evaluate", "--weights", "nowhere.weights.h5", "--data", "x"], "nowhere.weights.h5: no such weights file"),
        (["predict", "--weights", "nowhere.weights.h5", "--out", "y", "nothing.png"], "nothing.png: no such file"),
    ],
)
def test_mistakes_in_the_command_itself(fails, arguments, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert text in fails(*arguments)
    assert not list(tmp_path.iterdir())


def test_a_missing_folder(fails, tmp_path):
    assert "no such folder" in fails(*train(tmp_path / "nowhere", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_all_bad_files_are_named_and_nothing_is_written(fails, folder, tmp_path):
    images, masks = folder / "landslide" / "image", folder / "landslide" / "mask"
    (images / "synth_0001.png").write_bytes(b"no picture")
    cv2.imwrite(str(masks / "synth_0002.png"), np.zeros((9, 9), np.uint8))
    cv2.imwrite(str(masks / "synth_0003.png"), np.arange(100, dtype=np.uint8).reshape(10, 10))
    error = fails(*train(folder, tmp_path / "out"))
    assert "3 files cannot be used" in error
    assert all(f"synth_000{number}.png" in error for number in (1, 2, 3))
    (masks / "synth_0004.png").unlink()
    (images / "synth_0005.png").unlink()
    error = fails(*train(folder, tmp_path / "out"))
    assert "synth_0004.png: has no mask" in error and "synth_0005.png: has no image" in error
    assert not (tmp_path / "out").exists()


def test_an_empty_split(fails, best, tmp_path):
    write_dataset(tmp_path / "two", 2, size=64)
    assert "train part of split auto has no image" in fails(*train(tmp_path / "two", tmp_path / "out"))
    error = fails("evaluate", "--weights", best, "--data", tmp_path / "two", "--split", "paper510")
    assert "None of the 510 images of split paper510 is here" in error
    assert not (tmp_path / "out").exists()


def test_a_fold_trains_on_its_own_part_and_says_so(folder, tmp_path, monkeypatch, capsys):
    taken = []

    def stop(plan, **_):
        taken.append(plan.split)
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_landslide.training.fit.train", stop)
    arguments = train(folder, tmp_path / "out", "--fold", "4/4", "--backbone-weights", "none")
    with small_network():
        assert main([str(part) for part in arguments]) == 130
    assert "Split auto, fold 4/4: 8 train, 4 val, 4 test" in capsys.readouterr().out
    assert taken == [split_samples(find_samples(folder), "auto", fold="4/4", negatives=find_negatives(folder))]


def test_a_fold_that_is_none(fails, folder, tmp_path):
    assert "--fold 5/4 is not possible; give i/k" in fails(*train(folder, tmp_path / "out", "--fold", "5/4"))


def test_negatives_that_are_not_there(fails, best, folder, tmp_path):
    error = fails(*train(folder, tmp_path / "out", "--negatives", "5"))
    assert "--negatives 5 is not possible: 4 images without landslide are in the train part" in error
    shutil.rmtree(folder / "non-landslide")
    assert "non-landslide/image: holds no images" in fails(*train(folder, tmp_path / "out", "--negatives", "all"))
    assert "non-landslide/image: holds no images" in fails(
        "evaluate", "--weights", best, "--data", folder, "--negatives", "--json", tmp_path / "scores.json"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_an_output_folder_in_use_or_that_cannot_be_written(fails, best, folder, tmp_path):
    used = tmp_path / "used"
    used.mkdir()
    (used / "thesis.txt").write_text("mine")
    assert "add --overwrite" in fails(*train(folder, used))
    assert "add --overwrite" in fails("predict", "--weights", best, folder / "landslide" / "image", "--out", used)
    for how in ("--overwrite", "--resume"):
        error = fails("predict", "--weights", best, folder / "landslide" / "image", "--out", used, how)
        assert f"{used}: was not made by predict" in error
    assert [path.name for path in used.iterdir()] == ["thesis.txt"]
    below_a_file = used / "thesis.txt" / "out"
    assert "cannot be written" in fails(*train(folder, below_a_file))
    assert "cannot be written" in fails(
        "evaluate", "--weights", best, "--data", folder, "--json", below_a_file / "x.json"
    )


def test_a_truncated_weights_file(fails, best, folder, tmp_path):
    broken = tmp_path / "broken.weights.h5"
    for share in (0.02, 0.5, 0.95):
        broken.write_bytes(best.read_bytes()[: int(share * best.stat().st_size)])
        assert f"{broken}: is damaged" in fails("evaluate", "--weights", broken, "--data", folder)
    broken.write_text("hello")
    assert "is damaged or not an HDF5 file" in fails("evaluate", "--weights", broken, "--data", folder)


def test_weights_of_another_model(fails, best, folder, tmp_path):
    foreign = tmp_path / "foreign.weights.h5"
    with h5py.File(foreign, "w") as file:
        file.create_group("layers")
    assert "does not say which model" in fails("evaluate", "--weights", foreign, "--data", folder)
    other = tmp_path / "other.weights.h5"
    shutil.copy(best, other)
    with h5py.File(other, "r+") as file:
        described = json.loads(file.attrs["keras_landslide"])
        described["class_names"].append("scree")
        file.attrs["keras_landslide"] = json.dumps(described)
    error = fails("evaluate", "--weights", other, "--data", folder)
    assert "of another model" in error and "head: the file has 1×1×80×2 2, the model needs 1×1×80×3 3" in error


def test_backbone_weights_that_are_not_there(fails, folder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    missing = tmp_path / "mine.weights.h5"
    arguments = ["train", "--experiment", "pspnet_mobilenet_v2", "--data", folder, "--out", out, "--image-size", "64"]
    assert f"{missing}: no such weights file" in fails(*arguments, "--backbone-weights", missing)

    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("keras.utils.get_file", offline)
    monkeypatch.setattr("keras.src.applications.mobilenet_v2.file_utils.get_file", offline)
    error = fails(*arguments)
    assert "put mobilenet_v2.weights.h5 into a folder and set KERAS_LANDSLIDE_BACKBONES to it" in error
    monkeypatch.setenv("KERAS_LANDSLIDE_BACKBONES", str(tmp_path / "nowhere"))
    assert "which does not exist" in fails(*arguments)
    assert not out.exists()


def test_unreadable_images_to_predict_are_all_named(fails, best, folder, tmp_path):
    images = folder / "landslide" / "image"
    for number in (2, 7):
        (images / f"synth_000{number}.png").write_bytes(b"no picture")
    error = fails("predict", "--weights", best, images, "--out", tmp_path / "out")
    assert "synth_0002.png" in error and "synth_0007.png" in error
    assert not (tmp_path / "out").exists()


def test_a_loss_that_is_no_number_fails_with_1_and_names_the_batch(folder, tmp_path, capsys, monkeypatch):
    """From the second epoch on the loss is NaN for one image, in whatever batch that comes."""
    from keras_landslide.training.losses import SegmentationLoss

    samples = split_samples(find_samples(folder), "auto").subset("train")
    out, usual, last = tmp_path / "out", SegmentationLoss.call, []

    def landslide_pixels(sample) -> int:
        _, labels = sample.read()
        return int((Letterbox(*labels.shape, 64).labels_in(labels) == 1).sum())

    def spoilt(self, labels, probabilities):
        last[:] = [int(np.sum(one == 1)) for one in labels.numpy()] if hasattr(labels, "numpy") else []
        bad = (out / "best.weights.h5").exists() and landslide_pixels(samples[3]) in last
        return usual(self, labels, probabilities) * (float("nan") if bad else 1.0)

    monkeypatch.setattr(SegmentationLoss, "call", spoilt)
    more = "--image-size 64 --output-stride 16 --frozen-epochs 3 --unfrozen-epochs 0 --frozen-batch-size 4 --eager"
    assert main([str(part) for part in train(folder, out, *more.split(), "--augmentation", "none")]) == 1
    first, *files = capsys.readouterr().err.rstrip("\n").split("\n")
    assert first.startswith("keras-landslide: The loss stopped being a finite number in epoch 2, step ")
    assert str(out / "best.weights.h5") in first and (out / "best.weights.h5").exists()
    by_image = {f"  {sample.image}": landslide_pixels(sample) for sample in samples}
    assert f"  {samples[3].image}" in files
    assert [by_image[file] for file in files] == last  # the batch that was seen, in its order
    assert [line["epoch"] for line in read_history(out)] == [1]


def test_a_loss_that_is_no_number_at_once_leaves_no_weights(folder, tmp_path, capsys, monkeypatch):
    from keras_landslide.training.losses import SegmentationLoss

    monkeypatch.setattr(SegmentationLoss, "_mean", lambda self, terms, valid: terms[0, 0, 0] * float("inf"))
    more = "--image-size 64 --output-stride 16 --frozen-epochs 1 --unfrozen-epochs 0 --frozen-batch-size 4 --eager"
    assert main([str(part) for part in train(folder, tmp_path / "out", *more.split())]) == 1
    assert "The last good weights" not in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("*.h5"))


def test_control_c_is_130(monkeypatch, folder, tmp_path):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_landslide.training.fit.train", stop)
    with small_network():
        assert main([str(part) for part in train(folder, tmp_path / "out", "--backbone-weights", "none")]) == 130


def helped(command: str, capsys, monkeypatch) -> tuple[str, dict[str, str]]:
    """What `--help` prints, and of that what it says of each option."""
    monkeypatch.setenv("COLUMNS", "1000")
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    return text, dict(re.findall(r"^  (--[\w-]+)(.*?)(?=\n  -|\n\n)", text, re.DOTALL | re.MULTILINE))


def test_help_lists_the_choices_of_every_option_and_what_they_mean(capsys, monkeypatch):
    text, options = helped("train", capsys, monkeypatch)
    with_choices = {flag(field.name): field.metadata["choices"] for field in dataclasses.fields(Settings)}
    with_choices |= {"--split": SPLITS, "--labels": LABELS, "--preset": PRESET_MEANINGS}
    listed = {name: choices for name, choices in with_choices.items() if choices}
    assert {"--augmentation", "--precision", "--jit", "--sampling", "--backbone"} < listed.keys()
    for name, choices in listed.items():
        for choice, meaning in choices.items():
            assert f"{choice} ({meaning})" in options[name], (name, choice)
    groups = [line for line in text.splitlines() if line in ("run:", *(f"{name}:" for name in SECTIONS))]
    assert groups == ["run:", "data:", "model:", "schedule:", "loss:", "machine:"]
    assert set(PRESET_MEANINGS) == set(PRESETS)
    for command, option, choices in (
        ("evaluate", "--subset", SUBSETS),
        ("evaluate", "--labels", LABELS),
        ("augment", "--augmentation", AUGMENTATIONS),
        ("export", "--format", dict.fromkeys(FORMATS)),
        ("prepare", "--split", SPLITS),
    ):
        _, options = helped(command, capsys, monkeypatch)
        for choice, meaning in choices.items():
            assert f"{choice} ({meaning or ''}" in options[option], (command, option, choice)


def test_import_and_help_load_no_tensorflow():
    code = (
        "import sys, keras_landslide\nfrom keras_landslide.cli import main\n"
        "for command in ([], ['train'], ['predict'], ['compare']): assert main([*command, '--help']) == 0\n"
        "heavy = ('tensorflow', 'keras', 'matplotlib', 'rasterio', 'pyogrio', 'shapely', 'pyproj')\n"
        "loaded = [name for name in heavy if name in sys.modules]\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "examples:" in done.stdout


@pytest.mark.slow  # a process that loads TensorFlow
def test_a_mistake_is_all_that_predict_writes_to_standard_error(tmp_path):
    """TensorFlow's notices about the machine do not come before it."""
    command = "from keras_landslide.cli import run; run()"
    arguments = ["predict", "--weights", "none.weights.h5", "none.png", "--out", str(tmp_path / "out")]
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", command, *arguments], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert first.startswith("keras-landslide: ") and second == "  none.png: no such file or folder"


@pytest.mark.parametrize("command", [["evaluate", "--weights", "no.weights.h5", "--data", "x"], ["prepare", "x"]])
def test_json_replaces_nothing_unasked(fails, tmp_path, command):
    kept = tmp_path / "scores.json"
    kept.write_text("of a run")
    assert f"{kept}: exists; add --overwrite or choose another name." in fails(*command, "--json", kept)
    assert kept.read_text() == "of a run"


@pytest.mark.parametrize(("given", "momentum"), [([], 0.99), (["none"], None), (["0.9"], 0.9)])
def test_none_is_a_value_on_top_of_a_preset(given, momentum, monkeypatch, folder, tmp_path):
    """The network's own momentum, where the preset has another."""
    asked = []
    monkeypatch.setattr("keras_landslide.training.jobs.do_job", lambda job, **_: asked.append(job.settings))
    more = ["--batch-normalization-momentum", *given] if given else []
    assert main(["train", "--preset", "cpu", "--data", str(folder), "--out", str(tmp_path / "run"), *more]) == 0
    assert [settings.batch_normalization_momentum for settings in asked] == [momentum]
