"""Scores against hand-made confusion matrices, and the Keras metric against NumPy and Keras' own."""

import keras
import numpy as np
import pytest

from keras_landslide.paper import TABLE_6
from keras_landslide.scores import class_scores, confusion_matrix, mean_scores
from keras_landslide.training.mean_iou import MeanIoU


def test_confusion_matrix_counts_every_pixel_once():
    truth = np.array([[0, 0, 0, 1], [1, 1, 255, 255]])
    predicted = np.array([[0, 0, 1, 1], [1, 0, 1, 0]])
    assert confusion_matrix(truth, predicted).tolist() == [[2, 1], [1, 2]]


def test_rows_are_the_truth():
    assert confusion_matrix(np.array([0, 0, 0]), np.array([1, 1, 1])).tolist() == [[0, 3], [0, 0]]


def test_scores_of_a_hand_made_matrix():
    # TN 50, FP 10, FN 5, TP 35
    scores = class_scores([[50, 10], [5, 35]])
    assert scores["precision"] == pytest.approx([50 / 55, 35 / 45])
    assert scores["recall"] == pytest.approx([50 / 60, 35 / 40])
    assert scores["iou"] == pytest.approx([50 / 65, 35 / 50])
    assert scores["f1"] == pytest.approx([100 / 115, 70 / 85])
    assert mean_scores([[50, 10], [5, 35]])["miou"] == pytest.approx((50 / 65 + 35 / 50) / 2)


def test_a_class_that_is_nowhere_has_no_score():
    scores = class_scores([[7, 0], [0, 0]])
    assert np.isnan(scores["iou"][1])
    assert mean_scores([[7, 0], [0, 0]])["miou"] == 1.0


def test_a_matrix_made_from_the_papers_landslide_column_gives_its_background_column():
    """Table 6 (ResNet50): precision and recall of both classes fix all ratios, hence both IoU."""
    landslide, background = TABLE_6["pspnet_resnet50"]["landslide"], TABLE_6["pspnet_resnet50"]["background"]
    tp, fn = landslide.recall, 100 - landslide.recall
    fp = tp * (100 / landslide.precision - 1)
    tn = fn / (100 / background.precision - 1)
    scores = class_scores([[tn, fp], [fn, tp]])
    assert 100 * scores["iou"][1] == pytest.approx(landslide.iou, abs=0.02)
    assert 100 * scores["iou"][0] == pytest.approx(background.iou, abs=0.1)


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


def test_metric_forgets_between_epochs(batches):
    metric = MeanIoU(3)
    metric.update_state(batches[0][0], batches[1][0])
    first = float(metric.result())
    metric.reset_state()
    assert float(metric.result()) == 0.0
    metric.update_state(batches[0][0], batches[1][0])
    assert float(metric.result()) == first
