"""The experiment on negatives: what is compared, and the short form of the whole."""

import json

import pytest

from keras_landslide.evaluation import FalseAlarms
from tests.results.test_experiments import ROOT, loaded, same_numbers


def test_scores_are_compared_on_the_same_images():
    """By hand: IoU 4 / 10 and 6 / 10; one and none of two images with more than 1 % marked; 30 and 2 of 1000 pixels."""
    negatives = loaded("negatives")
    before = {"a": [[52, 3], [0, 1]], "b": [[10, 0], [3, 3]]}
    after = {"a": [[52, 1], [1, 2]], "b": [[10, 0], [2, 4]]}
    slope, apart = {"a": "slope", "b": "slope"}, {"c": "c", "d": "d"}
    trained = {
        "without_negatives": {"groups": slope, "per_image": before},
        "with_negatives": {"groups": slope, "per_image": after},
    }
    alarms = {
        "without_negatives": FalseAlarms({"c": (28, 400), "d": (2, 600)}, apart),
        "with_negatives": FalseAlarms({"c": (0, 400), "d": (2, 600)}, apart),
    }
    lines = negatives.compared(trained, alarms)
    expected = {
        "landslide IoU": (0.4, 0.6),
        "images with a false alarm": (0.5, 0.0),
        "area falsely marked": (0.03, 0.002),
    }
    for name, (without, with_negatives) in expected.items():
        line = lines[name]
        assert line["images"] == 2
        assert line["without_negatives"] == pytest.approx(without)
        assert line["with_negatives"] == pytest.approx(with_negatives)
        assert line["difference"] == pytest.approx(with_negatives - without)
    assert lines["images with a false alarm"]["interval"] == (-1, 0)
    assert lines["area falsely marked"]["interval"] == pytest.approx((-28 / 400, 0))
    whole = lines["landslide IoU"]
    assert whole["interval"] == (whole["difference"], whole["difference"])  # one group
    text = "\n".join(negatives.PAIR.table(lines))
    assert "images with a false alarm                  2       50.0        0.0       -50.0   -100.0 to +0.0" in text


def test_the_stored_comparison_is_that_of_its_counts():
    experiment = loaded("negatives")
    content = json.loads((ROOT / "results" / "negatives.json").read_text())
    trained = {name: content[name] for name in experiment.PAIR.names}
    alarms = {
        name: FalseAlarms(one["negatives"]["per_image"], one["negatives"]["groups"]) for name, one in trained.items()
    }
    assert same_numbers(experiment.compared(trained, alarms), content["compared"])


@pytest.mark.slow
def test_quick(quickly):
    code, content, printed = quickly("negatives", "--negatives", "8")
    assert code == 0 and "area falsely marked" in printed
    alarms = content["compared"]["images with a false alarm"]
    assert alarms["images"] == 8
    for training, used in (("without_negatives", 0), ("with_negatives", 8)):
        assert content[training]["settings"]["negatives"] == used
        block = content[training]["negatives"]
        assert block["groups"] == {name: f"non-landslide/{name}" for name in block["per_image"]}
        assert content[training]["negatives"]["false_alarms"] == pytest.approx(alarms[training])
        assert content[training]["landslide"]["iou"] == pytest.approx(content["compared"]["landslide IoU"][training])
