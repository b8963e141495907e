"""Train, evaluate and predict through the command line, on a tiny data set."""

import csv
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import cv2
import h5py
import keras
import numpy as np
import pytest

import keras_landslide
from keras_landslide.cli import main
from keras_landslide.data.layouts import find_negatives, find_samples
from keras_landslide.data.letterbox import Letterbox
from keras_landslide.data.splits import split_samples
from keras_landslide.models import read_description
from keras_landslide.models.description import Data, Description
from keras_landslide.training import allocator
from keras_landslide.training.runs import Run, read_history

SCORE_KEYS = ["images", "labels", "split", "subset", "confusion", "miou", "mean_recall", "mean_precision"]
ADDED_KEYS = {"class_names", "groups", "weights", "image_size", "average_flips", "threshold", "trained_on"}
CLASS_KEYS = {"precision", "recall", "iou", "f1"}


@pytest.fixture
def best(tiny_run) -> str:
    return str(tiny_run / "best.weights.h5")


def evaluated(best, scenes, tmp_path, subset="test", *more) -> dict:
    file = tmp_path / "scores.json"
    arguments = ["evaluate", "--weights", best, "--data", str(scenes), "--subset", subset, *more]
    arguments += ["--json", str(file), "--overwrite"]
    assert main(arguments) == 0
    return json.loads(file.read_text())


def test_a_run_folder_is_complete(tiny_run):
    files = {path.relative_to(tiny_run).as_posix() for path in tiny_run.rglob("*") if path.is_file()}
    assert files == {
        "settings.json",
        "history.csv",
        "curves.png",
        "best.weights.h5",
        "last/last.weights.h5",
        "scores.json",
    }
    history = read_history(tiny_run)
    assert [(line["epoch"], line["phase"]) for line in history] == [(1, "frozen"), (2, "unfrozen"), (3, "unfrozen")]
    settings = json.loads((tiny_run / "settings.json").read_text())
    assert settings["settings"]["image_size"] == 64
    assert settings["departures_from_paper"]["output_stride"] == [16, 8]
    assert settings["machine"]["cores"] == os.cpu_count()
    assert settings["versions"]["keras"] == keras.__version__
    assert "commit" in settings


def test_a_new_run_leaves_nothing_of_an_earlier_one(tmp_path):
    old = ["best.weights.h5", "last/last.weights.h5", "scores.json", "history.csv", "curves.png", "report.html"]
    for name in (*old, "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("of an earlier run")
    Run(tmp_path, Description("pspnet", "mobilenet")).begin({"settings": {}})
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"settings.json", "notes.txt"}


def test_validation_scores_are_those_of_the_best_weights_on_the_validation_images(tiny_run, best, scenes, tmp_path):
    """In the history at the input's size, in `scores.json` at native size; without the run's negatives."""
    model, counts = keras_landslide.load_model(best), np.zeros((2, 2))
    for sample in split_samples(find_samples(scenes), "auto").subset("val"):
        image, truth = sample.read()
        box = Letterbox(*truth.shape, 64)
        found = model.predict(box.image_in(image)[np.newaxis], verbose=0)[0].argmax(-1)
        square = box.labels_in(truth)
        for actual in (0, 1):
            for predicted in (0, 1):
                counts[actual, predicted] += np.sum((square == actual) & (found == predicted))
    ious = [counts[n, n] / (counts[n].sum() + counts[:, n].sum() - counts[n, n]) for n in (0, 1)]
    line = max(read_history(tiny_run), key=lambda line: line["val_miou"])
    assert line["val_miou"] == pytest.approx(np.mean(ious), abs=1e-3)
    scores = json.loads((tiny_run / "scores.json").read_text())
    assert read_description(best).threshold == scores.pop("decision_threshold")["chosen"]
    assert scores.items() <= evaluated(best, scenes, tmp_path, "val", "--threshold", "0.5").items()


def test_the_weights_describe_themselves(tiny_run, best, scenes):
    description = read_description(best)
    assert (description.name, description.class_names) == ("pspnet_mobilenet_v2", ("background", "landslide"))
    split = split_samples(find_samples(scenes), "auto")
    assert description.data == Data(
        split="auto",
        trained_on=tuple(sample.name for sample in split.subset("train")),
        groups=tuple(sorted(sample.group for sample in split.subset("train"))),
        negatives=description.data.negatives,
    )
    parts = split_samples(find_samples(scenes), "auto", negatives=find_negatives(scenes)).negatives
    negatives = set(description.data.negatives)
    assert len(negatives) == 3 and negatives < {sample.name for sample in parts["train"]}
    assert description.settings["negatives"] == 3
    assert description.scores == max(read_history(tiny_run), key=lambda line: line["val_miou"])
    with h5py.File(best) as file:
        assert json.loads(file.attrs["keras_landslide"])["format"] == 2


