"""The leakage experiment: who trains on what, and what is compared."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from keras_landslide.data.sample import Sample
from keras_landslide.data.splits import bijie_table, split_samples
from keras_landslide.errors import LandslideError
from keras_landslide.scores import landslide_iou, paired_difference
from tests.results.test_experiments import ROOT, loaded, same_numbers


@pytest.fixture(scope="module")
def leakage():
    return loaded("leakage")


def whole(split):
    samples = [Sample(row["name"], Path(row["name"]), Path(row["name"]), row["name"]) for row in bijie_table()]
    return split_samples(samples, split)


def names(split) -> dict[str, set]:
    return {subset: {sample.name for sample in part} for subset, part in split.subsets.items()}


def test_both_trainings_differ_in_the_shared_ground_alone(leakage):
    """Counted from the table by hand: 24 training images share a group with a test image."""
    leaking, clean = (names(split) for split in leakage.trainings(whole("random510"), seed=0))
    assert len(leaking["train"]) == len(clean["train"]) == 413 - 24
    assert leaking["test"] == clean["test"] and len(clean["test"]) == 51
    assert leaking["val"] == clean["val"] and len(clean["val"]) == 46 - 18
    groups = {row["name"]: row["group"] for row in bijie_table()}

    def shared(one, other) -> set:
        return {name for name in one if groups[name] in {groups[others] for others in other}}

    assert len(shared(leaking["train"], leaking["test"])) == 24 and not shared(clean["train"], clean["test"])
    assert len(shared(leaking["test"], leaking["train"])) == 18
    assert not shared(clean["val"], clean["train"] | leaking["train"] | clean["test"])
    assert leaking["train"] - clean["train"] == shared(leaking["train"], leaking["test"])
    others = [names(leakage.trainings(whole("random510"), seed=seed)[0])["train"] for seed in (0, 1)]
    assert others[0] == leaking["train"] != others[1]


def test_no_ground_is_shared_with_test_images_in_the_clean_training(leakage, bijie):
    """The published pairs, rather than the groups."""
    leaking, clean = (names(split) for split in leakage.trainings(whole("random510"), seed=0))
    with (bijie / "overlaps.csv").open(newline="") as file:
        pairs = [{row["a"], row["b"]} for row in csv.DictReader(file)]
    assert not [pair for pair in pairs if pair & clean["train"] and pair & clean["test"]]
    assert not [pair for pair in pairs if pair & clean["val"] and pair & (clean["test"] | leaking["train"])]
    reached = {name for pair in pairs if pair & leaking["train"] for name in pair & leaking["test"]}
    assert len(reached) == 17  # an 18th is tied to a training image by a third one


def test_a_split_without_leaks_is_refused(leakage):
    with pytest.raises(LandslideError, match="Split paper510 has 0 training images that share ground"):
        leakage.trainings(whole("paper510"), seed=0)


def test_the_comparison_tells_overlapping_images_from_others(leakage):
    leaking, _ = leakage.trainings(whole("random510"), seed=0)
    trained = {sample.group for sample in leaking.subset("train")}
    clean, leaky = {}, {}
    for sample in leaking.subset("test"):  # 40 of 80 landslide pixels found; with the ground seen before, 60
        clean[sample.name] = np.array([[900, 20], [40, 40]])
        leaky[sample.name] = np.array([[900, 20], [20, 60]]) if sample.group in trained else clean[sample.name]
    lines = leakage.compared(leaking, leaky, clean)
    assert {part: line["images"] for part, line in lines.items()} == {"overlapping": 18, "others": 33, "all": 51}
    assert lines["overlapping"]["without_overlaps"] == lines["others"]["with_overlaps"] == 0.4
    assert lines["overlapping"]["with_overlaps"] == 0.6
    assert lines["overlapping"]["difference"] == pytest.approx(0.2)
    assert lines["others"]["difference"] == 0 and lines["others"]["interval"] == (0, 0)
    low, high = lines["all"]["interval"]
    assert 0 < low < lines["all"]["difference"] < high < 0.2
    groups = {row["name"]: row["group"] for row in bijie_table()}
    assert lines["all"]["interval"] == paired_difference(clean, leaky, groups, landslide_iou)[1]
    assert lines["all"]["interval"] != paired_difference(clean, leaky, {name: name for name in clean}, landslide_iou)[1]
    text = "\n".join(leakage.PAIR.table(lines))
    assert "18       40.0       60.0       +20.0   +20.0 to +20.0" in text


def test_the_stored_comparison_is_that_of_its_counts(leakage):
    content = json.loads((ROOT / "results" / "leakage.json").read_text())
    leaking, _ = leakage.trainings(whole("random510"), seed=content["with_overlaps"]["seed"])
    matrices = [
        {name: np.array(counts) for name, counts in content[training]["per_image"].items()}
        for training in ("with_overlaps", "without_overlaps")
    ]
    assert same_numbers(leakage.compared(leaking, *matrices), content["landslide_iou"])


@pytest.mark.slow
def test_quick(quickly):
    code, content, printed = quickly("leakage")
    assert code == 0 and "test images, overlapping" in printed
    assert content["images"]["test"] == len(content["with_overlaps"]["per_image"]) == 51
    line = content["landslide_iou"]["all"]
    for training in ("with_overlaps", "without_overlaps"):
        assert line[training] == pytest.approx(content[training]["landslide"]["iou"])


def test_quick_never_replaces_a_real_result(leakage, tmp_path, capsys):
    for own in ([], ["--out", str(tmp_path)], ["--results", str(tmp_path)]):
        with pytest.raises(SystemExit) as stop:
            leakage.main(["--quick", *own])
        assert stop.value.code == 2
        assert "wants its own --out" in capsys.readouterr().err
