"""What every architecture on every backbone does; a new one is a new row of the tables.

Weights are random, but every batch normalisation has the statistics of a few images: without them the features of deep
random networks vanish, all answers are 0.5, and any comparison passes.
"""

import dataclasses

import keras
import numpy as np
import pytest

from keras_landslide.data.classes import class_names
from keras_landslide.models import (
    ARCHITECTURES,
    BACKBONES,
    DeepLabV3Plus,
    Description,
    PSPNet,
    UNet,
    build_model,
    load_model,
)
from keras_landslide.models.calibration import calibrate_batch_normalization
from keras_landslide.models.saving import save_weights
from keras_landslide.training.losses import SegmentationLoss

SIDES = (64, 97)  # the smallest, and an odd one
CLASSES = 3
EXACT = 1e-5
ROUNDED = 1e-3
LIGHT = "mobilenet"  # where one backbone stands for all
PAIRS = [(architecture, backbone) for architecture in ARCHITECTURES for backbone in BACKBONES]
# The quick set takes each architecture once; the other pairs are slow.
QUICK = [("unet", LIGHT), ("deeplabv3plus", LIGHT), ("pspnet", "mobilenet_v2")]
MARKED_PAIRS = [pytest.param(*pair, marks=[pytest.mark.slow] * (pair not in QUICK)) for pair in PAIRS]


def build(architecture: str, backbone: str, images, sides=SIDES) -> keras.Model:
    """A model with calibrated batch normalisation: a momentum of zero takes the statistics of one batch as they are."""
    model = build_model(
        architecture,
        backbone,
        input_shape=(*sides, 3),
        classes=CLASSES,
        output_stride=16,
        backbone_weights=None,
        batch_normalization_momentum=0.0,
    )
    model(images(*(side or 64 for side in sides), count=4, seed=7), training=True)
    return model


def saved(model: keras.Model, folder, **more):
    """The path of the model's weights file."""
    architecture, backbone = model.name.split("_", 1)
    path = folder / "model.weights.h5"
    description = Description(architecture, backbone, class_names(CLASSES), output_stride=16)
    save_weights(model, path, dataclasses.replace(description, **more))
    return path


@pytest.mark.parametrize(
    ("architecture", "backbone"),
    MARKED_PAIRS,
)
def test_probabilities_of_fixed_saved_and_dynamic_model(architecture, backbone, images, difference, tmp_path):
    model = build(architecture, backbone, images)
    image = images(*SIDES, count=2).astype("uint8")
    probabilities = model(image).numpy()
    assert model.output_shape == (None, *SIDES, CLASSES)
    assert probabilities.shape == (2, *SIDES, CLASSES)
    assert probabilities.dtype == "float32"
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
    assert np.ptp(probabilities[..., 1]) > 0.1

    dynamic = load_model(saved(model, tmp_path))
    assert dynamic.input_shape == (None, None, None, 3)
    assert difference(dynamic(image), probabilities) < EXACT
    assert difference(dynamic(np.roll(image, 1, axis=2)), probabilities) > 100 * EXACT
    other = images(81, 64)
    assert dynamic(other).shape == (1, 81, 64, CLASSES)


def likeness(one, other) -> float:
    """The correlation of the probabilities of class 1."""
    return np.corrcoef(np.asarray(one)[..., 1].ravel(), np.asarray(other)[..., 1].ravel())[0, 1]


