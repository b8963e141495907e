"""What watches a phase of `fit`: early stopping, a bar, a guard against NaN, and the run folder."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from ..data.sample import Sample
from ..errors import NotANumber
from .checkpoint import Checkpoint, model_state
from .runs import Run, precision_of


@dataclass(frozen=True)
class Phase:
    """One call of `fit`; epochs are counted from 0 over both phases."""

    name: str
    epochs: int
    batch_size: int
    learning_rate: float
    first_epoch: int
    trainable_backbone: bool

    @property
    def end(self) -> int:
        return self.first_epoch + self.epochs


class EarlyStopping(keras.callbacks.EarlyStopping):
    """Keras' own on validation mIoU, whose memory goes into a checkpoint and comes back out of it.

    It only ends the phase; the best weights are those of the run folder.
    """

    REMEMBERED = ("wait", "best", "best_epoch", "stopped_epoch")

    def __init__(self, monitor: str, patience: int, checkpoint: Checkpoint | None = None):
        super().__init__(monitor, mode="max", patience=patience, verbose=0)
        self.checkpoint = checkpoint

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        if self.checkpoint:
            for name, value in self.checkpoint.state["early_stopping"].items():
                setattr(self, name, value)

    def memory(self) -> dict:
        """All that it knows of the epochs so far, plain numbers."""
        return {name: None if (value := getattr(self, name)) is None else float(value) for name in self.REMEMBERED}


class Bar(keras.callbacks.Callback):
    """Images done of the whole phase, images a second and time left, on a bar of `console.progress`."""

    def __init__(self, bar, batch_size: int):
        super().__init__()
        self.bar, self.batch_size = bar, batch_size

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update(self.batch_size)


class StopAtNaN(keras.callbacks.Callback):
    """Raises `NotANumber` with the batch's files in the step in which the loss stops being a finite number.

    Keras' TerminateOnNaN only ends the phase, and says nothing of the batch. `batch_samples` gives the samples of
    (epoch, step).
    """

    def __init__(self, run: Run, batch_samples: Callable[[int, int], Sequence[Sample]]):
        super().__init__()
        self.run, self.batch_samples = run, batch_samples

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if np.isfinite(float(logs["loss"])):
            return
        kept = f" The last good weights are {self.run.best_weights}." if self.run.history else ""
        raise NotANumber(
            f"The loss stopped being a finite number in epoch {self.epoch + 1}, step {batch + 1}.{kept} Try a lower "
            "learning rate, or look at the images of this batch:",
            files=[str(sample.image) for sample in self.batch_samples(self.epoch, batch)],
        )


class KeepAverage(keras.callbacks.SwapEMAWeights):
    """Keras' own: between epochs the model has the averaged weights, which are validated, kept and written.

    What is trained then stands in the optimizer. A checkpoint holds both as they are between epochs, so that a run
    that is `resumed` begins with them exchanged.
    """

    def __init__(self, *, resumed: bool):
        super().__init__(swap_on_epoch=True)
        self._ema_weights_in_model = resumed


class Record(keras.callbacks.Callback):
    """Each epoch's line, weights and checkpoint in the run folder, and the line on the screen.

    Keras' own ModelCheckpoint and CSVLogger write in place and know nothing of the phases. It comes after early
    stopping, so that the checkpoint knows what that decided.
    """

    def __init__(self, phase: Phase, run: Run, report: Callable[[str], None], early_stopping: EarlyStopping | None):
        super().__init__()
        self.phase, self.run, self.report, self.early_stopping = phase, run, report, early_stopping

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        line = {
            "epoch": epoch + 1,
            "phase": self.phase.name,
            "precision": precision_of(self.run.description),
            "seconds": round(time.monotonic() - self.started, 1),
            "learning_rate": float(np.asarray(self.model.optimizer.learning_rate)),
            # with two outputs Keras names the metric after the first
            **{name.replace("probabilities_miou", "miou"): round(float(value), 6) for name, value in logs.items()},
        }
        self.run.end_epoch(self.model, line, *self._to_go_on(epoch))
        self.report(
            f"Epoch {line['epoch']:3d} {self.phase.name}: loss {line['loss']:.4f}, mIoU {line['miou']:.4f}, validation "
            f"loss {line['val_loss']:.4f}, mIoU {line['val_miou']:.4f}{' (best)' if self.run.best is line else ''}, "
            f"{line['seconds']:.0f} s"
        )

    def _to_go_on(self, epoch: int) -> tuple[dict, dict]:
        """State and arrays of the checkpoint after `epoch`."""
        finished = self.model.stop_training or epoch + 1 == self.phase.end
        state = {"phase": self.phase.name, "epochs_done": epoch + 1, "phase_finished": finished}
        if self.early_stopping:
            state["early_stopping"] = self.early_stopping.memory()
        return state, model_state(self.model)
