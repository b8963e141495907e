"""The experiment on mixed precision: what is compared, and the short form of the whole."""

import json

import h5py
import pytest

from keras_landslide.data.layouts import find_samples
from keras_landslide.data.splits import split_samples
from keras_landslide.results.paired import Pair
from tests.results.test_experiments import ROOT, loaded, same_numbers


def test_both_precisions_are_compared_on_the_same_images():
    """By hand: IoU = TP / (TP + FP + FN) of both images together."""
    experiment = loaded("precision")
    plain, mixed = [[[0, 1], [1, 2]], [[0, 0], [0, 4]]], [[[0, 5], [0, 3]], [[0, 5], [1, 2]]]
    scores = [
        {
            "per_image": dict(zip("ab", matrices, strict=True)),
            "confusion": [[sum(one[row][column] for one in matrices) for column in (0, 1)] for row in (0, 1)],
            "groups": {"a": "slope", "b": "slope"},
            "minutes": minutes,
        }
        for matrices, minutes in ((plain, 2.0), (mixed, 1.0))
    ]
    pair = Pair(("float32", "mixed"), ("float32", "mixed"))
    lines = experiment.compared(pair, dict(zip(pair.names, scores, strict=True)))
    line = lines["landslide IoU"]
    assert (line["images"], line["float32"], line["mixed"]) == (2, 6 / 8, 5 / 16)
    assert line["difference"] == pytest.approx(5 / 16 - 6 / 8)
    assert line["interval"] == (line["difference"], line["difference"])  # one group
    apart = [{**one, "groups": {"a": "a", "b": "b"}} for one in scores]
    (line,) = experiment.compared(pair, dict(zip(pair.names, apart, strict=True))).values()
    assert line["interval"] == pytest.approx((2 / 8 - 1, 3 / 8 - 2 / 4))  # b, a alone
    assert "2       75.0       31.2       -43.8" in "\n".join(pair.table(lines))


def test_finished_runs_of_an_earlier_version_are_compared_over_groups(scenes, tmp_path, capsys):
    """Their scores do not say which images share ground, the data does."""
    split = split_samples(find_samples(scenes), "auto")
    names = [sample.name for sample in split.subset("val")]
    scores = {"confusion": [[9, 0], [2, 2]], "per_image": {name: [[9, 0], [2, 2]] for name in names}}
    kind = {"format": 1, "architecture": "pspnet", "backbone": "mobilenet_v2", "classes": 2, "output_stride": 16}
    data = {"split": "auto", "labels": "original", "trained_on": [sample.name for sample in split.subset("train")]}
    for precision in ("float32", "mixed_bfloat16"):
        folder = tmp_path / "run" / precision
        folder.mkdir(parents=True)
        (folder / "scores.json").write_text(json.dumps(scores))
        (folder / "history.csv").write_text("epoch,phase,val_miou,seconds\n1,frozen,0.5,60\n")
        with h5py.File(folder / "best.weights.h5", "w") as file:
            file.attrs["keras_landslide"] = json.dumps({**kind, "settings": {}, "data": data})
    out = ["--out", str(tmp_path / "run"), "--results", str(tmp_path / "results")]
    with pytest.raises(SystemExit) as stop:
        loaded("precision").main(["--data", str(scenes), "--split", "auto", *out])
    assert stop.value.code == 0, capsys.readouterr().err
    content = json.loads((tmp_path / "results" / "precision.json").read_text())
    assert content["compared"]["landslide IoU"]["interval"] == [0, 0]
    for precision in ("float32", "mixed_bfloat16"):
        assert content[precision]["groups"] == {sample.name: sample.group for sample in split.subset("val")}


def test_the_stored_comparison_is_that_of_its_counts():
    content = json.loads((ROOT / "results" / "precision.json").read_text())
    pair = Pair(("float32", "mixed_bfloat16"), ("", ""))
    assert same_numbers(loaded("precision").compared(pair, content), content["compared"])