@pytest.mark.parametrize(("architecture", "backbone"), QUICK)
def test_mixed_precision_computes_the_same_in_16_bits(architecture, backbone, images):
    """Pixels, head, resizing and probabilities stay in 32 bits."""
    model = build(architecture, backbone, images)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = build(architecture, backbone, images)
    finally:
        keras.config.set_dtype_policy(before)
    half.set_weights(model.get_weights())
    assert half.get_layer("backbone").output["stride_16"].dtype == "bfloat16"
    whole = {layer.name for layer in half.layers if layer.compute_dtype == "float32"}
    assert whole >= {"normalise", "head", "to_input_size", "probabilities"}
    image = images(*SIDES)
    probabilities, wanted = half(image).numpy(), model(image)
    assert probabilities.dtype == "float32"
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
    assert likeness(probabilities, wanted) > 0.6  # after so many random layers, of numbers with 8 bits
    assert likeness(half(np.roll(image, 9, axis=2)), wanted) < 0.2


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_gradient_reaches_every_trainable_weight(architecture, images):
    tensorflow = pytest.importorskip("tensorflow")
    model = build(architecture, LIGHT, images)
    fixed = {weight.name for weight in model.non_trainable_weights}
    assert fixed <= {"moving_mean", "moving_variance", "seed_generator_state"}
    labels = np.random.default_rng(0).integers(0, CLASSES, (2, *SIDES))
    with tensorflow.GradientTape() as tape:
        loss = SegmentationLoss((1.0,) * CLASSES)(labels, model(images(*SIDES, count=2), training=True))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    unreached = [
        weight.path
        for weight, gradient in zip(model.trainable_weights, gradients, strict=True)
        if gradient is None or not np.any(gradient)
    ]
    assert not unreached


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_step_with_a_frozen_backbone_leaves_it_bit_for_bit(architecture, images):
    model = build(architecture, LIGHT, images)
    backbone = model.get_layer("backbone")
    backbone.trainable = False
    kept, head = backbone.get_weights(), model.get_layer("head").get_weights()[0]
    model.compile(keras.optimizers.Adam(1e-3), SegmentationLoss((1.0,) * CLASSES), run_eagerly=True)
    labels = np.random.default_rng(0).integers(0, CLASSES, (2, *SIDES))
    model.train_on_batch(images(*SIDES, count=2), labels)
    assert all(np.array_equal(*pair) for pair in zip(kept, backbone.get_weights(), strict=True))
    assert not np.array_equal(head, model.get_layer("head").get_weights()[0])
    backbone.trainable = True  # the control: unfrozen, the same step changes it
    model.compile(keras.optimizers.Adam(1e-3), SegmentationLoss((1.0,) * CLASSES), run_eagerly=True)
    model.train_on_batch(images(*SIDES, count=2), labels)
    assert not any(np.array_equal(*pair) for pair in zip(kept, backbone.get_weights(), strict=True))


@pytest.mark.parametrize(
    "architecture", [pytest.param(name, marks=[pytest.mark.slow] * (name != "pspnet")) for name in ARCHITECTURES]
)
def test_a_dynamic_model_predicts_at_any_size(architecture, images, difference, normalised_by_keras):
    model = build(architecture, LIGHT, images, sides=(None, None))
    for sides in [(64, 64), (97, 66), (80, 113)]:
        image = images(*sides)
        assert difference(model.predict(image, verbose=0), model(image)) < EXACT


@pytest.mark.parametrize(
    ("builder", "architecture"), [(UNet, "unet"), (DeepLabV3Plus, "deeplabv3plus"), (PSPNet, "pspnet")]
)
def test_builders_by_name_take_the_options_of_build_model(builder, architecture):
    model = builder(LIGHT, input_shape=(64, None, 3), classes=4, backbone_weights=None)
    assert model.name == f"{architecture}_{LIGHT}"
    assert model.output_shape == (None, 64, None, 4)


@pytest.mark.slow  # full networks at the paper's size
@pytest.mark.parametrize("row", ["deeplabv3plus_xception", "pspnet_mobilenet_v2"])
def test_fixed_and_dynamic_rows_agree_at_the_sizes_of_use(row, images, difference, imagenet, monkeypatch):
    """On ImageNet weights: fixed against dynamic step by step, and against `predict`, whose graph knows no size.

    A graph fuses convolutions and normalisations, which by itself changes the answers of these networks by 1.5e-4. What
    stands in another order is summed in another one, so the fixed one is compared with and without.
    """
    monkeypatch.setenv("KERAS_LANDSLIDE_BACKBONES", str(imagenet))
    architecture, backbone = row.split("_", 1)
    dynamic = build_model(architecture, backbone, input_shape=(None, None, 3))
    calibrate_batch_normalization(dynamic, [images(128, 128, count=2)])
    for sides in [(473, 473), (321, 257)]:
        rearranged = build_model(architecture, backbone, input_shape=(*sides, 3), backbone_weights=None)
        with monkeypatch.context() as patch:
            patch.setattr("keras_landslide.models.rearranged._order_that_dilates", lambda *_: ())
            fixed = build_model(architecture, backbone, input_shape=(*sides, 3), backbone_weights=None)
        for model in (fixed, rearranged):
            model.set_weights(dynamic.get_weights())
        image = images(*sides)
        wanted = fixed(image)
        assert difference(rearranged(image), wanted) < ROUNDED
        assert np.ptp(wanted[..., 1]) > 0.05
        assert difference(dynamic(image), wanted) < EXACT
        assert difference(dynamic.predict(image, verbose=0), wanted) < ROUNDED
        assert difference(dynamic.predict(np.roll(image, 1, axis=2), verbose=0), wanted) > 10 * ROUNDED
