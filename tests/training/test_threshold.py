"""The decision threshold, against one that is looked for one threshold after another."""

import dataclasses
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from keras_landslide.data.layouts import find_negatives, find_samples
from keras_landslide.evaluation import evaluate_thresholds, false_alarms_at
from keras_landslide.files.atomic import read_json
from keras_landslide.models.description import Description
from keras_landslide.models.saving import describe, read_weights, save_weights
from keras_landslide.prediction.predictor import Predictor
from keras_landslide.scores import confusion_matrix
from keras_landslide.training import fit
from keras_landslide.training.threshold import THRESHOLDS, Choice, chosen_threshold
from tests.prediction.test_prediction import ByRule, red
from tests.small import SETTINGS, small_model, small_network, train


def iou_above(threshold: float, predictor: Predictor, samples) -> float:
    """Pixel by pixel: marked and landslide, by marked or landslide."""
    both = either = 0
    for sample in samples:
        image, truth = sample.read()
        marked = predictor(image)[..., 1] > threshold
        both += np.sum(marked & (truth == 1))
        either += np.sum(marked | (truth == 1))
    return both / either


def test_the_threshold_is_the_best_of_images_with_and_without_landslide(scenes):
    samples, negatives = find_samples(scenes)[:5], find_negatives(scenes)[:5]
    predictor = Predictor(ByRule(red), 64)
    (evaluations,) = zip(
        *evaluate_thresholds(predictor, {"original": samples}, THRESHOLDS, split="", subset="val"), strict=True
    )
    alone, together = (
        chosen_threshold(evaluations, false_alarms_at(predictor, without, THRESHOLDS)) for without in ([], negatives)
    )
    for choice, seen in ((alone, samples), (together, [*samples, *negatives])):
        wanted = [iou_above(threshold, predictor, seen) for threshold in THRESHOLDS]
        assert choice.landslide_iou == pytest.approx(wanted, abs=1e-12) and len(set(wanted)) > 10
        assert choice.threshold == THRESHOLDS[int(np.argmax(wanted))]
        assert choice.iou_at(choice.threshold) == max(wanted)
    assert (together.images, together.negatives) == (5, 5)
    assert together.landslide_iou[0] < alone.landslide_iou[0]


def test_of_equal_thresholds_the_one_nearest_to_a_half_is_taken():
    flat = dict(zip(THRESHOLDS, [0.4] * 19, strict=True))
    assert Choice(tuple(flat.values()), 1, 0).threshold == 0.5
    assert Choice(tuple((flat | {0.2: 0.6, 0.65: 0.6}).values()), 1, 0).threshold == 0.65
    assert "0.65: landslide IoU 60.0 on 1 validation images, 40.0 with" in str(
        Choice(tuple((flat | {0.65: 0.6}).values()), 1, 0)
    )


def test_describing_anew_changes_nothing_else(tmp_path):
    model, path = small_model(), tmp_path / "a.weights.h5"
    save_weights(model, path, Description("pspnet", "mobilenet_v2", prediction_size=96))
    before, arrays = read_weights(path), dict(read_weights(path).layers)
    describe(path, threshold=0.7)
    after = read_weights(path)
    assert after.description == dataclasses.replace(before.description, threshold=0.7)
    assert arrays.keys() == after.layers.keys() and len(arrays) > 3
    for name, values in arrays.items():
        assert all(map(np.array_equal, values, after.layers[name]))
    with h5py.File(path) as file:
        assert len(file.attrs) >= 1
    assert [file.name for file in tmp_path.iterdir()] == ["a.weights.h5"]


def test_a_finished_run_has_the_threshold_in_its_weights_and_scores_of_the_most_probable_class(
    split, tmp_path, played, monkeypatch
):
    """With a model of a rule in the place of the trained one, so that thresholds differ."""
    subsets = {**split.subsets, "val": split.subset("train")[:4], "train": split.subset("train")[4:]}
    divided, lines = dataclasses.replace(split, subsets=subsets), []

    def load(path):
        return SimpleNamespace(predict_on_batch=ByRule(red), description=read_weights(path).description)

    with small_network():
        monkeypatch.setattr(fit, "load_model", load)
        run = train(SETTINGS, divided, tmp_path / "run", report=lines.append)
    scores, predictor = read_json(run.scores), Predictor(ByRule(red), 64)
    assert len(split.negatives["val"]) > 0
    seen = [*divided.subset("val"), *split.negatives["val"]]
    wanted = [iou_above(threshold, predictor, seen) for threshold in THRESHOLDS]
    best = max(zip(THRESHOLDS, wanted, strict=True), key=lambda at: (at[1], -abs(at[0] - 0.5)))[0]
    choice = scores["decision_threshold"]
    assert choice["chosen"] == read_weights(run.best_weights).description.threshold == best != 0.5
    assert list(choice["landslide_iou"].values()) == pytest.approx(wanted)
    assert (choice["images"], choice["negatives"]) == (4, len(split.negatives["val"]))
    confusion = sum(
        confusion_matrix(truth, predictor(image).argmax(-1)) for image, truth in (one.read() for one in seen[:4])
    )
    assert scores["confusion"] == confusion.tolist()
    assert f"Decision threshold {best:g}" in "\n".join(lines)


def test_without_landslides_in_validation_the_threshold_stays_a_half(split, tmp_path, played):
    """No threshold is better than another there, and a score that is no number would spoil `scores.json`."""
    blank, lines = dataclasses.replace(split, subsets={**split.subsets, "val": split.negatives["train"][:2]}), []
    with small_network():
        run = train(SETTINGS, blank, tmp_path / "run", report=lines.append)
    assert "decision_threshold" not in read_json(run.scores) and "NaN" not in run.scores.read_text()
    assert read_weights(run.best_weights).description.threshold == 0.5
    assert "No validation image has a landslide: the decision threshold stays 0.5." in lines
