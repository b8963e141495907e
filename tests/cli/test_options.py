"""What `evaluate` and `predict` are told reaches the network, and what it answers their files."""

import csv
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from keras_landslide.cli import main
from keras_landslide.models import Description, build_model, save_weights
from keras_landslide.models.saving import describe
from tests.prediction.test_prediction import ByRule, red_above_on_the_left, red_around
from tests.test_evaluation import counted


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory) -> Path:
    """A weights file of a network trained at 64 pixels whose input has 128 when it predicts."""
    path = tmp_path_factory.mktemp("random") / "random.weights.h5"
    kind = {"architecture": "pspnet", "backbone": "mobilenet", "output_stride": 16}
    model = build_model(**kind, input_shape=(64, 64, 3), backbone_weights=None)
    save_weights(model, path, Description(**kind, prediction_size=128, settings={"image_size": 64}))
    return path


@pytest.fixture(scope="module")
def two_colours(tmp_path_factory) -> Path:
    """Ten images of 64 × 64 in Bijie's form, red and blue at random as their masks are, and five without landslide."""
    folder, random = tmp_path_factory.mktemp("two_colours"), np.random.default_rng(0)
    places = {"landslide/image": 10, "landslide/mask": 10, "non-landslide/image": 5}
    for place, count in places.items():
        (folder / place).mkdir(parents=True)
        for number in range(count):
            marked = random.random((64, 64)) > 0.5
            colours = np.where(marked[..., None], (250, 60, 0), (10, 60, 200))
            content = np.where(marked, 255, 0) if place.endswith("mask") else colours
            Image.fromarray(content.astype(np.uint8)).save(folder / place / f"{place[0]}{number}.png")
    return folder


@pytest.fixture
def answers(monkeypatch):
    """A function that has every network answer by this rule, and gives the model of the rule that keeps the batches."""

    def by(rule) -> ByRule:
        model = ByRule(rule)
        monkeypatch.setattr(keras.Model, "predict_on_batch", lambda self, batch: model(batch))
        return model

    return by


def bright(batch):
    """The rule that comes out the same at any size: what is red is landslide."""
    return batch[..., 0] > 128


def pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path))


def evaluated(weights, folder, out, *more) -> dict:
    arguments = ["evaluate", "--weights", weights, "--data", folder, "--subset", "train", *more]
    arguments += ["--json", out / "scores.json", "--overwrite"]
    assert main([str(argument) for argument in arguments]) == 0
    return json.loads((out / "scores.json").read_text())


def test_evaluate_predicts_at_the_size_that_the_weights_say(random_weights, two_colours, answers, tmp_path):
    model = answers(bright)
    scores = evaluated(random_weights, two_colours, tmp_path)
    assert len(scores["per_image"]) > 1
    assert [batch.shape for batch in model.batches] == [(1, 128, 128, 3)] * len(scores["per_image"])
    for name, confusion in scores["per_image"].items():
        truth = pixels(two_colours / "landslide" / "mask" / f"{name}.png") == 255
        found = pixels(two_colours / "landslide" / "image" / f"{name}.png")[..., 0] == 250
        assert confusion == counted(truth, found)


def test_evaluate_takes_another_size_and_averages_mirror_images(random_weights, two_colours, answers, tmp_path):
    model = answers(red_above_on_the_left)
    more = ("--image-size", "64", "--average-flips", "--negatives")
    scores = evaluated(random_weights, two_colours, tmp_path, *more)
    block = scores["negatives"]
    count = len(scores["per_image"]) + block["images"]
    assert [batch.shape for batch in model.batches] == [(1, 64, 64, 3)] * 4 * count
    for name, confusion in scores["per_image"].items():
        truth = pixels(two_colours / "landslide" / "mask" / f"{name}.png") == 255
        found = red_around(pixels(two_colours / "landslide" / "image" / f"{name}.png")) > 0.5
        assert confusion == counted(truth, found)
    views = [batch[0] for batch in model.batches[4 * len(scores["per_image"]) :: 4]]
    assert block["marked_area"] == np.mean([red_around(view) > 0.5 for view in views])


