"""More than two classes: counts by class against hand-made ones, under keys that do not collide."""

import json

import keras
import numpy as np
import pytest

from keras_landslide.comparison import report_lines
from keras_landslide.data.folder import find_samples
from keras_landslide.data.voc import VOC_CLASSES
from keras_landslide.evaluation import Evaluation, class_names, evaluate

AGREED = ["images", "labels", "split", "subset", "confusion", "miou", "mean_recall", "mean_precision"]


def constant_model(classes: int, answer: int) -> keras.Model:
    """A model that is sure of one class everywhere."""
    inputs = keras.Input((None, None, 3))
    one = np.eye(classes, dtype=np.float32)[answer]
    kernel = keras.layers.Conv2D(classes, 1, kernel_initializer="zeros", bias_initializer=lambda shape, dtype: one)
    return keras.Model(inputs, kernel(inputs))


def test_counts_of_21_classes(voc):
    samples = find_samples(voc)
    scores = evaluate(constant_model(21, 15), samples, image_size=64, split="voc", subset="train").to_json()
    confusion = np.array(scores["confusion"])
    truth = np.concatenate([sample.read()[1].ravel() for sample in samples])
    expected = np.zeros((21, 21), int)
    expected[:, 15] = [(truth == number).sum() for number in range(21)]
    np.testing.assert_array_equal(confusion, expected)
    assert confusion.sum() == (truth != 255).sum() < truth.size
    assert list(scores) == [*AGREED, *VOC_CLASSES, "per_image"]
    share = expected[15, 15] / expected.sum()
    assert scores["person"] == pytest.approx(
        {"precision": share, "recall": 1.0, "iou": share, "f1": 2 * share / (1 + share)}
    )
    assert scores["dog"] == {"precision": None, "recall": 0.0, "iou": 0.0, "f1": 0.0}
    assert scores["miou"] == pytest.approx(share / 21)
    json.dumps(scores, allow_nan=False)


def test_names_of_classes():
    assert class_names(2) == ("background", "landslide")
    assert class_names(21)[20] == "tvmonitor"
    assert class_names(4) == ("background", "class_1", "class_2", "class_3")


def test_the_report_of_three_classes_has_a_line_for_each_and_no_paper():
    from keras_landslide.paper import row

    evaluation = Evaluation({"a": np.array([[80, 0, 0], [0, 10, 10], [0, 0, 0]])}, "voc", "val")
    text = "\n".join(report_lines(evaluation.to_json(), row("pspnet_resnet50")))
    assert "class_1         100.00     50.00     50.00     66.67" in text
    assert "class_2           0.00         –      0.00      0.00" in text
    assert "mIoU, 95 % interval over images: 50.0 to 50.0" in text and "means of the classes that have a score" in text
    assert "Table 5" not in text and "paper" not in text and "landslide" not in text
