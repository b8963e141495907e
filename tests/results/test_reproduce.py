"""A row from data to `results/`, with a small network in its place: what the file and the maps say of each image."""

import dataclasses
import subprocess
from pathlib import Path
from types import SimpleNamespace

import cv2
import keras
import numpy as np
import pytest

from keras_landslide.files.atomic import read_json, write_json
from keras_landslide.files.images import read_image
from keras_landslide.models import load_model
from keras_landslide.prediction.predictor import Predictor
from keras_landslide.results import reproduce
from keras_landslide.results.result import read_result
from keras_landslide.training import circumstances, plan
from tests.conftest import ROOT
from tests.results.test_experiments import loaded
from tests.small import small_network


@pytest.fixture(scope="module")
def reproduced(scenes, tmp_path_factory):
    """A function that runs a row with --quick and a threshold in its weights: its result, and images predicted.

    All of `scenes` is quick to train on, so that nothing is left out.
    """

    def run(threshold: float, seed: int):
        folder = tmp_path_factory.mktemp("reproduced")
        predicted = []

        def of(model, **how):
            predictor = Predictor.of(model, **how)

            def counted(batch):
                predicted.append(batch)
                return predictor.run(batch)

            return dataclasses.replace(predictor, run=counted, threshold=threshold)

        given = ["--quick", "--data", scenes, "--split", "auto", "--seed", seed]
        given += ["--out", folder / "run", "--results", folder / "results"]
        with pytest.MonkeyPatch.context() as patch, small_network(), pytest.raises(SystemExit) as stop:
            patch.setattr(plan, "initialise_backbone", lambda network, name, weights: [])
            patch.setattr(reproduce, "Predictor", SimpleNamespace(of=of))
            reproduce.main("pspnet_mobilenet_v2", "", [str(argument) for argument in given])
        assert stop.value.code == 0
        (path,) = (folder / "results").glob("*.json")
        return read_result(path), len(predicted)

    return run


@pytest.fixture(scope="module")
def at_07(reproduced):
    return reproduced(0.7, seed=1)


def counted(truth: np.ndarray, marked: np.ndarray) -> tuple:
    """[[TN, FP], [FN, TP]] in plain NumPy."""
    return tuple(tuple(int(((truth == row) & (marked == column)).sum()) for column in (0, 1)) for row in (0, 1))


