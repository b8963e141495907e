"""Training with the test images among the others: what is trained on, and what is compared."""

import json
from pathlib import Path

import pytest

from keras_landslide.data.splits import Split
from keras_landslide.errors import LandslideError
from keras_landslide.settings import preset
from tests.results.test_experiments import ROOT, loaded, same_numbers


def test_everything_trains_and_the_other_parts_stay(split):
    whole = loaded("as_written").with_all(split)
    assert isinstance(whole, Split)
    names = [sample.name for sample in whole.subset("train")]
    assert sorted(names) == sorted(sample.name for part in split.subsets.values() for sample in part)
    for name in ("val", "test"):
        assert whole.subset(name) == split.subset(name)
    assert whole.counts.startswith(f"{len(names)} train")


def test_both_are_compared_on_the_same_images():
    """By hand: TP / (TP + FP + FN), 2 of 4 and 3 of 4."""
    row, content = (
        {"per_image": {"a": matrix}, "groups": {"a": "a"}} for matrix in ([[5, 1], [1, 2]], [[6, 0], [1, 3]])
    )
    line = loaded("as_written").compared(row, content)
    assert (line["kept_out"], line["drawn_from_all"], line["difference"]) == (0.5, 0.75, 0.25)


def test_it_is_compared_with_a_row_of_its_own_preset_and_images(split):
    script, path = loaded("as_written"), Path("row.json")
    row = {"settings": preset("table").to_json(), "per_image": {one.name: [] for one in split.subset("test")}}
    script.check_comparable(row, path, preset("table", samples_per_epoch=413), split)
    with pytest.raises(
        LandslideError, match=r"row\.json: was made with other image_size, unfrozen_epochs, unfrozen_learning_rate; "
    ):
        script.check_comparable(row, path, preset("cpu"), split)
    with pytest.raises(LandslideError, match="other test images; give --results"):
        script.check_comparable({**row, "per_image": {}}, path, preset("table"), split)


@pytest.mark.slow
def test_quick(quickly, tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    stored = json.loads((ROOT / "results" / "pspnet_mobilenet_v2.json").read_text())
    first = dict(list(stored["per_image"].items())[:8])
    (results / "pspnet_mobilenet_v2.json").write_text(json.dumps({**stored, "per_image": first}))
    code, content, said = quickly("as_written")
    assert code == 0, said
    assert content["settings"]["samples_per_epoch"] == 8
    assert "drawn" in said and content["compared"]["test images"]["images"] == 8


def test_the_stored_comparison_is_that_of_its_counts():
    path = ROOT / "results" / "as_written.json"
    content, row = (json.loads((path.parent / name).read_text()) for name in (path.name, "pspnet_mobilenet_v2.json"))
    assert same_numbers(loaded("as_written").compared(row, content), content["compared"]["test images"])
