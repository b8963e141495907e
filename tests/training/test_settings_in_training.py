"""Every setting, given on the command line, as the training really uses it."""

import dataclasses
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_landslide.cli import main
from keras_landslide.data.dataset import load_split
from keras_landslide.data.pipeline import training_stream
from keras_landslide.data.splits import Split
from keras_landslide.files.atomic import read_json
from keras_landslide.models import build_model
from keras_landslide.models.backbones import BACKBONES, Backbone, build_backbone
from keras_landslide.models.description import Scale
from keras_landslide.models.saving import layers_with_weights, read_description, read_layers
from keras_landslide.settings import Settings
from keras_landslide.training.runs import read_history
from tests.played import Fit, Played, loss_of

# Each setting of `base` differs from that of `changed` or of `others`; 13 images of 48 to 79 pixels train.
BASE = Settings(
    architecture="deeplabv3plus",
    backbone="mobilenet",
    backbone_weights="none",
    image_size=64,
    frozen_epochs=1,
    unfrozen_epochs=3,
    frozen_learning_rate=0.01,
    unfrozen_learning_rate=0.002,
    frozen_batch_size=4,
    unfrozen_batch_size=2,
    patience=1,
    augmentation="none",
    jit="off",
)
CHANGED = Settings(
    architecture="pspnet",
    backbone="mobilenet_v2",
    image_size=96,
    classes=3,
    output_stride=16,
    frozen_epochs=2,
    unfrozen_epochs=4,
    frozen_learning_rate=0.03,
    unfrozen_learning_rate=0.004,
    frozen_batch_size=6,
    unfrozen_batch_size=4,
    learning_rate_schedule="cosine",
    dice=False,
    class_weights=(1.0, 2.0, 7.0),
    patience=2,
    augmentation="strong",
    samples_per_epoch=28,
    num_workers=3,
    batch_normalization_momentum=0.7,
    aux_branch=True,
    prediction_scale=1.4,
    devices=2,
    precision="mixed_bfloat16",
    jit="on",
    seed=5,
)
OTHERS = dataclasses.replace(
    BASE,
    focal=False,
    dice=False,
    class_weights=(1.0, 5.0),
    early_stopping=False,
    negatives=3,
    sampling="native",
    zoom=1.5,
    image_gsd=0.6,
    weight_averaging=0.9,
    eager=True,
)
FALLING = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]


@dataclass
class Seen:
    """What was seen of a training."""

    settings: Settings
    split: Split
    fits: list[Fit]
    history: list[dict]
    description: dict
    sizes: list[int]  # of the squares that the model predicted, in order
    parallel: set  # calls at a time of the streams' maps
    devices: int  # of the strategy


def flags(settings: Settings) -> list[str]:
    """The command line that gives every setting."""
    given = []
    for name, value in dataclasses.asdict(settings).items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            given.append(f"--{option}" if value else f"--no-{option}")
        elif value is not None or name == "batch_normalization_momentum":
            values = value if isinstance(value, tuple) else ["none" if value is None else value]
            given += [f"--{option}", *map(str, values)]
    return given


@pytest.fixture
def observed(scenes, tmp_path, monkeypatch):
    """A function that trains with these settings through the command line, without gradients, and says what it saw."""

    def run(name: str, settings: Settings) -> Seen:
        played, sizes, parallel, strategies = Played(), [], set(), []
        played.scores = list(FALLING)
        mapped = tf.data.Dataset.map

        def seen_predict(model, batch):
            sizes.append(batch.shape[1])
            return np.zeros((*batch.shape[:3], settings.classes), np.float32)

        def seen_map(stream, function, num_parallel_calls=None, **options):
            parallel.add(num_parallel_calls)
            return mapped(stream, function, num_parallel_calls=num_parallel_calls, **options)

        def strategy(devices, **_):
            strategies.append(devices)
            return tf.distribute.get_strategy()

        def two_processors(kind):
            return [tf.config.LogicalDevice(f"/{kind}:{number}", kind) for number in range(2)] if kind == "CPU" else []

        with monkeypatch.context() as patch:
            patch.setattr(keras.Model, "fit", lambda model, stream, **how: played.fit(model, stream, **how))
            patch.setattr(keras.Model, "predict_on_batch", seen_predict)
            patch.setattr(tf.data.Dataset, "map", seen_map)
            patch.setattr(tf.distribute, "MirroredStrategy", strategy)
            patch.setattr(tf.config, "list_logical_devices", two_processors)
            out = tmp_path / name
            assert main(["train", "--data", str(scenes), "--out", str(out), *flags(settings)]) == 0
        assert Settings.from_json(read_json(out / "settings.json")["settings"]) == settings
        split = load_split(
            scenes, "auto", seed=settings.seed, negatives=settings.negatives != 0, classes=settings.classes
        )
        devices = len(strategies[0]) if strategies else 1
        description = read_description(out / "best.weights.h5")
        return Seen(settings, split, played.fits, read_history(out), description, sizes, parallel, devices)

    return run


