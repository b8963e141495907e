"""The loss on pinned numbers, against Keras' own where the formulas agree, and what must not change it."""

import keras
import numpy as np
import pytest

from keras_landslide.training.losses import FOCAL_ALPHA, FOCAL_GAMMA, SegmentationLoss


def loss(labels, probabilities, **options) -> float:
    return float(SegmentationLoss(**options)(np.asarray(labels), np.asarray(probabilities, "float32")))


@pytest.fixture
def sample():
    rng = np.random.default_rng(5)
    return rng.integers(0, 2, (2, 6, 5)), rng.dirichlet([1.0, 1.0], (2, 6, 5)).astype("float32")


def test_focal_by_hand():
    # one background pixel seen with 0.8, one landslide pixel with 0.6 and weight 2
    by_hand = (0.5 * 0.2**2 * -np.log(0.8) + 2 * 0.5 * 0.4**2 * -np.log(0.6)) / 2
    assert loss([[[0, 1]]], [[[[0.8, 0.2], [0.4, 0.6]]]], dice=False) == pytest.approx(by_hand, rel=1e-5)


def test_dice_by_hand():
    # overlaps 0.8 and 0.6, sizes 1 + 1.2 and 1 + 0.8
    by_hand = 1 - (1.6 / 2.2 + 1.2 / 1.8) / 2
    assert loss([[[0, 1]]], [[[[0.8, 0.2], [0.4, 0.6]]]], focal=False) == pytest.approx(by_hand, rel=1e-4)


def test_without_both_it_is_weighted_cross_entropy():
    by_hand = (-np.log(0.8) - 2 * np.log(0.6)) / 2
    options = {"focal": False, "dice": False}
    assert loss([[[0, 1]]], [[[[0.8, 0.2], [0.4, 0.6]]]], **options) == pytest.approx(by_hand, rel=1e-5)


def test_the_sum_is_the_sum(sample):
    parts = loss(*sample, dice=False) + loss(*sample, focal=False)
    assert loss(*sample) == pytest.approx(parts, rel=1e-6)


def test_focal_equals_keras(sample):
    labels, probabilities = sample
    keras_focal = keras.losses.CategoricalFocalCrossentropy(alpha=[FOCAL_ALPHA, 2 * FOCAL_ALPHA], gamma=FOCAL_GAMMA)
    oracle = float(keras_focal(np.eye(2)[labels], probabilities))
    assert loss(labels, probabilities, dice=False) == pytest.approx(oracle, rel=1e-5)


def test_dice_equals_keras(sample):
    labels, probabilities = sample
    oracle = np.mean(np.asarray(keras.losses.Dice(axis=(0, 1, 2))(np.eye(2)[labels], probabilities)))
    assert loss(labels, probabilities, focal=False) == pytest.approx(float(oracle), rel=1e-4)


def test_ignored_pixels_change_nothing(sample):
    labels, probabilities = sample
    bars = np.concatenate([labels, np.full((2, 6, 4), 255)], axis=2)
    guesses = np.random.default_rng(0).dirichlet([1.0, 1.0], (2, 6, 4))
    assert loss(bars, np.concatenate([probabilities, guesses], axis=2)) == pytest.approx(loss(*sample), rel=1e-5)
    as_background = np.where(bars == 255, 0, bars)
    assert loss(as_background, np.concatenate([probabilities, guesses], axis=2)) != pytest.approx(
        loss(*sample), rel=1e-2
    )


def test_nothing_but_ignored_pixels_is_finite():
    assert np.isfinite(loss(np.full((1, 4, 4), 255), np.full((1, 4, 4, 2), 0.5)))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_certain_and_wrong_is_finite_in_every_precision(dtype):
    import tensorflow as tf

    probabilities = tf.cast([[[[1.0, 0.0], [0.0, 1.0]]]], dtype)
    with tf.GradientTape() as tape:
        tape.watch(probabilities)
        value = SegmentationLoss()(np.array([[[1, 0]]]), probabilities)
    assert value.dtype == tf.float32
    assert np.isfinite(float(value))
    assert np.isfinite(tf.cast(tape.gradient(value, probabilities), "float32").numpy()).all()


def test_better_predictions_cost_less():
    labels = np.array([[[0, 1]]])
    costs = [loss(labels, [[[[p, 1 - p], [1 - p, p]]]]) for p in (0.1, 0.5, 0.9, 0.99)]
    assert costs == sorted(costs, reverse=True)


def test_a_saved_loss_reloads():
    config = keras.saving.serialize_keras_object(SegmentationLoss([1.0, 3.0], dice=False))
    again = keras.saving.deserialize_keras_object(config)
    assert (again.class_weights, again.focal, again.dice) == ([1.0, 3.0], True, False)
