"""Two phases of `model.fit`: backbone frozen, then everything (Table 4)."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from .data.folder import Sample
from .data.pipeline import evaluation_batches, steps_per_epoch, training_stream
from .data.splits import Split
from .distribution import Hosts, hosts
from .engine import compiles, leave_gpus_to_engine
from .errors import LandslideError
from .evaluation import evaluate
from .figures import learning_curves
from .interrupt import ControlC
from .io import free_folder, progress, write_json
from .losses import SegmentationLoss
from .memory import keep_freed_memory
from .metrics import MeanIoU
from .models import build_model, load_model
from .models.saving import initialise_from, load_weights, read_description, weights_file
from .runs import Run
from .settings import Settings

AUXILIARY_WEIGHT = 0.4  # of the auxiliary branch's loss, as PSPNet's authors have it (Zhao et al. 2017)
# A training step in forward passes of the same batch, measured on two cores for PSPNet (MobileNetV2): the backward
# pass of what is trained costs twice its forward pass, batch normalisation on batch statistics the rest.
FORWARDS_PER_STEP = {"frozen": 1.3, "unfrozen": 4.0}


@dataclass(frozen=True)
class Phase:
    """One call of `fit`."""

    name: str
    epochs: int
    batch_size: int
    learning_rate: float
    first_epoch: int
    trainable_backbone: bool


def phases(settings: Settings) -> list[Phase]:
    """The phases of `settings` that have epochs."""
    frozen = Phase(
        "frozen", settings.frozen_epochs, settings.frozen_batch_size, settings.frozen_learning_rate, 0, False
    )
    unfrozen = Phase(
        "unfrozen",
        settings.unfrozen_epochs,
        settings.unfrozen_batch_size,
        settings.unfrozen_learning_rate,
        settings.frozen_epochs,
        True,
    )
    return [phase for phase in (frozen, unfrozen) if phase.epochs]


def train(
    settings: Settings,
    split: Split,
    out: Path | str,
    *,
    overwrite: bool = False,
    before_training: Callable[[keras.Model, Sequence[Sample]], None] | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Run:
    """Train on the train part of `split`, watching its validation part, and write a run folder at `out`.

    `settings.negatives` adds images without landslide of the train part.

    `before_training` may prepare the new model (the demo calibrates its normalisation). `report` gets a line of text
    now and then. Returns the finished `Run`; its `best_weights` are those of the epoch with the highest validation
    mIoU. Raises `LandslideError` for an empty part or an output folder in use, `FloatingPointError` if the loss
    stops being a number. With `init_weights` the model starts from a file of this package, whose heads are left out if
    they are for another number of classes, which a logged line says.
    """
    # Validation, which chooses the best epoch, has landslide images alone: its mIoU then means the same with and
    # without negatives, as the test's does, and the share of ordinary terrain does not set the balance.
    landslides, negatives, val_samples = split.subset("train"), training_negatives(settings, split), split.subset("val")
    train_samples = [*landslides, *negatives]
    together = hosts()
    if together.joined and before_training:
        raise LandslideError("One process alone can prepare a model, as the demo does; leave the other hosts out.")
    folder = free_folder(together.folder(out), overwrite=overwrite)
    keep_freed_memory()
    leave_gpus_to_engine()
    keras.utils.set_random_seed(settings.seed)
    together.join(settings, train_samples, val_samples)
    with together.scope():
        model = new_model(settings)
        if before_training:
            before_training(model, train_samples)
        run = Run(folder, _description(settings, split))
        run.begin({"settings": settings.to_json(), "departures_from_paper": settings.departures_from_paper()})
        if together.joined:
            report(f"{together} train together.")
        else:
            report(f"About {_hours(estimated_seconds(model, settings, train_samples, val_samples))} on this machine.")
        for phase in phases(settings):
            if run.history:
                load_weights(model, run.best_weights)
            _fit(model, settings, phase, train_samples, val_samples, run, report, together)
    scores = evaluate(
        load_model(run.best_weights),
        val_samples,
        image_size=settings.prediction_size,
        split=split.title,
        subset="val",
        labels=split.labels,
    )
    write_json(run.scores, scores.to_json())
    learning_curves(run.history, run.curves, f"{settings.architecture} on {settings.backbone}, seed {settings.seed}")
    return run


def training_negatives(settings: Settings, split: Split) -> list[Sample]:
    """The images without landslide that `settings` adds; raises `LandslideError` where they are not there."""
    if settings.negatives == 0:
        return []
    return split.negative_subset("train", settings.negatives, seed=settings.seed)


def new_model(settings: Settings) -> keras.Model:
    """The model of `settings` with its initial weights, taking squares of `image_size`."""
    initial = initial_weights(settings)
    weights = None if initial or settings.backbone_weights == "none" else settings.backbone_weights
    model = build_model(
        settings.architecture,
        settings.backbone,
        input_shape=(settings.image_size, settings.image_size, 3),
        classes=settings.classes,
        output_stride=settings.output_stride,
        aux_branch=settings.aux_branch,
        backbone_weights=weights,
        batch_normalization_momentum=settings.batch_normalization_momentum,
    )
    if initial:
        initialise_from(model, initial)
    return model


def initial_weights(settings: Settings) -> Path | None:
    """The file of `init_weights`, `None` without; raises `LandslideError` if it is not of the same network."""
    if settings.init_weights is None:
        return None
    path = weights_file(settings.init_weights)
    description = read_description(path)
    held = f"{description['architecture']}_{description['backbone']}"
    wanted = f"{settings.architecture}_{settings.backbone}"
    if held != wanted:
        raise LandslideError(
            f"{path}: these weights are of {held}, not of {wanted}; give others as --init-weights, or "
            f"--experiment {held}."
        )
    return path


def _fit(
    model, settings: Settings, phase: Phase, train_samples, val_samples, run: Run, report, together: Hosts
) -> None:
    model.get_layer("backbone").trainable = phase.trainable_backbone
    steps = steps_per_epoch(train_samples, phase.batch_size, settings.samples_per_epoch)
    _compile(model, settings, keras.optimizers.Adam(_learning_rate(settings, phase, steps)))
    stream = training_stream(
        train_samples,
        image_size=settings.image_size,
        batch_size=phase.batch_size,
        augmentation=settings.augmentation,
        seed=settings.seed,
        first_epoch=phase.first_epoch,
        samples_per_epoch=settings.samples_per_epoch,
        num_workers=settings.num_workers,
        sampling=settings.sampling,
        shard=together.shard,
    )
    # batches of one size: JAX compiles a step for each size that it meets, and several devices get equal parts
    validation = evaluation_batches(val_samples, image_size=settings.image_size, batch_size=phase.batch_size, full=True)
    if settings.aux_branch:
        stream, validation = stream.map(_for_both_outputs), validation.map(_for_both_outputs)
    report(f"{phase.name.capitalize()} phase: {phase.epochs} epochs of {steps} steps, batch {phase.batch_size}.")
    with ControlC() as control_c:
        model.fit(
            stream,
            steps_per_epoch=steps,
            initial_epoch=phase.first_epoch,
            epochs=phase.first_epoch + phase.epochs,
            validation_data=validation,
            callbacks=[*callbacks(settings, phase, run, report, steps), control_c],
            shuffle=False,  # the stream is shuffled already
            verbose=0,
        )


def _compile(model: keras.Model, settings: Settings, optimizer: keras.optimizers.Optimizer) -> None:
    def loss():
        return SegmentationLoss(settings.class_weights, focal=settings.focal, dice=settings.dice)

    options = {"loss": loss(), "metrics": [MeanIoU(settings.classes)]}
    if settings.aux_branch:
        options = {
            "loss": {"probabilities": loss(), "auxiliary": loss()},
            "loss_weights": {"probabilities": 1.0, "auxiliary": AUXILIARY_WEIGHT},
            "metrics": {"probabilities": [MeanIoU(settings.classes)]},
        }
    jit_compile = compiles(eager=settings.eager)
    model.compile(optimizer, run_eagerly=settings.eager, jit_compile=jit_compile, **options)


def _for_both_outputs(images, labels):
    return images, {"probabilities": labels, "auxiliary": labels}


def _learning_rate(settings: Settings, phase: Phase, steps: int):
    if settings.learning_rate_schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(phase.learning_rate, steps * phase.epochs)
    return phase.learning_rate


def callbacks(settings: Settings, phase: Phase, run: Run, report, steps: int) -> list[keras.callbacks.Callback]:
    """What watches a phase: the run folder first, so that an epoch is on disk before anything can stop it."""
    watching = [keras.callbacks.TerminateOnNaN(), _EpochEnd(phase, run, report, steps)]
    if settings.early_stopping:
        watching.append(
            keras.callbacks.EarlyStopping(
                "val_probabilities_miou" if settings.aux_branch else "val_miou",
                mode="max",
                patience=settings.patience,
                restore_best_weights=True,
                verbose=0,
            )
        )
    return watching


class _EpochEnd(keras.callbacks.Callback):
    """A bar over the whole phase, and each epoch's line in the run folder and on the screen.

    Keras' own ModelCheckpoint and CSVLogger write in place and know nothing of the phases.
    """

    def __init__(self, phase: Phase, run: Run, report, steps: int):
        super().__init__()
        self.phase, self.run, self.report, self.steps = phase, run, report, steps

    def on_train_begin(self, logs=None):
        description = f"{self.phase.name} phase"
        self.bar = progress(self.steps * self.phase.epochs * self.phase.batch_size, description)

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update(self.phase.batch_size)

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        if not np.isfinite(logs["loss"]):
            kept = f" The last good weights are {self.run.best_weights}." if self.run.history else ""
            raise FloatingPointError(
                f"The loss stopped being a number in epoch {epoch + 1}; try a lower learning rate.{kept}"
            )
        line = {
            "epoch": epoch + 1,
            "phase": self.phase.name,
            "seconds": round(time.monotonic() - self.started, 1),
            "learning_rate": float(np.asarray(self.model.optimizer.learning_rate)),
            # with two outputs Keras names the metric after the first
            **{name.replace("probabilities_miou", "miou"): round(float(value), 6) for name, value in logs.items()},
        }
        self.run.end_epoch(self.model, line)
        self.report(
            f"Epoch {line['epoch']:3d} {self.phase.name}: loss {line['loss']:.4f}, mIoU {line['miou']:.4f}, validation "
            f"loss {line['val_loss']:.4f}, mIoU {line['val_miou']:.4f}{' (best)' if self.run.best is line else ''}, "
            f"{line['seconds']:.0f} s"
        )

    def on_train_end(self, logs=None):
        self.bar.close()


def estimated_seconds(model, settings: Settings, train_samples, val_samples) -> float:
    """Time for all epochs, from one timed forward pass and `FORWARDS_PER_STEP`; early stopping would make it less."""
    batch = np.zeros((2, settings.image_size, settings.image_size, 3), np.float32)
    model.predict_on_batch(batch)
    started = time.monotonic()
    model.predict_on_batch(batch)
    forward = (time.monotonic() - started) / len(batch)
    seconds = 0.0
    for phase in phases(settings):
        images = steps_per_epoch(train_samples, phase.batch_size, settings.samples_per_epoch) * phase.batch_size
        seconds += phase.epochs * forward * (images * FORWARDS_PER_STEP[phase.name] + len(val_samples))
    return seconds


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds > 5400 else f"{seconds / 60:.0f} minutes"


def _description(settings: Settings, split: Split) -> dict:
    """What the weights file says of itself, and of the data behind its initial weights."""
    return {
        "format": 1,
        "architecture": settings.architecture,
        "backbone": settings.backbone,
        "classes": settings.classes,
        "output_stride": settings.output_stride,
        "prediction_size": settings.prediction_size,
        "settings": settings.to_json(),
        "data": {
            "split": split.name,
            "fold": split.fold,
            "labels": split.labels,
            "trained_on": [sample.name for sample in split.subset("train")],
            "negatives": [sample.name for sample in training_negatives(settings, split)],
        },
        **_initial_data(settings),
    }


def _initial_data(settings: Settings) -> dict:
    """`initial_data`: that of the initial weights, `trained_on` including what they started from in turn."""
    path = initial_weights(settings)
    if path is None:
        return {}
    description = read_description(path)
    earlier = description.get("initial_data", {}).get("trained_on", [])
    return {"initial_data": {**description["data"], "trained_on": [*earlier, *description["data"]["trained_on"]]}}