def five_convolutions(name: str) -> Backbone:
    """A backbone of one convolution a stage, which is built and saved in no time."""

    def application(*, include_top, weights, input_shape) -> keras.Model:
        features = inputs = keras.Input(input_shape)
        for stage in range(1, 6):
            features = keras.layers.Conv2D(4, 3, strides=2, padding="same", name=f"{name}_{stage}")(features)
            features = keras.layers.BatchNormalization(name=f"{name}_{stage}_bn")(features)
            features = keras.layers.ReLU(name=f"{name}_{stage}_relu")(features)
        return keras.Model(inputs, features)

    return Backbone(application, {2**stage: f"{name}_{stage}_relu" for stage in range(1, 6)}, "tf")


@pytest.fixture(autouse=True)
def small_backbones(monkeypatch):
    for name in ("mobilenet", "mobilenet_v2"):
        monkeypatch.setitem(BACKBONES, name, five_convolutions(name))


def layer_names(seen: Seen) -> set[str]:
    return {layer.name for layer in layers_with_weights(seen.fits[0].model)}


def coarsest_stride(seen: Seen) -> int:
    backbone = seen.fits[0].model.get_layer("backbone")
    return backbone.input_shape[1] // min(features.shape[1] for features in backbone.output.values())


def momenta(seen: Seen) -> set[float]:
    found = layers_with_weights(seen.fits[0].model)
    return {layer.momentum for layer in found if isinstance(layer, keras.layers.BatchNormalization)}


def layer_dtypes(seen: Seen) -> set[str]:
    layers = layers_with_weights(seen.fits[0].model.get_layer("backbone"))
    return {layer.compute_dtype for layer in layers}


LABELS = np.array([[[0, 1, 255], [1, 0, 0]]], np.uint8)
THREE = np.array([[[[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1]]] * 2], np.float32).reshape(1, 2, 3, 3)
TURNED = THREE[..., [1, 0, 2]]
TWO = THREE[..., :2] / THREE[..., :2].sum(-1, keepdims=True)


def loss(seen: Seen) -> float:
    return round(loss_of(seen.fits[-1].model, LABELS, (THREE, TURNED) if seen.settings.aux_branch else (TWO,)), 5)


def textbook(kind: str, weights: tuple[float, ...], probabilities: np.ndarray) -> float:
    """In NumPy: Lin et al. 2017 with alpha 0.5 and gamma 2, Milletari et al. 2016, weighted cross-entropy."""
    valid = LABELS != 255
    p, y = probabilities[valid], np.eye(len(weights))[LABELS[valid]]
    true, weight = (p * y).sum(-1), y @ np.array(weights)
    return {
        "focal": np.mean(-0.5 * weight * (1 - true) ** 2 * np.log(true)),
        "dice": 1 - np.mean((2 * (p * y).sum(0) + 1e-5) / (p.sum(0) + y.sum(0) + 1e-5)),
        "cross-entropy": np.mean(-weight * np.log(true)),
    }[kind]


SEVEN = (1.0, 2.0, 7.0)
LOSSES = {
    "base": round(sum(textbook(kind, (1.0, 2.0), TWO) for kind in ("focal", "dice")), 5),
    "changed": round(textbook("focal", SEVEN, THREE) + 0.4 * textbook("focal", SEVEN, TURNED), 5),
    "others": round(textbook("cross-entropy", (1.0, 5.0), TWO), 5),
}


def shown(seen: Seen) -> list[np.ndarray]:
    """The images and labels of the first epoch of each phase; with two outputs both have the same labels."""
    parts = []
    for fit in seen.fits:
        images, labels = zip(*fit.batches, strict=True)
        if seen.settings.aux_branch:
            assert all(set(one) == {"probabilities", "auxiliary"} for one in labels)
            parts.append(np.concatenate([one["auxiliary"] for one in labels]))
            labels = [one["probabilities"] for one in labels]
        parts += [np.concatenate(images), np.concatenate(labels)]
    return parts


