"""The Keras metric against NumPy and Keras' own."""

import keras
import numpy as np
import pytest

from keras_landslide.scores import confusion_matrix, mean_scores
from keras_landslide.training.mean_iou import MeanIoU


@pytest.fixture
def batches():
    rng = np.random.default_rng(3)
    labels = rng.choice([0, 1, 2, 255], (3, 2, 9, 7), p=[0.4, 0.3, 0.1, 0.2])
    return labels, rng.dirichlet(np.ones(3), (3, 2, 9, 7)).astype("float32")


def test_metric_equals_numpy_and_keras_over_several_batches(batches):
    ours, theirs = MeanIoU(3), keras.metrics.MeanIoU(3, ignore_class=255, sparse_y_pred=False)
    for labels, probabilities in zip(*batches, strict=True):
        ours.update_state(labels.astype("uint8"), probabilities)
        theirs.update_state(labels, probabilities)
    labels, probabilities = batches
    oracle = mean_scores(confusion_matrix(labels, probabilities.argmax(-1), 3))["miou"]
    assert float(ours.result()) == pytest.approx(oracle, rel=1e-6)
    assert float(theirs.result()) == pytest.approx(oracle, rel=1e-6)
    assert float(ours.result()) != pytest.approx(
        mean_scores(confusion_matrix(labels, np.roll(probabilities, 1, 2).argmax(-1), 3))["miou"], rel=1e-3
    )


def test_a_class_that_is_nowhere_does_not_count(batches):
    """Classes 3 and 4 are neither labelled nor found."""
    ours, theirs = MeanIoU(5), keras.metrics.MeanIoU(5, ignore_class=255, sparse_y_pred=False)
    for labels, probabilities in zip(batches[0], np.pad(batches[1], [(0, 0)] * 4 + [(0, 2)]), strict=True):
        ours.update_state(labels.astype("uint8"), probabilities)
        theirs.update_state(labels, probabilities)
    assert float(ours.result()) == pytest.approx(float(theirs.result()), rel=1e-6)
    assert float(ours.result()) > 0.1


def test_metric_forgets_between_epochs(batches):
    metric = MeanIoU(3)
    metric.update_state(batches[0][0], batches[1][0])
    first = float(metric.result())
    metric.reset_state()
    assert float(metric.result()) == 0.0
    metric.update_state(batches[0][0], batches[1][0])
    assert float(metric.result()) == first
