"""The experiment on mixed precision: what is compared, and the short form of the whole."""

import json

import pytest

from tests.test_experiments import ROOT, loaded, run


def test_both_precisions_are_compared_on_the_same_images():
    """By hand: IoU = TP / (TP + FP + FN) of both images together."""
    experiment = loaded("precision")
    plain, mixed = [[[0, 1], [1, 2]], [[0, 0], [0, 4]]], [[[0, 5], [0, 3]], [[0, 5], [1, 2]]]
    scores = [
        {
            "per_image": dict(zip("ab", matrices, strict=True)),
            "confusion": [[sum(one[row][column] for one in matrices) for column in (0, 1)] for row in (0, 1)],
            "minutes": minutes,
        }
        for matrices, minutes in ((plain, 2.0), (mixed, 1.0))
    ]
    line = experiment.compared(*scores)
    assert line["landslide_iou"] == [6 / 8, 5 / 16]
    assert line["difference"] == pytest.approx(5 / 16 - 6 / 8)
    low, high = line["interval"]
    assert low <= line["difference"] <= high
    printed = experiment.table(line, ["float32", "mixed"])
    assert "float32             75.0       2.0" in printed and "Difference -43.8" in printed


@pytest.mark.slow
def test_quick(bijie, tmp_path):
    """Two epochs of a few images in both: where the processor has to emulate bfloat16, this takes a minute."""
    script, out = ROOT / "experiments" / "precision.py", tmp_path / "run"
    done = run(script, "--quick", "--data", bijie, "--out", out, "--results", tmp_path / "results")
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "results" / "precision.json").read_text())
    held = [json.loads((out / name / "settings.json").read_text()) for name in ("float32", "mixed_bfloat16")]
    assert [one["settings"]["precision"] for one in held] == ["float32", "mixed_bfloat16"]
    losses = [[epoch["loss"] for epoch in content[name]["history"]] for name in ("float32", "mixed_bfloat16")]
    assert losses[0] != losses[1]
    assert all(last < 0.95 * first for first, last in losses)
