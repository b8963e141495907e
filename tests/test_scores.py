"""Scores against hand-made confusion matrices."""

import numpy as np
import pytest

from keras_landslide.paper import TABLE_6
from keras_landslide.scores import class_scores, confusion_matrix, mean_scores, share_interval


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


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_a_share_is_the_published_one(count, total, low, high):
    """Newcombe 1998, Statistics in Medicine 17, table I, method 3 (Wilson)."""
    assert share_interval(count / total, total) == pytest.approx((low, high), abs=5e-5)
    assert share_interval(1 - count / total, total) == pytest.approx((1 - high, 1 - low), abs=5e-5)


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