@pytest.mark.parametrize(
    ("rule", "more", "size", "views"),
    [(bright, (), 128, 1), (red_above_on_the_left, ("--image-size", "64", "--average-flips"), 64, 4)],
    ids=["as_the_weights_say", "as_told"],
)
def test_predict_writes_what_the_network_answers(
    rule, more, size, views, random_weights, two_colours, answers, tmp_path, capsys
):
    model, images = answers(rule), sorted((two_colours / "landslide" / "image").iterdir())[:3]
    arguments = ["predict", "--weights", random_weights, *images, "--out", tmp_path / "out", *more]
    assert main([str(argument) for argument in arguments]) == 0
    assert [batch.shape for batch in model.batches] == [(1, size, size, 3)] * (views * len(images))
    shares = []
    with (tmp_path / "out" / "predictions.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    for image, line in zip(images, lines, strict=True):
        found = pixels(image)[..., 0] == 250 if views == 1 else red_around(pixels(image)) > 0.5
        np.testing.assert_array_equal(pixels(tmp_path / "out" / line["mask"]), np.where(found, 255, 0))
        assert (line["image"], line["landslide_pixels"]) == (str(image), str(found.sum()))
        shares.append(found.mean())
    assert f"3 images, {100 * np.mean(shares):.1f} % of the pixels marked as landslide" in capsys.readouterr().out


def test_a_threshold_that_is_given_decides_instead_of_that_of_the_weights(
    random_weights, two_colours, answers, tmp_path, capsys
):
    """Red is 250 or 10 of 255: as a probability 0.98 or 0.04."""
    answers(lambda batch: batch[..., 0] / 255)
    weights = tmp_path / "told.weights.h5"
    shutil.copy(random_weights, weights)
    describe(weights, threshold=0.99)
    images = two_colours / "landslide" / "image"
    marked = {}
    for name, more in {"weights": (), "half": ("--threshold", "0.5"), "low": ("--threshold", "0.01")}.items():
        scores = evaluated(weights, two_colours, tmp_path, *more)
        (tn, fp), (fn, tp) = scores["confusion"]
        marked[name] = (fp + tp) / (tn + fp + fn + tp)
        said = capsys.readouterr().out
        assert ("probability is above" in said) == (name != "half")
        assert scores["threshold"] == {"weights": 0.99, "half": 0.5, "low": 0.01}[name]
        arguments = ["predict", "--weights", weights, images, "--out", tmp_path / name, *more]
        assert main([str(argument) for argument in arguments]) == 0
        masks = [pixels(mask) for mask in (tmp_path / name / "masks").iterdir()]
        found = np.mean([mask == 255 for mask in masks])
        reds = np.mean([pixels(image)[..., 0] == 250 for image in images.iterdir()])
        assert found == {"weights": 0, "half": reds, "low": 1}[name]
        assert (marked[name] == 0, marked[name] == 1) == (name == "weights", name == "low")


@pytest.mark.parametrize("threshold", ["0", "1", "1.5", "-0.1", "high"])
def test_a_threshold_that_is_no_probability_is_refused(threshold, fails):
    assert f"{threshold} is not possible; give a number" in fails("predict", "photo.png", f"--threshold={threshold}")


def test_a_threshold_is_for_two_classes(fails, tmp_path):
    path = tmp_path / "three.weights.h5"
    kind = {"architecture": "pspnet", "backbone": "mobilenet", "output_stride": 16}
    model = build_model(**kind, classes=3, input_shape=(64, 64, 3), backbone_weights=None)
    save_weights(model, path, Description(**kind, class_names=("a", "b", "c"), prediction_size=64))
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.png")
    said = fails("predict", "--weights", path, tmp_path / "photo.png", "--threshold", "0.6", "--out", tmp_path / "out")
    assert "--threshold is for two classes" in said and "has 3; leave it out" in said
    assert not (tmp_path / "out").exists()


def test_weights_on_terms_say_so_last(random_weights, two_colours, answers, tmp_path, capsys):
    answers(bright)
    weights = tmp_path / "told.weights.h5"
    shutil.copy(random_weights, weights)
    image = next((two_colours / "landslide" / "image").iterdir())
    for number, licence in enumerate(("", "For research only.")):
        describe(weights, licence=licence)
        assert main(["predict", "--weights", str(weights), str(image), "--out", str(tmp_path / str(number))]) == 0
        last = capsys.readouterr().out.rstrip("\n").split("\n")[-1]
        assert (last == licence) if licence else last.endswith(str(tmp_path / "0"))