def to_be_shown(seen: Seen) -> list[np.ndarray]:
    """The same as a stream that is made here with the settings gives it."""
    settings, split, parts = seen.settings, seen.split, []
    samples = list(split.subset("train"))
    if settings.negatives:
        samples += split.negative_subset("train", settings.negatives, seed=settings.seed)
    for phase, first_epoch in (("frozen", 0), ("unfrozen", settings.frozen_epochs)):
        batch_size = getattr(settings, f"{phase}_batch_size")
        stream = training_stream(
            samples,
            image_size=settings.image_size,
            batch_size=batch_size,
            augmentation=settings.augmentation,
            seed=settings.seed,
            first_epoch=first_epoch,
            samples_per_epoch=settings.samples_per_epoch,
            sampling=settings.sampling,
            zoom=settings.zoom,
        )
        steps = round((settings.samples_per_epoch or len(samples)) / batch_size)
        images, labels = zip(*(batch for batch, _ in zip(stream, range(steps), strict=False)), strict=True)
        parts += [np.concatenate(labels)] * settings.aux_branch + [np.concatenate(images), np.concatenate(labels)]
    return parts


def start(seen: Seen) -> list[np.ndarray]:
    return seen.fits[0].weights


def seeded_start(seen: Seen) -> list[np.ndarray]:
    """The weights of the model of these settings, built after setting the seed."""
    settings = seen.settings
    keras.utils.set_random_seed(settings.seed)
    random = settings.backbone_weights == "none"
    model = build_model(
        settings.architecture,
        settings.backbone,
        input_shape=(settings.image_size, settings.image_size, 3),
        classes=settings.classes,
        output_stride=settings.output_stride,
        aux_branch=settings.aux_branch,
        backbone_weights=None if random else settings.backbone_weights,
    )
    return model.get_weights()


def from_file(seen: Seen) -> bool:
    """Whether the training began with what the file of `init_weights`, or of the backbone, holds, layer by layer."""
    model, settings = seen.fits[0].model, seen.settings
    path = settings.init_weights or settings.backbone_weights
    if path == "none":
        return False
    stored, values = read_layers(path), iter(start(seen))
    began = {layer.name: [next(values) for _ in layer.weights] for layer in layers_with_weights(model)}
    wanted = layers_with_weights(model if settings.init_weights else model.get_layer("backbone"))
    return all(same(began[layer.name], stored[layer.name]) for layer in wanted)


def same(found, wanted) -> bool:
    """Equality, of arrays element by element."""
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(np.array_equal, found, wanted))
    return found == wanted


def learning_rates(seen: Seen) -> list[float]:
    return [round(line["learning_rate"], 8) for line in seen.history]


def cosine(rate: float, steps: int, epochs: int) -> list[float]:
    """What is left of the learning rate after each epoch of a phase."""
    ends = steps * np.arange(1, epochs + 1)
    return [round(float(value), 8) for value in rate * 0.5 * (1 + np.cos(np.pi * ends / (steps * epochs)))]


def of_fits(name: str):
    return lambda seen: [getattr(fit, name) for fit in seen.fits]


def batch_sizes(phase: int):
    """Of training and validation."""
    return lambda seen: {len(images) for images, _ in (*seen.fits[phase].batches, *seen.fits[phase].validation)}


