"""The same training on TensorFlow and on JAX, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_landslide.data.layouts import find_samples
from keras_landslide.data.letterbox import Letterbox
from keras_landslide.models import Description, build_model, save_weights
from keras_landslide.models.calibration import calibrate_batch_normalization
from keras_landslide.training.runs import read_history
from tests.small import environment

ROW = "unet_vgg16"  # without dropout, whose random numbers the engines draw differently
ARGUMENTS = (
    f"--experiment {ROW} --image-size 64 --augmentation none --fold 1/3 --samples-per-epoch 8 --frozen-epochs 1 "
    "--frozen-batch-size 4 --unfrozen-batch-size 4 --frozen-learning-rate 3e-5 --unfrozen-learning-rate 1e-6 "
    "--batch-normalization-momentum 0.9"
).split()
NUMBERS = ("loss", "miou", "val_loss", "val_miou")
AGREE = 1e-3  # Adam divides by the size of the gradient, which makes steps of its rounding


@pytest.fixture
def initial(scenes, tmp_path) -> Path:
    """Weights to start from, with statistics of the scenes."""
    keras.utils.set_random_seed(0)
    architecture, backbone = ROW.split("_")
    model = build_model(architecture, backbone, input_shape=(64, 64, 3), backbone_weights=None)
    images = [sample.read()[0] for sample in find_samples(scenes)[:8]]
    calibrate_batch_normalization(model, [[Letterbox(*image.shape[:2], 64).image_in(image) for image in images]])
    save_weights(model, tmp_path / "initial", Description(architecture, backbone))
    return tmp_path / "initial.weights.h5"


def trained(engine: str, scenes, initial, *more) -> list[dict]:
    """The history of a run on `engine`."""
    out = initial.parent / "-".join([engine, *more])
    files = ["--data", str(scenes), "--init-weights", str(initial), "--out", str(out)]
    command = [
        sys.executable,
        "-c",
        "from keras_landslide.cli import run; run()",
        "train",
        *files,
        *ARGUMENTS,
        *more,
    ]
    done = subprocess.run(command, env=environment(engine), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return read_history(out)


def difference(one: list[dict], other: list[dict]) -> float:
    return max(abs(a[name] - b[name]) for a, b in zip(one, other, strict=True) for name in NUMBERS)


@pytest.mark.slow  # three runs, each compiling a network
def test_both_engines_train_alike_in_both_phases(scenes, initial):
    on_tensorflow = trained("tensorflow", scenes, initial, "--unfrozen-epochs", "1")
    on_jax = trained("jax", scenes, initial, "--unfrozen-epochs", "1")
    assert [line["phase"] for line in on_jax] == ["frozen", "unfrozen"]
    assert difference(on_jax, on_tensorflow) < AGREE
    other_rate = trained("jax", scenes, initial, "--unfrozen-epochs", "0", "--frozen-learning-rate", "1e-4")
    assert difference(other_rate, on_tensorflow[:1]) > 10 * AGREE
    assert np.ptp([line["loss"] for line in on_jax]) > 0.1
