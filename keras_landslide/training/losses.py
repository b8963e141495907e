"""Focal and dice loss with class weights (Table 4), blind to ignored pixels, computed in float32."""

from collections.abc import Callable, Sequence

import keras
from keras import ops

from ..models.layers import PACKAGE
from ..settings import IGNORE_LABEL

FOCAL_ALPHA = 0.5  # Table 4 says no more than focal_loss = True; 0.5 is what the public code of its family uses
FOCAL_GAMMA = 2.0
SMOOTH = 1e-5


def _identity(values):
    return values


@keras.saving.register_keras_serializable(package=PACKAGE)
class SegmentationLoss(keras.losses.Loss):
    """Sum of focal and dice loss over the pixels that are not ignored, as Table 4 has them.

    Labels `(N, H, W)` of any integer or float dtype hold class numbers, or 255 for a pixel that does not count
    (letterbox bars, corners that a rotation opens). Predictions `(N, H, W, classes)` are probabilities. The value is a
    float32 scalar over the whole batch: `call` gives it the shape `(1,)`, of which Keras takes the mean, and divides
    that by the number of replicas, which it does not do for a scalar.

    - Focal (Lin et al. 2017): mean of −α w (1 − p)^γ log p, with p the probability of the true class and w its class
      weight. It equals `keras.losses.CategoricalFocalCrossentropy` with `alpha = α w`, which cannot ignore pixels.
    - Dice (Milletari et al. 2016): one minus the mean over classes of (2 Σ y p + ε) / (Σ y + Σ p + ε), with the sums
      over all pixels of the batch.

    `reduce_sums` is applied to every sum before a division: identity on one device, the sum over replicas on many.

    >>> import numpy as np
    >>> labels = np.array([[[0, 1, 255]]])
    >>> right = np.array([[[[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]]])
    >>> print(f"{float(SegmentationLoss()(labels, right)):.3f}")
    0.000
    """

    def __init__(
        self,
        class_weights: Sequence[float] = (1.0, 2.0),
        *,
        focal: bool = True,
        dice: bool = True,
        reduce_sums: Callable = _identity,
        name: str = "segmentation_loss",
    ):
        super().__init__(name=name, reduction="sum_over_batch_size", dtype="float32")
        self.class_weights = [float(weight) for weight in class_weights]
        self.focal = focal
        self.dice = dice
        self.reduce_sums = reduce_sums

    def call(self, labels, probabilities):
        probabilities = ops.cast(probabilities, "float32")
        labels = ops.cast(labels, "int32")
        valid = ops.cast(ops.not_equal(labels, IGNORE_LABEL), "float32")
        # one_hot gives zeros for 255, so an ignored pixel is in no class
        truth = ops.one_hot(labels, len(self.class_weights), dtype="float32")
        loss = self._focal(truth, probabilities, valid) if self.focal else 0.0
        if self.dice:
            loss = loss + self._dice(truth, probabilities, valid)
        if not self.focal and not self.dice:
            loss = self._cross_entropy(truth, probabilities, valid)
        return ops.reshape(loss, (1,))

    def _log_likelihood(self, truth, probabilities):
        """Probability of the true class and its weighted logarithm, `(N, H, W)`; zero where ignored."""
        likelihood = ops.sum(truth * ops.clip(probabilities, keras.config.epsilon(), 1.0), axis=-1)
        weight = ops.sum(truth * ops.convert_to_tensor(self.class_weights, "float32"), axis=-1)
        return likelihood, weight * ops.log(ops.maximum(likelihood, keras.config.epsilon()))

    def _focal(self, truth, probabilities, valid):
        likelihood, weighted_log = self._log_likelihood(truth, probabilities)
        terms = -FOCAL_ALPHA * ops.power(1.0 - likelihood, FOCAL_GAMMA) * weighted_log
        return self._mean(terms, valid)

    def _cross_entropy(self, truth, probabilities, valid):
        return self._mean(-self._log_likelihood(truth, probabilities)[1], valid)

    def _mean(self, terms, valid):
        total = self.reduce_sums(ops.sum(terms * valid))
        return total / ops.maximum(self.reduce_sums(ops.sum(valid)), 1.0)

    def _dice(self, truth, probabilities, valid):
        probabilities = probabilities * ops.expand_dims(valid, -1)
        overlap = self.reduce_sums(ops.sum(truth * probabilities, axis=(0, 1, 2)))
        sizes = self.reduce_sums(ops.sum(truth, axis=(0, 1, 2)) + ops.sum(probabilities, axis=(0, 1, 2)))
        return 1.0 - ops.mean((2.0 * overlap + SMOOTH) / (sizes + SMOOTH))

    def get_config(self):
        """`reduce_sums` belongs to a training run, not to the loss that is saved."""
        return {"class_weights": self.class_weights, "focal": self.focal, "dice": self.dice, "name": self.name}
