"""`benchmarks/train_step.py`: what it makes of the times it takes, and one real run at a small size."""

import json
import sys
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_landslide.models import build_model
from keras_landslide.models.calibration import calibrate_batch_normalization
from keras_landslide.models.layers import BatchNormalization
from keras_landslide.models.pyramid import Conv2D, PyramidPooling
from keras_landslide.models.rearranged import Rearrangement
from keras_landslide.training import allocator

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
ROW = "pspnet_mobilenet_v2"


@pytest.fixture
def train_step(monkeypatch):
    """The script as a module, its measurements replaced by numbers: the second round is the faster one."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import train_step

    taken = {"forward": [0.25, 0.2], "frozen": [0.5, 0.4], "unfrozen": [1.0, 0.8]}
    monkeypatch.setattr(train_step, "LEFT_OUT", {"memory kept": ["memory"], "both": ["memory", "order"]})
    left_out = {("memory",): [1.3, 1.2], ("memory", "order"): [1.6, 1.4]}
    slower = {"float32": 1, "mixed_bfloat16": 3}
    rounds = Counter()

    def taken_for(row, work, precision, without=(), **_):
        rounds[precision, work, *without] += 1
        times = left_out[tuple(without)] if without else taken[work]
        return slower[precision] * times[rounds[precision, work, *without] - 1]

    monkeypatch.setattr(train_step, "seconds", taken_for)
    steps = [1.6, 2.0]

    def printed(command):
        assert command[2:] == ["--size", "64", "--batch", "4", "--steps", "5"]
        return f"yardstick 64 px: forward 0.400 s, training step {steps.pop(0):.3f} s an image"

    monkeypatch.setattr(train_step, "output_of", printed)
    return train_step


def test_best_times_speeds_and_ratios(train_step, monkeypatch, capsys, tmp_path):
    options = ["--rows", ROW, "--image-size", "64", "--yardstick", __file__, "--json", str(tmp_path / "step.json")]
    precisions = ["--precision", "float32", "mixed_bfloat16"]
    monkeypatch.setattr(sys, "argv", ["train_step.py", *options, *precisions])
    train_step.main()
    result = json.loads((tmp_path / "step.json").read_text())
    found = result["precisions"]["float32"]
    assert found["rows"][ROW]["seconds_an_image"] == {"forward": 0.2, "frozen": 0.4, "unfrozen": 0.8}
    assert found["rows"][ROW]["frozen_by_unfrozen"] == pytest.approx(0.5)
    half = result["precisions"]["mixed_bfloat16"]
    assert half["rows"][ROW]["seconds_an_image"] == pytest.approx({"forward": 0.6, "frozen": 1.2, "unfrozen": 2.4})
    assert half["ratio"] == pytest.approx({"forward": 1.5, "frozen": 0.75, "unfrozen": 1.5})
    assert half["ratio_without"] == pytest.approx({"memory kept": 3 * 1.2 / 1.6, "both": 3 * 1.4 / 1.6})
    assert result["yardstick"] == {"forward": 0.4, "unfrozen": 1.6}
    assert found["ratio"] == pytest.approx({"forward": 0.5, "frozen": 0.25, "unfrozen": 0.5})
    assert found["ratio_without"] == pytest.approx({"memory kept": 1.2 / 1.6, "both": 1.4 / 1.6})
    assert [times["yardstick"]["unfrozen"] for times in result["every_round"]] == [1.6, 2.0]
    printed = capsys.readouterr().out
    line, slow = (line for line in printed.splitlines() if line.startswith(f"{ROW}  "))
    assert slow.split()[-4:] == ["1.67", "0.83", "0.42", "0.50"]
    assert line.split()[1:3] == ["2.4", "M"]
    assert line.split()[-4:] == ["5.00", "2.50", "1.25", "0.50"]
    assert f"{ROW} in float32 by the yardstick: forward 0.50, frozen 0.25, unfrozen 0.50" in printed


def test_a_yardstick_that_is_not_there_is_said_before_anything_is_timed(train_step, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train_step.py", "--yardstick", "gone.py"])
    with pytest.raises(SystemExit) as end:
        train_step.main()
    assert end.value.code == 2
    assert "there is no file gone.py" in capsys.readouterr().err


@pytest.mark.slow  # processes that each compile a network
def test_a_real_run(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import train_step

    monkeypatch.setattr(train_step, "LEFT_OUT", {})  # six more of the same
    arguments = ["--rows", ROW, "--image-size", "64", "--batch", "2", "--steps", "1", "--rounds", "1"]
    monkeypatch.setattr(sys, "argv", ["train_step.py", *arguments, "--json", str(tmp_path / "step.json")])
    train_step.main()
    found = json.loads((tmp_path / "step.json").read_text())["precisions"]
    times = found["float32"]["rows"][ROW]["seconds_an_image"]
    assert 0 < times["forward"] < times["unfrozen"]


@pytest.mark.parametrize(
    ("name", "operation", "with_it", "without_it"),
    [
        ("normalisation", "FusedBatchNormV3", 56, 0),
        ("order", "SpaceToBatchND", 4, 10),
        ("pooling", "Einsum", 0, 8),
        ("joining", "ResizeBilinear", 1, 5),
    ],
)
def test_what_is_left_out_is_not_in_the_graph_and_gives_the_same(
    name, operation, with_it, without_it, monkeypatch, difference, images
):
    tensorflow = pytest.importorskip("tensorflow")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import one_measurement

    for kind in (BatchNormalization, Rearrangement, PyramidPooling, Conv2D):
        monkeypatch.setattr(kind, "call", kind.call)  # put back at the end
    monkeypatch.setattr(allocator, "keep_freed_memory", lambda: pytest.fail("this process would not get rid of it"))

    def predicted() -> tuple[int, np.ndarray]:
        """How often the graph has the operation, and what the network predicts."""
        keras.utils.set_random_seed(0)
        model = build_model("pspnet", "mobilenet_v2", input_shape=(64, 96, 3), backbone_weights=None)
        graph = tensorflow.function(model).get_concrete_function(tensorflow.TensorSpec((1, 64, 96, 3))).graph
        calibrate_batch_normalization(model, [images(64, 96, count=2)])
        return [found.type for found in graph.get_operations()].count(operation), model(images(64, 96, count=2))

    count, wanted = predicted()
    assert count == with_it
    one_measurement.leave_out(["memory", name])
    count, found = predicted()
    assert count == without_it
    assert difference(found, wanted) < 1e-4
