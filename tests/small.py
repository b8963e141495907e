"""A network that trains in seconds, the settings of its runs, and how runs are compared."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_landslide.data.splits import Split
from keras_landslide.models import loading
from keras_landslide.models.saving import layers_with_weights, read_layers
from keras_landslide.settings import Settings
from keras_landslide.training import fit, plan
from keras_landslide.training.runs import Run, read_history

# The sizes of the batches differ, so that what belongs to one phase is not taken for the other's.
SETTINGS = Settings(
    image_size=64,
    frozen_epochs=3,
    unfrozen_epochs=3,
    frozen_batch_size=4,
    unfrozen_batch_size=3,
    frozen_learning_rate=0.01,
    unfrozen_learning_rate=0.002,
    learning_rate_schedule="cosine",
    backbone_weights="none",
    augmentation="default",
    patience=2,
)
FLAGS = (
    "--image-size 64 --frozen-epochs 3 --unfrozen-epochs 3 --frozen-batch-size 4 --unfrozen-batch-size 3 "
    "--frozen-learning-rate 0.01 --unfrozen-learning-rate 0.002 --learning-rate-schedule cosine "
    "--backbone-weights none --augmentation default --patience 2"
).split()


def small_model(*_, input_shape=(64, 64, 3), classes=2, aux_branch=False, **__) -> keras.Model:
    """A backbone with batch normalisation, dropout and a head: all that a training has to keep account of."""
    features = image = keras.Input(input_shape)
    for filters in (8, 12):
        features = keras.layers.Conv2D(filters, 3, strides=2, padding="same", name=f"convolution_{filters}")(features)
        features = keras.layers.BatchNormalization(momentum=0.5, name=f"normalisation_{filters}")(features)
        features = keras.layers.Activation("relu")(features)
    backbone = keras.Model(image, features, name="backbone")
    inputs = keras.Input(input_shape)
    features = backbone(keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs))

    def output(features, name: str, head: str):
        scores = keras.layers.Conv2D(classes, 1, name=head)(features)
        scores = keras.layers.UpSampling2D(4, interpolation="bilinear")(scores)
        return keras.layers.Softmax(dtype="float32", name=name)(scores)

    outputs = output(keras.layers.Dropout(0.3, name="dropout")(features), "probabilities", "head")
    if aux_branch:
        outputs = {"probabilities": outputs, "auxiliary": output(features, "auxiliary", "auxiliary_head")}
    return keras.Model(inputs, outputs)


def environment(engine: str) -> dict[str, str]:
    """That of a process which computes with `engine` and finds the package.

    What XLA's optimizer makes of JAX's random numbers takes it up to a minute for each shape; a test wants few of them.
    """
    flags = {"XLA_FLAGS": "--xla_backend_optimization_level=1"}
    return {**os.environ, **flags, "KERAS_BACKEND": engine, "PYTHONPATH": str(Path(__file__).parents[1])}


@contextlib.contextmanager
def small_network() -> Iterator[list[Path]]:
    """Every training trains `small_model`, whatever its settings say; gives the files that models are loaded from."""
    loaded = []

    def load(path):
        loaded.append(path)
        return loading.load_model(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "build_model", small_model)
        patch.setattr(loading, "build_model", small_model)
        patch.setattr(fit, "load_model", load)
        yield loaded


def train(settings: Settings, split: Split, out: Path, *, overwrite=False, resume=False, **options) -> Run:
    """Plan and train, as a program of Python does."""
    return fit.train(plan.planned(settings, split, out, overwrite=overwrite, resume=resume), **options)


def history(folder: Path) -> list[dict]:
    """Without the seconds, which differ."""
    return [{name: value for name, value in line.items() if name != "seconds"} for line in read_history(folder)]


def stored(path: Path, model: keras.Model) -> list[np.ndarray]:
    """The arrays of a weights file in the order of the model's weights."""
    layers = read_layers(path)
    return [array for layer in layers_with_weights(model) for array in layers[layer.name]]


def assert_same(found, wanted) -> None:
    """Lists of equal arrays."""
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def assert_equal_weights(one: Path, other: Path) -> None:
    """Weights files of `small_model` that hold the same."""
    first, second = read_layers(one), read_layers(other)
    assert first.keys() == second.keys() and len(first) == 5
    for name, arrays in first.items():
        assert_same(second[name], arrays)


def command(scenes: Path, out: Path, *more) -> list[str]:
    """The command line that trains with `SETTINGS`, and what `more` says."""
    return [str(part) for part in ("train", "--data", scenes, "--out", out, *FLAGS, *more)]
