"""The Keras metric that training watches: mean IoU from one confusion matrix (equation 3)."""

import keras
from keras import ops

from ..models.layers import PACKAGE


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