RATES = {
    "base": [0.01] + [0.002] * 2,
    "changed": cosine(0.03, 5, 2) + cosine(0.004, 7, 4)[:3],  # 28 samples: 5 batches of 6, 7 of 4
}
# What is looked at for each setting, and what must be there for its value in each training.
TABLE = {
    "architecture": (
        lambda seen: seen.fits[0].model.name,
        {"base": "deeplabv3plus_mobilenet", "changed": "pspnet_mobilenet_v2"},
    ),
    "backbone": (lambda seen: "mobilenet_v2_1" in layer_names(seen), {"base": False, "changed": True}),
    "backbone_weights": (from_file, {"base": False, "changed": True}),
    "init_weights": (from_file, {"base": False, "others": True}),
    "image_size": (
        lambda seen: {images.shape[1:] for fit in seen.fits for images, _ in (*fit.batches, *fit.validation)},
        {"base": {(64, 64, 3)}, "changed": {(96, 96, 3)}},
    ),
    "classes": (lambda seen: tf.nest.flatten(seen.fits[0].model.output)[0].shape[-1], {"base": 2, "changed": 3}),
    "output_stride": (coarsest_stride, {"base": 8, "changed": 16}),
    "frozen_epochs": (
        lambda seen: (seen.fits[0].trainable_backbone, seen.fits[0].first_epoch, seen.fits[0].epochs),
        {"base": (False, 0, 1), "changed": (False, 0, 2)},
    ),
    "unfrozen_epochs": (
        lambda seen: (seen.fits[1].trainable_backbone, seen.fits[1].first_epoch, seen.fits[1].epochs),
        {"base": (True, 1, 4), "changed": (True, 2, 6)},
    ),
    "frozen_learning_rate": (learning_rates, RATES),
    "unfrozen_learning_rate": (learning_rates, RATES),
    "frozen_batch_size": (batch_sizes(0), {"base": {4}, "changed": {6}}),
    "unfrozen_batch_size": (batch_sizes(1), {"base": {2}, "changed": {4}}),
    "learning_rate_schedule": (learning_rates, RATES),
    "focal": (loss, LOSSES),
    "dice": (loss, LOSSES),
    "class_weights": (loss, LOSSES),
    "weight_averaging": (
        lambda seen: [fit.model.optimizer.ema_momentum if fit.model.optimizer.use_ema else 0 for fit in seen.fits],
        {"base": [0, 0], "others": [0.9, 0.9]},
    ),
    # the scores fall from the first epoch on
    "early_stopping": (lambda seen: [len(fit.weights_after) for fit in seen.fits], {"base": [1, 2], "others": [1, 3]}),
    "patience": (lambda seen: [len(fit.weights_after) for fit in seen.fits], {"base": [1, 2], "changed": [2, 3]}),
    "augmentation": (shown, to_be_shown),
    "samples_per_epoch": (of_fits("steps"), {"base": [3, 6], "changed": [5, 7]}),
    "negatives": (lambda seen: len(seen.description.data.negatives), {"base": 0, "others": 3}),
    "sampling": (shown, to_be_shown),
    "zoom": (shown, to_be_shown),
    # what the weights say: metres a pixel of the input, and of the images
    "image_gsd": (lambda seen: seen.description.scale, {"base": None, "others": Scale(0.6 / 1.5, 0.6)}),
    "num_workers": (
        lambda seen: seen.parallel,
        {"base": {tf.data.AUTOTUNE}, "changed": {None, tf.data.AUTOTUNE, 3}},
    ),
    "eager": (lambda seen: seen.fits[0].model.run_eagerly, {"base": False, "others": True}),
    "batch_normalization_momentum": (momenta, {"base": {0.99}, "changed": {0.7}}),
    "aux_branch": (lambda seen: len(tf.nest.flatten(seen.fits[0].model.output)), {"base": 1, "changed": 2}),
    "prediction_scale": (  # of the last scores, and of evaluate and predict later
        lambda seen: (seen.sizes[-1], seen.description.prediction_size),
        {"base": (64, 64), "changed": (128, 128)},
    ),
    "devices": (lambda seen: seen.devices, {"base": 1, "changed": 2}),
    "precision": (layer_dtypes, {"base": {"float32"}, "changed": {"bfloat16"}}),
    "jit": (lambda seen: seen.fits[0].model.jit_compile, {"base": False, "changed": True}),
    "seed": (start, seeded_start),
}


def test_every_setting_reaches_the_training(observed, tmp_path):
    assert set(TABLE) == {field.name for field in dataclasses.fields(Settings)}, "a setting without a line in TABLE"
    backbone_file = tmp_path / "backbone.weights.h5"
    build_backbone("mobilenet_v2", output_stride=16).save_weights(backbone_file)
    seen = {"base": observed("base", BASE)}
    seen["changed"] = observed("changed", dataclasses.replace(CHANGED, backbone_weights=str(backbone_file)))
    initial = str(tmp_path / "base" / "best.weights.h5")
    seen["others"] = observed("others", dataclasses.replace(OTHERS, init_weights=initial))
    wrong = []
    for name, (look, expected) in TABLE.items():
        if callable(expected):
            expected = {run: expected(one) for run, one in seen.items() if run != "others" or name != "seed"}
        changes = [run for run in expected if getattr(seen[run].settings, name) != getattr(BASE, name)]
        assert any(not same(expected[run], expected["base"]) for run in changes), f"{name}: the look shows no change"
        for run, value in expected.items():
            found = look(seen[run])
            if not same(found, value):
                wrong.append(f"{name} in {run}: {found} instead of {value}")
    assert not wrong, "\n".join(wrong)
