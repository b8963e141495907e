"""`fit` played instead of trained: the real batches and callbacks, scripted validation scores, no gradients.

What stands before and after `fit` (settings, streams, files of the run) is then tested in seconds, on whatever network
and in whatever module the package calls it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import keras
import numpy as np


@dataclass
class Fit:
    """One call of `fit`: what it was given; the weights at its start, after each epoch (from 1) and at its end."""

    model: keras.Model
    steps: int
    first_epoch: int
    epochs: int
    validation: list
    weights: list[np.ndarray]
    optimizer_steps: int  # done before
    trainable_backbone: bool
    batches: list = field(default_factory=list)  # of the first epoch
    weights_after: dict[int, list[np.ndarray]] = field(default_factory=dict)


class Played:
    """Stands in for `keras.Model.fit` while the pytest fixture `played` is used.

    `scores` are the validation mIoUs of the epochs to come, over all calls; when there are none left, and for the
    losses, numbers that follow from the batches and the weights. `stop_in` is an epoch (from 1) in whose second step
    Ctrl-C comes, once.
    """

    def __init__(self):
        self.fits: list[Fit] = []
        self.scores: list[float] = []
        self.stop_in: int | None = None

    def fit(
        self, model: keras.Model, stream, *, callbacks, steps_per_epoch, initial_epoch, epochs, validation_data, **_
    ):
        """What `keras.Model.fit` does with a stream and callbacks, but for the training."""
        model.optimizer.build(model.trainable_variables)
        validation = [tuple(part) for part in validation_data]
        fit = Fit(
            model,
            steps_per_epoch,
            initial_epoch,
            epochs,
            validation,
            model.get_weights(),
            int(model.optimizer.iterations),
            model.get_layer("backbone").trainable,
        )
        self.fits.append(fit)
        told = keras.callbacks.CallbackList(callbacks, model=model, epochs=epochs, steps=steps_per_epoch)
        model.stop_training = False
        batches = iter(stream)
        told.on_train_begin()
        for epoch in range(initial_epoch, epochs):
            told.on_epoch_begin(epoch)
            loss = sum(self._step(model, fit, told, epoch, step, next(batches)) for step in range(steps_per_epoch))
            for variable in model.trainable_variables:  # the epoch leaves its trace in all that is trained
                variable.assign(variable + np.float32(loss / 64))
            fit.weights_after[epoch + 1] = model.get_weights()
            told.on_epoch_end(epoch, self._logs(model, loss / steps_per_epoch, validation))
            if model.stop_training:
                break
        told.on_train_end()

    def _step(self, model, fit: Fit, told, epoch: int, step: int, batch) -> float:
        told.on_train_batch_begin(step)
        if self.stop_in == epoch + 1 and step == 1:
            self.stop_in = None
            raise KeyboardInterrupt
        if epoch == fit.first_epoch:
            fit.batches.append(batch)
        loss = float(np.mean(batch[0])) / 255
        model.optimizer.iterations.assign_add(1)
        told.on_train_batch_end(step, {"loss": loss})
        return loss

    def _logs(self, model, loss: float, validation: list) -> dict[str, float]:
        score = self.scores.pop(0) if self.scores else loss % 1
        first = "probabilities_" if isinstance(model.output, dict) else ""
        val_loss = float(np.mean([np.mean(images) for images, _ in validation])) / 255
        return {"loss": loss, f"{first}miou": loss / 2, "val_loss": val_loss, f"val_{first}miou": score}


def loss_of(model: keras.Model, labels: np.ndarray, probabilities: Sequence[np.ndarray]) -> float:
    """What a compiled model, of one output or two, loses by these `probabilities`, one array an output."""
    names = list(model.output) if isinstance(model.output, dict) else None
    if names is None:
        return float(model.compute_loss(None, labels, probabilities[0]))
    return float(model.compute_loss(None, dict.fromkeys(names, labels), dict(zip(names, probabilities, strict=True))))