def test_evaluate_writes_the_agreed_keys_and_the_sums_agree(best, scenes, tmp_path, capsys):
    scores = evaluated(best, scenes, tmp_path)
    assert set(scores) == {*SCORE_KEYS, "background", "landslide", "per_image", *ADDED_KEYS}
    assert set(scores["background"]) == set(scores["landslide"]) == CLASS_KEYS
    total = np.sum(list(scores["per_image"].values()), axis=0)
    assert total.tolist() == scores["confusion"]
    samples = split_samples(find_samples(scenes), "auto").subset("test")
    assert total.sum() == sum(sample.read()[1].size for sample in samples)
    (tn, fp), (fn, tp) = scores["confusion"]
    assert scores["miou"] == pytest.approx((tn / (tn + fp + fn) + tp / (tp + fp + fn)) / 2)
    printed = capsys.readouterr().out
    assert f"{100 * scores['miou']:.2f}" in printed and "89.11" in printed  # the paper's line beside ours


def test_evaluate_takes_the_fold_of_training_unless_told_otherwise(best, scenes, tmp_path, monkeypatch):
    folded = tmp_path / "folded.weights.h5"
    shutil.copy(best, folded)
    with h5py.File(folded, "r+") as file:
        said = file.attrs["keras_landslide"]
        file.attrs["keras_landslide"] = said.replace('"fold": null', '"fold": "2/4"').replace('"seed": 0', '"seed": 3')
    asked = []

    def stop(predictor, labellings, *, split, **_):
        asked.append((split, labellings["original"]))
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_landslide.evaluation.evaluate_labellings", stop)
    for more in ([], ["--fold", "3/4"], ["--split", "auto"]):
        assert main(["evaluate", "--weights", str(folded), "--data", str(scenes), *more]) == 130

    def expected(**options) -> list:
        return split_samples(find_samples(scenes), "auto", seed=3, **options).subset("test")

    assert asked == [
        ("auto, fold 2/4", expected(fold="2/4")),
        ("auto, fold 3/4", expected(fold="3/4")),
        ("auto", expected()),
    ]


def test_variants_of_training_images_are_known_for_what_they_are(best, scenes, tmp_path, capsys):
    assert main(["augment", "--data", str(scenes), "--out", str(tmp_path / "more"), "--count", "26"]) == 0
    scores = evaluated(best, tmp_path / "more", tmp_path, "train")
    count = scores["images"]
    with (tmp_path / "more" / "groups.csv").open(newline="") as file:
        groups = {line["name"]: line["group"] for line in csv.DictReader(file)}
    assert scores["groups"] == {name: groups[name] for name in scores["per_image"]}
    assert len(set(scores["groups"].values())) < count  # variants stand with their originals
    printed = capsys.readouterr().out
    assert f"{count} of these {count} images show ground that was trained on" in printed
    assert "were trained on: the scores say nothing" not in printed
    assert scores["trained_on"] == {"images": 0, "ground": count, "negatives": 0, "initial_images": 0}
    scores = evaluated(best, scenes, tmp_path, "test")
    assert "trained on" not in capsys.readouterr().out and not any(scores["trained_on"].values())
    assert evaluated(best, scenes, tmp_path, "train")["trained_on"]["images"] == 13


def test_negatives_are_reported_apart_and_as_the_masks_have_them(best, scenes, tmp_path, capsys):
    plain = evaluated(best, scenes, tmp_path, "train")
    assert "negatives" not in plain and "without landslide" not in capsys.readouterr().out
    scores = evaluated(best, scenes, tmp_path, "train", "--negatives")
    printed = capsys.readouterr().out
    block = scores.pop("negatives")
    assert scores.pop("trained_on") == {**plain.pop("trained_on"), "negatives": 3}
    assert scores == plain
    assert "3 of these 4 images without landslide were trained on" in printed
    parts = split_samples(find_samples(scenes), "auto", negatives=find_negatives(scenes)).negatives
    images = [str(sample.image) for sample in parts["train"]]
    assert main(["predict", "--weights", best, *images, "--out", str(tmp_path / "out")]) == 0
    masks = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) > 0 for path in (tmp_path / "out" / "masks").iterdir()]
    assert block == {
        "images": 4,
        "false_alarms": np.mean([mask.mean() > 0.01 for mask in masks]),
        "marked_area": sum(mask.sum() for mask in masks) / sum(mask.size for mask in masks),
    }
    assert f"({100 * block['false_alarms']:.1f} %, 95 % interval " in printed


