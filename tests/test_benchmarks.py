"""`benchmarks/train_step.py`: what it makes of the times it takes, and one real run at a small size."""

import argparse
import json
import sys
from pathlib import Path

import keras
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
ROW = "pspnet_mobilenet_v2"


@pytest.fixture
def train_step(monkeypatch):
    """The script as a module, its measurements replaced by numbers: the second round is the faster one."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import train_step

    taken = {"forward": [0.25, 0.2], "frozen": [0.5, 0.4], "unfrozen": [1.0, 0.8]}
    left_out = {("default", "own"): [1.3, 1.2], ("kept", "keras"): [1.0, 1.1], ("default", "keras"): [1.6, 1.4]}

    def taken_for(row, work, allocator="kept", batch_normalization="own", **_):
        times = left_out.get((allocator, batch_normalization), taken[work])
        return times.pop(0)

    monkeypatch.setattr(train_step, "seconds", taken_for)
    steps = [1.6, 2.0]

    def printed(command):
        assert command[2:] == ["--size", "64", "--batch", "4", "--steps", "5"]
        return f"yardstick 64 px: forward 0.400 s, training step {steps.pop(0):.3f} s an image"

    monkeypatch.setattr(train_step, "output_of", printed)
    return train_step


def test_best_times_speeds_and_ratios(train_step, monkeypatch, capsys, tmp_path):
    options = ["--rows", ROW, "--image-size", "64", "--yardstick", __file__, "--json", str(tmp_path / "step.json")]
    monkeypatch.setattr(sys, "argv", ["train_step.py", *options])
    train_step.main()
    result = json.loads((tmp_path / "step.json").read_text())
    assert result["rows"][ROW]["seconds_an_image"] == {"forward": 0.2, "frozen": 0.4, "unfrozen": 0.8}
    assert result["rows"][ROW]["frozen_by_unfrozen"] == pytest.approx(0.5)
    assert result["yardstick"]["ratio"] == pytest.approx({"forward": 0.5, "unfrozen": 0.5})
    assert list(result["yardstick"]["ratio_without"].values()) == pytest.approx([1.2 / 1.6, 1.0 / 1.6, 1.4 / 1.6])
    assert [times["yardstick"]["unfrozen"] for times in result["every_round"]] == [1.6, 2.0]
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith(f"{ROW} "))
    assert line.split()[1:3] == ["2.4", "M"]
    assert line.split()[-4:] == ["5.00", "2.50", "1.25", "0.50"]


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

    monkeypatch.setattr(train_step, "LEFT_OUT", {})  # three more of the same
    arguments = ["--rows", ROW, "--image-size", "64", "--batch", "2", "--steps", "1", "--rounds", "1"]
    monkeypatch.setattr(sys, "argv", ["train_step.py", *arguments, "--json", str(tmp_path / "step.json")])
    train_step.main()
    times = json.loads((tmp_path / "step.json").read_text())["rows"][ROW]["seconds_an_image"]
    assert 0 < times["forward"] < times["unfrozen"]


def test_whose_batch_normalisation_is_timed(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import one_measurement

    from keras_landslide import models
    from keras_landslide.models import layers

    def small_model(*_, input_shape, **__) -> keras.Model:
        image = keras.Input(input_shape)
        backbone = keras.Model(image, layers.BatchNormalization()(image), name="backbone")
        return keras.Model(image, keras.layers.Conv2D(2, 1, activation="softmax")(backbone(image)))

    monkeypatch.setattr(models, "build_model", small_model)
    monkeypatch.setattr(layers, "_batch_normalised", lambda *_: pytest.fail("ours is called"))
    monkeypatch.setattr(layers.BatchNormalization, "call", layers.BatchNormalization.call)  # put back at the end
    options = argparse.Namespace(row=ROW, work="unfrozen", image_size=16, output_stride=16, batch=1)
    options.precision, options.allocator = "float32", "default"
    options.batch_normalization = "own"
    with pytest.raises(pytest.fail.Exception, match="ours is called"):
        one_measurement.work(options)()
    options.batch_normalization = "keras"
    one_measurement.work(options)()
