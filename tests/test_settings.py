"""Table 4 stands in the defaults; presets differ where they say so."""

import dataclasses
import subprocess
import sys

import pytest

from keras_landslide.errors import LandslideError
from keras_landslide.settings import PRESETS, Settings, preset

TABLE_4 = {
    "image_size": 473,
    "classes": 2,
    "output_stride": 8,
    "frozen_epochs": 50,
    "unfrozen_epochs": 100,
    "frozen_learning_rate": 1e-4,
    "frozen_batch_size": 8,
    "unfrozen_batch_size": 4,
    "unfrozen_learning_rate": 1e-5,
    "focal": True,
    "dice": True,
    "eager": False,
    "early_stopping": True,
    "class_weights": (1.0, 2.0),
    "negatives": 0,
    "sampling": "squeeze",
}


def test_the_paper_preset_is_table_4():
    settings = dataclasses.asdict(preset("paper"))
    assert {name: settings[name] for name in TABLE_4} == TABLE_4
    assert set(preset("paper").departures_from_paper()) == {"init_weights", "samples_per_epoch"}


def test_an_output_stride_is_no_departure_of_a_network_that_has_none():
    strides = {name: Settings(name, "vgg16", output_stride=16).departures_from_paper() for name in ("unet", "pspnet")}
    assert "output_stride" not in strides["unet"] and strides["pspnet"]["output_stride"] == (16, 8)


def test_the_cpu_preset_lists_each_departure():
    assert set(preset("cpu", seed=7).departures_from_paper()) == {*PRESETS["cpu"], "init_weights", "samples_per_epoch"}


@pytest.mark.parametrize("file", [None, "runs/voc/best.weights.h5"])
def test_initial_weights_are_never_the_papers(file):
    """It has VOC weights but does not say which; neither ImageNet's nor our own can be taken for them."""
    ours, paper = preset("paper", init_weights=file).departures_from_paper()["init_weights"]
    assert ours == file and "VOC" in paper


def test_each_image_once_an_epoch_departs_and_table_2_does_not():
    assert Settings().departures_from_paper()["samples_per_epoch"] == (0, 2500)
    assert "num_workers" not in Settings(num_workers=1).departures_from_paper()  # the paper's; the result is the same
    assert "samples_per_epoch" not in Settings(samples_per_epoch=2500).departures_from_paper()


def test_negatives_and_crops_depart_from_the_paper():
    settings = Settings(negatives="all", sampling="crop")
    departures = settings.departures_from_paper()
    assert departures.keys() - Settings().departures_from_paper().keys() == {"negatives", "sampling"}
    assert departures["negatives"] == ("all", 0) and departures["sampling"] == ("crop", "squeeze")


def test_every_setting_is_a_flag():
    done = subprocess.run(
        [sys.executable, "-c", "from keras_landslide.cli import run; run()", "train", "--help"],
        capture_output=True,
        text=True,
    )
    for field in dataclasses.fields(Settings):
        assert f"--{field.name.replace('_', '-')}" in done.stdout


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"image_size": 63}, "--image-size 63"),
        ({"frozen_epochs": 0, "unfrozen_epochs": 0}, "No epochs to train"),
        ({"class_weights": (1.0, 2.0, 3.0)}, "--class-weights 1.0 2.0 3.0"),
        ({"class_weights": (0.0, 0.0)}, "--class-weights 0.0 0.0 does not fit"),
        ({"class_weights": (float("inf"), 1.0)}, "--class-weights inf 1.0"),
        ({"class_weights": (1.0, float("nan"))}, "--class-weights 1.0 nan"),
        ({"batch_normalization_momentum": 1.0}, "--batch-normalization-momentum 1.0"),
        ({"batch_normalization_momentum": float("nan")}, "--batch-normalization-momentum nan"),
        ({"classes": 256, "class_weights": (1.0,) * 256}, "--classes 256 is not possible; give 2 to 255"),
        ({"learning_rate_schedule": "cosin"}, "did you mean 'cosine'"),
        ({"negatives": "some"}, "--negatives some .* or all"),
        ({"frozen_learning_rate": 1.5}, "--frozen-learning-rate 1.5"),
        ({"seed": 2**31 - 1}, "--seed 2147483647 is not possible"),
    ],
)
def test_impossible_values_are_refused(change, text):
    with pytest.raises(LandslideError, match=text):
        Settings(**change)


def test_windows_at_one_scale_have_the_size_that_was_trained():
    assert preset("cpu").prediction_size == 416
    assert preset("cpu", sampling="native").prediction_size == 352
