"""Completed labels: the union with what overlapping images of the same subset mark, and nothing else."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from keras_landslide.cli import main
from keras_landslide.data.labels import completed, with_labels, without_doubtful
from keras_landslide.data.layouts import find_samples
from keras_landslide.data.overlaps import find_overlaps
from keras_landslide.data.sample import Neighbour
from keras_landslide.data.splits import Split
from keras_landslide.data.synthetic import mountain_scene
from keras_landslide.data.voc import VocSample
from keras_landslide.errors import LandslideError
from keras_landslide.files.images import write_image
from keras_landslide.models import read_description
from tests.small import small_network

# name: (top, left, height, width) of the chip in the scene, and of its landslide; chips a, b and c share ground.
CHIPS = {
    "a": ((0, 0, 90, 90), (20, 20, 20, 30)),
    "b": ((10, 50, 80, 100), (45, 70, 40, 30)),
    "c": ((60, 30, 70, 100), (80, 95, 40, 30)),
    "d": ((0, 160, 60, 60), (10, 170, 20, 20)),
    "e": ((70, 160, 60, 60), (90, 170, 20, 20)),
    "f": ((70, 225, 60, 60), (90, 240, 20, 20)),
}
SCENE = (140, 290)


def test_other_classes_stay_and_what_is_ignored_does(tmp_path, palette_png):
    """Of a folder in VOC's form: a neighbour's landslide takes the place of background alone."""
    own, beside = np.zeros((8, 12), np.uint8), np.zeros((8, 12), np.uint8)
    own[:, 2:4], own[:, 4:6], beside[:, :8] = 2, 255, 1
    for name, mask in (("own", own), ("beside", beside)):
        palette_png(tmp_path / f"{name}.png", mask)
    write_image(tmp_path / "image.png", np.zeros((8, 12, 3), np.uint8))
    neighbour = Neighbour(tmp_path / "beside.png", 0, 0)
    sample = VocSample("own", tmp_path / "image.png", tmp_path / "own.png", "own", neighbours=(neighbour,))
    assert sample.read()[1][0].tolist() == [1, 1, 2, 2, 255, 255, 1, 1, 0, 0, 0, 0]


def rectangle(top, left, height, width):
    return slice(top, top + height), slice(left, left + width)


@pytest.fixture(scope="module")
def chips(tmp_path_factory):
    """Chips of one scene, each with a mask of its own landslide only."""
    folder = tmp_path_factory.mktemp("chips")
    scene = mountain_scene(3, SCENE).image
    for name, (place, landslide) in CHIPS.items():
        marked = np.zeros(scene.shape[:2], np.uint8)
        marked[rectangle(*landslide)] = 255
        write_image(folder / "image" / f"{name}.png", scene[rectangle(*place)])
        write_image(folder / "mask" / f"{name}.png", marked[rectangle(*place)])
    return folder


def split_of(chips, **subsets) -> Split:
    samples = {sample.name: sample for sample in find_samples(chips)}
    return Split("mine", {name: [samples[one] for one in names] for name, names in subsets.items()}, {})


def expected(name, *neighbours):
    """Drawn on the whole scene: the landslide of the chip, and of each neighbour as far as that chip sees it."""
    truth = np.zeros(SCENE, np.uint8)
    for one in (name, *neighbours):
        place, landslide = CHIPS[one]
        seen = np.zeros_like(truth)
        seen[rectangle(*landslide)] = 1
        outside = np.ones_like(truth, bool)
        outside[rectangle(*place)] = False
        seen[outside] = 0
        truth |= seen
    return truth[rectangle(*CHIPS[name][0])]


def test_landslides_of_overlapping_images_are_added(chips):
    split = with_labels(split_of(chips, train="abcd"), "completed")
    assert split.labels == "completed"
    for sample, others in zip(split.subset("train"), ("bc", "ac", "ab", ""), strict=True):
        image, classes = sample.read()
        np.testing.assert_array_equal(classes, expected(sample.name, *others))
        np.testing.assert_array_equal(image, find_samples(chips)["abcd".index(sample.name)].read()[0])
    assert split.subset("train")[0].read()[1].sum() > expected("a").sum()


def test_doubtful_pixels_are_those_that_completing_would_add_and_only_training_ignores_them(chips):
    split = without_doubtful(split_of(chips, train="abd", val="c", test="c"))
    for sample, others in zip(split.subset("train"), ("b", "a", ""), strict=True):
        own, both = expected(sample.name), expected(sample.name, *others)
        np.testing.assert_array_equal(sample.read()[1], np.where(both > own, 255, own))
    assert (split.subset("train")[0].read()[1] == 255).any()
    for name in ("val", "test"):
        np.testing.assert_array_equal(split.subset(name)[0].read()[1], expected("c"))
    assert split.labels == "original"


def test_what_both_masks_mark_is_landslide_and_not_doubtful(chips):
    (sample, *_) = find_samples(chips)
    own = sample.read()[1]
    twice = replace(sample, neighbours=(Neighbour(sample.mask, 0, 0),), neighbours_are=255)
    np.testing.assert_array_equal(twice.read()[1], own)
    assert (own == 1).any()


def test_another_side_of_the_split_adds_nothing(chips):
    split = with_labels(split_of(chips, train="ad", val="b", test="c"), "completed")
    for sample in (*split.subset("train"), *split.subset("val"), *split.subset("test")):
        np.testing.assert_array_equal(sample.read()[1], expected(sample.name))
    split = with_labels(split_of(chips, train="ac", test="bd"), "completed")
    np.testing.assert_array_equal(split.subset("train")[1].read()[1], expected("c", "a"))


def test_overlaps_that_the_split_has_are_not_sought_again(chips, monkeypatch):
    whole = with_labels(split_of(chips, train="ac", test="bd"), "completed")
    images = {sample.name: sample.image for sample in find_samples(chips)}
    split = replace(split_of(chips, train="ac", test="bd"), overlaps=find_overlaps(images))
    assert len(split.overlaps) == 3  # of which one lies in a subset
    monkeypatch.setattr("keras_landslide.data.labels.find_overlaps", lambda *_: pytest.fail("sought again"))
    assert with_labels(split, "completed").subsets == whole.subsets


def test_original_labels_are_the_masks_and_other_names_are_refused(chips):
    split = split_of(chips, train="abcd")
    assert with_labels(split, "original") is split
    with pytest.raises(LandslideError, match="did you mean 'completed'"):
        with_labels(split, "complete")


@pytest.fixture
def evaluated(chips, tiny_run, tmp_path, capsys, monkeypatch):
    """The scores and the report of `evaluate --labels`, with all chips as the test part."""
    monkeypatch.setattr("keras_landslide.data.splits.AUTO_SHARES", {"train": 0, "val": 0, "test": 1.0})

    def run(labels):
        file = tmp_path / f"{labels}.json"
        weights = tiny_run / "best.weights.h5"
        arguments = ["evaluate", "--weights", weights, "--data", chips, "--labels", labels, "--json", file]
        assert main([str(part) for part in arguments]) == 0
        return json.loads(file.read_text()), capsys.readouterr().out

    return run


def test_evaluate_scores_on_either_labels_or_both(evaluated):
    original, _ = evaluated("original")
    completed_scores, _ = evaluated("completed")
    both, printed = evaluated("both")
    assert both == {**original, "completed": completed_scores}
    assert list(both)[-1] == "completed"
    assert (original["labels"], completed_scores["labels"]) == ("original", "completed")
    groups = original["groups"]
    assert groups == completed_scores["groups"] and groups["a"] == groups["b"] == groups["c"]
    assert len({groups[name] for name in "adef"}) == 4 and set(groups) == set(CHIPS)
    for name, others in zip("abcd", ("bc", "ac", "ab", ""), strict=True):
        assert sum(original["per_image"][name][1]) == expected(name).sum()
        assert sum(completed_scores["per_image"][name][1]) == expected(name, *others).sum()
    assert "original labels" in printed and "completed labels" in printed


def test_train_is_handed_the_labels_that_it_was_asked_for(chips, tmp_path, monkeypatch, fails):
    handed = []

    def train(plan, **_):
        handed.append(plan)
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_landslide.training.fit.train", train)
    arguments = ["train", "--data", str(chips), "--out", str(tmp_path / "run"), "--backbone-weights", "none"]
    assert "did you mean 'completed'" in fails(*arguments, "--labels", "complete")
    assert "Choose from: original, completed" in fails(*arguments, "--labels", "both")
    with small_network():
        for labels in ("original", "completed"):
            main([*arguments, "--labels", labels, "--seed", "1"])  # which deals a, b and c to the training part
            plan = handed.pop()
            assert plan.split.labels == plan.run.description.data.labels == labels
            assert any(sample.neighbours for sample in plan.train_samples) == (labels == "completed")


def test_trained_weights_and_validation_scores_say_which_labels(chips, tmp_path, played):
    tiny = "--image-size 64 --output-stride 16 --frozen-epochs 1 --unfrozen-epochs 0 --frozen-batch-size 2"
    arguments = ["train", "--data", str(chips), "--out", str(tmp_path / "run"), "--backbone-weights", "none"]
    arguments += ["--seed", "1"]
    with small_network():
        assert main([*arguments, *tiny.split(), "--labels", "completed"]) == 0
    assert read_description(tmp_path / "run" / "best.weights.h5").data.labels == "completed"
    assert json.loads((tmp_path / "run" / "scores.json").read_text())["labels"] == "completed"


@pytest.mark.slow
def test_what_completion_adds_to_the_real_masks(bijie):
    """On all 770 images 9.4 % more landslide pixels and 191 images changed.

    The 70 images that are not here share ground once, so the 700 have nearly all of what is added.
    """
    samples = find_samples(bijie)
    overlaps = find_overlaps({sample.name: sample.image for sample in samples})
    before, after, changed = 0, 0, 0
    for sample, more in zip(samples, completed(samples, overlaps), strict=True):
        own, all_of_it = sample.read()[1], more.read()[1]
        before, after, changed = before + own.sum(), after + all_of_it.sum(), changed + (own != all_of_it).any()
    with (bijie / "splits.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    whole = sum(int(row["height"]) * int(row["width"]) * float(row["landslide_share"]) for row in rows)
    assert changed == 189
    assert 0.092 < (after - before) / whole < 0.094
    assert after / before == pytest.approx(1.1045, abs=1e-4)
