"""Scores from a confusion matrix (equations 1 to 3), NumPy at heart, and the Keras metric that training watches."""

import keras
import numpy as np
from keras import ops

from .losses import PACKAGE
from .settings import IGNORE_LABEL


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, classes: int = 2) -> np.ndarray:
    """Count pixels: `(classes, classes)` int64, rows are the truth, columns the prediction; truth 255 is left out.

    For two classes that is [[TN, FP], [FN, TP]] with landslide positive (Table 1).

    >>> confusion_matrix(np.array([0, 0, 1, 1, 255]), np.array([0, 1, 1, 1, 1]))
    array([[1, 1],
           [0, 2]])
    """
    valid = truth != IGNORE_LABEL
    pairs = truth[valid].astype(np.int64) * classes + predicted[valid]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def class_scores(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Precision, recall, IoU and F1 of every class (equations 1 to 3), fractions, `(classes,)` float64 each.

    A class that is neither in the truth nor predicted has no score: NaN.
    """
    confusion = np.asarray(confusion, np.float64)
    hits = np.diag(confusion)
    predicted, actual = confusion.sum(axis=0), confusion.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "precision": hits / predicted,
            "recall": hits / actual,
            "iou": hits / (predicted + actual - hits),
            "f1": 2 * hits / (predicted + actual),
        }


def mean_scores(confusion: np.ndarray) -> dict[str, float]:
    """`miou`, `mean_recall` and `mean_precision`: means over the classes that have a score, as Table 5 prints them.

    >>> print(round(mean_scores([[3, 1], [0, 4]])["miou"], 4))
    0.775
    """
    scores = class_scores(confusion)
    return {
        "miou": float(np.nanmean(scores["iou"])),
        "mean_recall": float(np.nanmean(scores["recall"])),
        "mean_precision": float(np.nanmean(scores["precision"])),
    }


@keras.saving.register_keras_serializable(package=PACKAGE)
class MeanIoU(keras.metrics.Metric):
    """Mean IoU (equation 3) of an epoch from one confusion matrix over all its pixels that are not ignored.

    Labels `(N, H, W)`, 255 ignored; predictions `(N, H, W, classes)`. It equals
    `keras.metrics.MeanIoU(classes, ignore_class=255, sparse_y_pred=False)`, whose scatter over every pixel takes
    several times longer; here the counts are one small matrix product. Counts are float32, exact to 1e-7, and are
    summed over replicas.
    """

    def __init__(self, classes: int = 2, name: str = "miou", **kwargs):
        super().__init__(name=name, **kwargs)
        self.classes = classes
        self.confusion = self.add_variable((classes, classes), "zeros", name="confusion", aggregation="sum")

    def update_state(self, labels, probabilities, sample_weight=None):
        truth = ops.one_hot(ops.reshape(ops.cast(labels, "int32"), (-1,)), self.classes, dtype="float32")
        predicted = ops.reshape(ops.argmax(probabilities, axis=-1), (-1,))
        predicted = ops.one_hot(predicted, self.classes, dtype="float32")
        self.confusion.assign_add(ops.matmul(ops.transpose(truth), predicted))

    def result(self):
        hits = ops.diagonal(self.confusion)
        union = ops.sum(self.confusion, axis=0) + ops.sum(self.confusion, axis=1) - hits
        present = ops.cast(union > 0, "float32")
        return ops.sum(hits / ops.maximum(union, 1.0)) / ops.maximum(ops.sum(present), 1.0)

    def get_config(self):
        return {**super().get_config(), "classes": self.classes}