def test_evaluated_twice_and_through_predicted_masks_the_counts_are_the_same(best, scenes, tmp_path):
    first = evaluated(best, scenes, tmp_path, "train")
    assert evaluated(best, scenes, tmp_path, "train") == first
    samples = split_samples(find_samples(scenes), "auto").subset("train")
    images = [str(sample.image) for sample in reversed(samples)]  # the order must not matter
    assert main(["predict", "--weights", best, *images, "--out", str(tmp_path / "out")]) == 0
    for sample in samples:
        predicted = cv2.imread(str(tmp_path / "out" / "masks" / f"{sample.name}.png"), cv2.IMREAD_UNCHANGED)
        truth = cv2.imread(str(sample.mask), cv2.IMREAD_UNCHANGED)
        assert set(np.unique(predicted)) <= {0, 255}
        counted = [[int(((truth == t) & (predicted == p)).sum()) for p in (0, 255)] for t in (0, 255)]
        assert counted == first["per_image"][sample.name]


def test_memory_is_kept_by_training_alone(best, scenes, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(allocator, "ctypes", SimpleNamespace(CDLL=lambda name: asked.append(name)))
    image = str(scenes / "landslide" / "image" / "synth_0001.png")
    assert main(["predict", "--weights", best, image, "--out", str(tmp_path / "out")]) == 0
    evaluated(best, scenes, tmp_path)
    assert not asked
    allocator.keep_freed_memory()  # the control
    assert len(asked) == allocator.sys.platform.startswith("linux")


def test_the_table_of_predictions_counts_the_masks(best, scenes, tmp_path):
    assert (
        main(["predict", "--weights", best, str(scenes / "landslide" / "image"), "--out", str(tmp_path / "out")]) == 0
    )
    with (tmp_path / "out" / "predictions.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 16
    for line in lines:
        mask = cv2.imread(str(tmp_path / "out" / line["mask"]), cv2.IMREAD_UNCHANGED)
        assert mask.shape == (int(line["height"]), int(line["width"]))
        assert int(line["landslide_pixels"]) == (mask == 255).sum()
        assert float(line["landslide_share"]) == pytest.approx((mask == 255).mean(), abs=1e-6)
        assert (tmp_path / "out" / "overlays" / Path(line["mask"]).name).is_file()


def test_load_model_needs_nothing_but_the_file_and_takes_any_size(best):
    model = keras_landslide.load_model(best)
    for height, width in ((64, 64), (97, 130)):
        probabilities = model.predict(np.zeros((1, height, width, 3), np.uint8), verbose=0)
        assert probabilities.shape == (1, height, width, 2)
        assert probabilities.dtype == np.float32
        np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)


def test_averaging_flips_makes_the_answer_the_same_for_the_mirror_image(best, scenes):
    model = keras_landslide.load_model(best)
    image = find_samples(scenes)[0].read()[0][:48, :48]  # a square has no bars, which may differ by a pixel
    plain = keras_landslide.Predictor.of(model)
    assert np.abs(plain(image) - plain(image[:, ::-1])[:, ::-1]).max() > 1e-3
    averaged = keras_landslide.Predictor.of(model, average_flips=True)
    np.testing.assert_allclose(averaged(image), averaged(image[:, ::-1])[:, ::-1], atol=1e-4)


def test_training_weights_hold_no_optimizer_and_an_epoch_is_saved_as_it_was(tiny_run):
    with h5py.File(tiny_run / "last" / "last.weights.h5") as file:
        assert "optimizer" not in file
    assert read_description(tiny_run / "last" / "last.weights.h5").scores["epoch"] == 3


@pytest.mark.slow
def test_real_images_train_a_few_steps(bijie, imagenet, tmp_path, monkeypatch, capsys):
    """The whole way on the real folder, cut short: ImageNet start, a handful of the paper's images."""
    import dataclasses

    import keras_landslide.cli as cli
    from keras_landslide.training.plan import planned

    monkeypatch.setenv("KERAS_LANDSLIDE_BACKBONES", str(imagenet))

    def few(settings, source, *arguments, **options):
        split = source.load(settings)
        part = {name: samples[:8] for name, samples in split.subsets.items()}
        return planned(settings, dataclasses.replace(split, subsets=part), *arguments, **options)

    monkeypatch.setattr("keras_landslide.training.jobs.planned", few)
    arguments = (
        "train --experiment pspnet_mobilenet_v2 --preset cpu --split paper510 --image-size 96 --unfrozen-epochs 0"
    )
    arguments += " --frozen-epochs 6 --frozen-batch-size 4 --frozen-learning-rate 0.003"
    assert cli.main([*arguments.split(), "--data", str(bijie), "--out", str(tmp_path / "run")]) == 0
    history = read_history(tmp_path / "run")
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    assert "8 of 413 train, 8 of 46 val, 8 of 51 test" in capsys.readouterr().out
