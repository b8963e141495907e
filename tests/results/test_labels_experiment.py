"""The experiment on completed labels: what is compared, and the short form of the whole."""

import json
from pathlib import Path

import pytest

from keras_landslide.data.sample import Sample
from keras_landslide.data.splits import Split
from keras_landslide.errors import LandslideError
from keras_landslide.models.description import Data, Description
from keras_landslide.results import reproduce
from keras_landslide.settings import Settings
from keras_landslide.training import runs
from tests.results.test_experiments import ROOT, loaded, same_numbers


@pytest.fixture(scope="module")
def labels():
    return loaded("labels")


def scores(*matrices):
    per_image = dict(zip("ab", matrices, strict=True))
    total = [[sum(matrix[row][column] for matrix in matrices) for column in (0, 1)] for row in (0, 1)]
    return {"confusion": total, "groups": {"a": "a", "b": "b"}, "per_image": per_image}


def test_each_training_is_compared_on_each_labels(labels):
    """By hand: IoU = TP / (TP + FP + FN) of both images together."""
    trained = {
        "trained_on_original": {
            **scores([[0, 1], [1, 2]], [[0, 0], [0, 4]]),  # 6 / 8
            "completed": scores([[0, 0], [4, 2]], [[0, 0], [2, 4]]),  # 6 / 12
        },
        "trained_on_completed": {
            **scores([[0, 5], [0, 3]], [[0, 5], [1, 2]]),  # 5 / 16
            "completed": scores([[0, 1], [0, 8]], [[0, 1], [0, 2]]),  # 10 / 12
        },
    }
    lines = labels.compared(trained)
    original, completed = lines["scored_on_original"], lines["scored_on_completed"]
    assert [original["trained_on_original"], original["trained_on_completed"]] == [6 / 8, 5 / 16]
    assert [completed["trained_on_original"], completed["trained_on_completed"]] == [6 / 12, 10 / 12]
    assert original["difference"] == pytest.approx(5 / 16 - 6 / 8)
    assert completed["difference"] == pytest.approx(10 / 12 - 6 / 12)
    assert original["interval"] == pytest.approx((2 / 8 - 1, 3 / 8 - 2 / 4))  # b alone, a alone
    assert completed["interval"] == pytest.approx((2 / 3 - 4 / 6, 8 / 9 - 2 / 6))
    for result in trained.values():
        result["groups"] = result["completed"]["groups"] = {"a": "slope", "b": "slope"}
    for line in labels.compared(trained).values():
        assert line["interval"] == (line["difference"], line["difference"])
    printed = "\n".join(labels.PAIR.table(lines))
    assert "2       75.0       31.2       -43.8" in printed and "2       50.0       83.3       +33.3" in printed


def test_the_stored_comparison_is_that_of_its_counts(labels):
    content = json.loads((ROOT / "results" / "labels.json").read_text())
    trained = {name: content[name] for name in ("trained_on_original", "trained_on_completed")}
    assert same_numbers(labels.compared(trained), content["landslide_iou"])


def test_a_finished_run_on_other_labels_is_not_taken_for_this_one(tmp_path, monkeypatch):
    (tmp_path / "scores.json").write_text("{}")
    (tmp_path / "history.csv").write_text("epoch,val_miou\n1,0.5\n")
    sample = Sample("a", Path("a"), Path("a"), "a")
    settings = Settings()
    held = Description("pspnet", "mobilenet_v2", settings=settings.to_json(), data=Data("mine", ("a",)))
    monkeypatch.setattr(runs, "read_description", lambda path: held)
    monkeypatch.setattr(reproduce, "result", lambda folder, *splits: [split.labels for split in splits])
    subsets = {"train": [sample], "val": [sample]}
    original, completed = (Split("mine", subsets, {}, labels=name) for name in ("original", "completed"))
    assert reproduce.trained_result(settings, original, tmp_path) == ["original"]
    assert reproduce.trained_result(settings, original, tmp_path, [original, completed]) == [
        "original",
        "completed",
    ]
    with pytest.raises(LandslideError, match="a run with other labels"):
        reproduce.trained_result(settings, completed, tmp_path)


@pytest.mark.slow
def test_quick(quickly):
    code, content, printed = quickly("labels")
    assert code == 0 and "scored on completed labels" in printed
    assert content["share_ground"] == {"train": 8, "val": 8, "test": 8}
    both = [content[f"trained_on_{name}"] for name in ("original", "completed")]
    for result in both:
        assert result["labels"] == "original" and result["completed"]["labels"] == "completed"
        assert result["images"] == result["completed"]["images"] == 8
        marked = [sum(one["confusion"][1]) for one in (result, result["completed"])]
        assert marked[1] > marked[0]
    assert both[0]["settings"] == both[1]["settings"]
    assert both[0]["history"][0]["loss"] != both[1]["history"][0]["loss"]