def test_the_maps_and_the_masks_give_the_counts_of_both_thresholds(at_07, scenes):
    """Of probabilities p, round(255 p) is above 127 where p is above 0.5, and above 178 where it is above 0.7."""
    result, _ = at_07
    assert [decision.threshold for decision in result.decisions] == [0.5, 0.7]
    for name in result.per_image:
        stored = cv2.imread(str(result.maps / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        truth = cv2.imread(str(scenes / "landslide" / "mask" / f"{name}.png"), cv2.IMREAD_UNCHANGED) > 0
        assert result.per_image[name] == counted(truth, stored > 127)
        assert result.at_threshold.per_image[name] == counted(truth, stored > 178)
    assert result.per_image != result.at_threshold.per_image
    assert result.completed.labels == result.at_threshold.completed.labels == "completed"
    assert result.completed.per_image == result.per_image  # no scene shows another's ground


def test_the_negatives_are_counted_by_image_and_have_maps(at_07):
    result, _ = at_07
    for decision, least in zip(result.decisions, (128, 179), strict=True):
        counts = decision.negatives.per_image
        assert decision.negatives.images == len(counts) > 0
        for name, (marked, pixels) in counts.items():
            stored = cv2.imread(str(result.maps / f"{name}.png"), cv2.IMREAD_UNCHANGED)
            assert (marked, pixels) == ((stored >= least).sum(), stored.size)
        marked, pixels = np.array(list(counts.values())).T
        assert decision.negatives.false_alarms == np.mean(marked > 0.01 * pixels)
        assert decision.negatives.marked_area == pytest.approx(marked.sum() / pixels.sum())


def test_every_image_is_predicted_once(at_07):
    result, predictions = at_07
    names = {*result.per_image, *result.negatives.per_image}
    assert predictions == len(names)
    assert {path.stem for path in result.maps.iterdir()} == names


def test_a_further_seed_has_files_of_its_own(at_07):
    result, _ = at_07
    assert result.path.name == "pspnet_mobilenet_v2_seed1.json" and result.settings["seed"] == 1
    assert result.maps.name == "pspnet_mobilenet_v2_seed1"
    assert result.start["weights"] == "imagenet" and "head" in result.start["random_layers"]
    described = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    assert result.commit.removesuffix("-dirty") == described if (ROOT / ".git").exists() else result.commit is None


def test_weights_without_a_threshold_have_no_second_score(reproduced):
    result, _ = reproduced(0.5, seed=0)
    assert result.at_threshold is None and result.path.name == "pspnet_mobilenet_v2.json"


def test_a_package_that_is_no_checkout_has_no_commit(monkeypatch, tmp_path):
    place = tmp_path / "site" / "keras_landslide" / "training" / "circumstances.py"
    monkeypatch.setattr(circumstances, "__file__", str(place))
    assert circumstances.commit() is None
    (tmp_path / "site" / ".git").mkdir(parents=True)  # of nothing: git cannot say
    assert circumstances.commit() is None


def test_a_result_says_where_and_when_it_was_trained_not_scored(tmp_path):
    begun = {"date": "2026-11-01", "machine": {"cores": 64}, "commit": "0123abc", "settings": {}}
    write_json(tmp_path / "settings.json", begun)
    said = reproduce.came_about(tmp_path, [{"seconds": 90.0}, {"seconds": 36.0}])
    assert (said["date"], said["machine"], said["commit"]) == ("2026-11-01", {"cores": 64}, "0123abc")
    assert said["minutes"] == 2.1
    assert said["versions"]["keras"] == keras.__version__  # which the file does not know


@pytest.mark.parametrize(("seed", "name"), [(0, "leakage.json"), (2, "leakage_seed2.json")])
def test_every_seed_of_an_experiment_has_a_file_of_its_own(tmp_path, seed, name):
    options = SimpleNamespace(results=tmp_path, seed=seed)
    reproduce.write_result(options, "leakage", {"a": 1})
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_seed_that_is_none_is_said(capsys):
    with pytest.raises(SystemExit) as stop:
        reproduce.parsed(reproduce.options_parser("row", ""), ["--seed", "-1"])
    assert stop.value.code == 2 and "--seed -1 is not possible; give 0 to" in capsys.readouterr().err


def test_a_further_seed_has_a_run_folder_of_its_own():
    parser = reproduce.options_parser("row", "")
    assert reproduce.parsed(parser, ["--seed", "2"]).out == "runs/row_seed2"
    assert reproduce.parsed(parser, []).out == "runs/row"
    assert Path(reproduce.parsed(parser, ["--seed", "2", "--out", "mine"]).out) == Path("mine")


def test_best_is_its_row_with_what_is_changed_of_it(scenes, tmp_path, monkeypatch):
    """A `changes` of its own, so that the test does not depend on what was found to help."""
    best = loaded("best")
    monkeypatch.setattr(best, "CHANGES", {"average_flips": True, "weight_averaging": 0.9})
    monkeypatch.setattr(plan, "initialise_backbone", lambda network, name, weights: [])
    given = [
        "--quick",
        "--data",
        scenes,
        "--split",
        "auto",
        "--out",
        tmp_path / "run",
        "--results",
        tmp_path / "results",
    ]
    with small_network(), pytest.raises(SystemExit) as stop:
        best.main([str(argument) for argument in given])
    assert stop.value.code == 0
    (path,) = (tmp_path / "results").glob("*.json")
    content = read_json(path)
    settings = content["settings"]
    assert path.name == "best.json" and f"{settings['architecture']}_{settings['backbone']}" == best.ROW
    assert settings["weight_averaging"] == 0.9 and content["average_flips"] is True
    with small_network():
        model = load_model(tmp_path / "run" / "best.weights.h5")
        predictor = Predictor(model.predict_on_batch, 64)
    for name in content["per_image"]:
        image = read_image(scenes / "landslide" / "image" / f"{name}.png")
        views = [predictor(image), predictor(image[:, ::-1])[:, ::-1]]
        views += [predictor(image[::-1])[::-1], predictor(image[::-1, ::-1])[::-1, ::-1]]
        stored = cv2.imread(str(read_result(path).maps / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_allclose(stored, 255 * np.mean(views, axis=0)[..., 1], atol=0.6)


@pytest.mark.parametrize("jax", [True, False])
def test_the_version_of_jax_is_told_where_it_computes(jax, monkeypatch):
    monkeypatch.setattr(circumstances, "on_jax", lambda: jax)
    assert ("jax" in circumstances.circumstances()["versions"]) == jax
