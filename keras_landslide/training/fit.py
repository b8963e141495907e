"""Two phases of `model.fit`: backbone frozen, then everything (Table 4)."""

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from ..console import progress
from ..data.dataset import Source
from ..data.pipeline import batch_samples, evaluation_batches, steps_per_epoch, training_stream
from ..data.sample import Sample
from ..data.splits import Split
from ..errors import LandslideError
from ..evaluation import evaluate
from ..files.atomic import write_json
from ..files.checks import free_folder
from ..models import build_model, load_model
from ..models.loading import weights_file
from ..models.saving import initialise_from, load_weights, read_description
from ..pictures import learning_curves
from ..settings import Settings
from .allocator import keep_freed_memory
from .callbacks import Bar, EarlyStopping, Phase, Record, StopAtNaN
from .checkpoint import Checkpoint, restore
from .compute import Devices, devices, layer_precision, leave_gpus_to_engine, resolved
from .hosts import Hosts, hosts
from .interrupt import ControlC
from .losses import SegmentationLoss
from .mean_iou import MeanIoU
from .runs import Run

AUXILIARY_WEIGHT = 0.4  # of the auxiliary branch's loss, as PSPNet's authors have it (Zhao et al. 2017)
# A training step in forward passes of the same batch, measured on two cores for PSPNet (MobileNetV2): the backward
# pass of what is trained costs twice its forward pass, batch normalisation on batch statistics the rest.
FORWARDS_PER_STEP = {"frozen": 1.3, "unfrozen": 4.0}


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
    resume: bool = False,
    source: Source | None = None,
    tensorboard: bool = False,
    before_training: Callable[[keras.Model, Sequence[Sample]], None] | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Run:
    """Train on the train part of `split`, watching its validation part, and write a run folder at `out`.

    `settings.negatives` adds images without landslide of the train part. With `init_weights` the model starts from a
    file of this package, whose heads are left out if they are for another number of classes, which a logged line says.

    With `resume` it goes on with the run that `out` holds, after its last complete epoch, to the same end as if it had
    never been stopped, and starts one where there is none. `source` says where `split` came from; it is kept for the
    command line's `--resume`. `tensorboard` writes logs to `out/tensorboard`. `before_training` may prepare the new
    model (the demo calibrates its normalisation). `report` gets a line of text now and then.

    Returns the finished `Run`; its `best_weights` are those of the epoch with the highest validation mIoU. Raises
    `LandslideError` for an empty part, an output folder in use or the run of other settings, and `NotANumber` if the
    loss stops being a finite number.
    """
    # Validation, which chooses the best epoch, has landslide images alone: its mIoU then means the same with and
    # without negatives, as the test's does, and the share of ordinary terrain does not set the balance.
    landslides, negatives, val_samples = split.subset("train"), training_negatives(settings, split), split.subset("val")
    train_samples = [*landslides, *negatives]
    settings, together = resolved(settings), hosts()
    if together.joined and (resume or before_training):
        raise LandslideError("Several hosts train a run from its start to its end; resume it with one process.")
    out = Path(out) if resume else free_folder(together.folder(out), overwrite=overwrite)
    run = Run(out, _description(settings, split))
    if resume and run.is_finished():
        return run
    checkpoint = run.resume() if resume else None
    keep_freed_memory()
    leave_gpus_to_engine()
    keras.utils.set_random_seed(settings.seed)
    together.join(settings, train_samples, val_samples)
    where = devices(settings.devices)
    with together.scope():
        with where.scope():
            model = new_model(settings)
            where.prepare(model)
            if before_training:
                before_training(model, train_samples)
        if checkpoint is None:
            run.begin(_settings_content(settings, source))
        fit = _Fit(model, settings, train_samples, val_samples, run, where, together, tensorboard, report)
        fit.phases(checkpoint)
    _finish(run, settings, split)
    return run


def _is_done(phase: Phase, checkpoint: Checkpoint) -> bool:
    state = checkpoint.state
    return phase.end <= state["epochs_done"] or (phase.name == state["phase"] and state["phase_finished"])


def _settings_content(settings: Settings, source: Source | None) -> dict:
    return {
        "settings": settings.to_json(),
        "departures_from_paper": settings.departures_from_paper(),
        "data": source.to_json() if source else None,
    }


def _finish(run: Run, settings: Settings, split: Split) -> None:
    """Score the best weights on the validation part, and draw the curves."""
    scores = evaluate(
        load_model(run.best_weights),
        split.subset("val"),
        image_size=settings.prediction_size,
        split=split.title,
        subset="val",
        labels=split.labels,
    )
    learning_curves(run.history, run.curves, f"{settings.architecture} on {settings.backbone}, seed {settings.seed}")
    write_json(run.scores, scores.to_json())
    run.finish()


def training_negatives(settings: Settings, split: Split) -> list[Sample]:
    """The images without landslide that `settings` adds; raises `LandslideError` where they are not there."""
    if settings.negatives == 0:
        return []
    return split.negative_subset("train", settings.negatives, seed=settings.seed)


def new_model(settings: Settings) -> keras.Model:
    """The model of `settings` with its initial weights, taking squares of `image_size`."""
    initial = initial_weights(settings)
    weights = None if initial or settings.backbone_weights == "none" else settings.backbone_weights
    with layer_precision(settings.precision):
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


@dataclass(frozen=True)
class _Fit:
    """What both phases have in common."""

    model: keras.Model
    settings: Settings
    train_samples: Sequence[Sample]
    val_samples: Sequence[Sample]
    run: Run
    where: Devices
    together: Hosts
    tensorboard: bool
    report: Callable[[str], None]

    def phases(self, checkpoint: Checkpoint | None) -> None:
        """All phases, or what is left of them."""
        if self.together.joined:
            self.report(f"{self.together} train together.")
        else:
            done = checkpoint.state["epochs_done"] if checkpoint else 0
            seconds = estimated_seconds(self.model, self.settings, self.train_samples, self.val_samples, done)
            self.report(f"About {_hours(seconds)} on this machine.")
        for phase in phases(self.settings):
            if checkpoint and _is_done(phase, checkpoint):
                continue
            interrupted = checkpoint if checkpoint and checkpoint.state["phase"] == phase.name else None
            if checkpoint:
                restore(self.model.variables, checkpoint.arrays["model"])
                self.run.keep_if_best(self.model)  # the run may have been killed before it was written
            if self.run.history and not interrupted:
                load_weights(self.model, self.run.best_weights)
            self.phase(phase, interrupted)
            checkpoint = None

    def phase(self, phase: Phase, interrupted: Checkpoint | None) -> None:
        """One call of `fit`, from its start or from where it was interrupted."""
        settings, model = self.settings, self.model
        steps = steps_per_epoch(self.train_samples, phase.batch_size, settings.samples_per_epoch)
        first_epoch = interrupted.state["epochs_done"] if interrupted else phase.first_epoch
        with self.where.scope():
            model.get_layer("backbone").trainable = phase.trainable_backbone
            _compile(model, settings, keras.optimizers.Adam(_learning_rate(settings, phase, steps)), self.where)
            model.optimizer.build(model.trainable_variables)  # TensorFlow traces a step that creates variables twice
            if interrupted:
                restore(model.optimizer.variables, interrupted.arrays["optimizer"])
        stream, validation = self._batches(phase, first_epoch)
        left = f"{phase.end - first_epoch} of " if interrupted else ""
        self.report(
            f"{phase.name.capitalize()} phase: {left}{phase.epochs} epochs of {steps} steps, batch {phase.batch_size}."
        )
        images = steps * phase.batch_size
        done = (first_epoch - phase.first_epoch) * images
        with progress(phase.epochs * images, f"{phase.name} phase", done=done) as bar, ControlC() as control_c:
            model.fit(
                stream,
                steps_per_epoch=steps,
                initial_epoch=first_epoch,
                epochs=phase.end,
                validation_data=validation,
                callbacks=[*self._callbacks(phase, bar, interrupted), control_c],
                shuffle=False,  # the stream is shuffled already
                verbose=0,
            )

    def _batches(self, phase: Phase, first_epoch: int):
        settings = self.settings
        stream = training_stream(
            self.train_samples,
            image_size=settings.image_size,
            batch_size=phase.batch_size,
            augmentation=settings.augmentation,
            seed=settings.seed,
            first_epoch=first_epoch,
            samples_per_epoch=settings.samples_per_epoch,
            num_workers=settings.num_workers,
            sampling=settings.sampling,
            shard=self.together.shard,
        )
        size, batch_size = settings.image_size, phase.batch_size
        # batches of one size: JAX compiles a step for each size that it meets, and several devices get equal parts
        whole = {"image_size": size, "batch_size": batch_size, "full": True}
        validation = evaluation_batches(self.val_samples, **whole, shard=self.together.shard)
        if settings.aux_branch:
            return stream.map(_for_both_outputs), validation.map(_for_both_outputs)
        return stream, validation

    def _callbacks(self, phase: Phase, bar, interrupted: Checkpoint | None) -> list[keras.callbacks.Callback]:
        settings = self.settings
        batch_of = functools.partial(
            batch_samples,
            self.train_samples,
            batch_size=phase.batch_size,
            seed=settings.seed,
            samples_per_epoch=settings.samples_per_epoch,
        )
        watching = [Bar(bar, phase.batch_size), StopAtNaN(self.run, batch_of)]
        early_stopping = None
        if settings.early_stopping:
            monitor = "val_probabilities_miou" if settings.aux_branch else "val_miou"
            early_stopping = EarlyStopping(monitor, settings.patience, interrupted)
            watching.append(early_stopping)
        if self.tensorboard:
            watching.append(keras.callbacks.TensorBoard(str(self.run.tensorboard), write_graph=False))
        return [*watching, Record(phase, self.run, self.report, early_stopping)]


def _compile(model: keras.Model, settings: Settings, optimizer: keras.optimizers.Optimizer, where: Devices) -> None:
    def loss():
        return SegmentationLoss(
            settings.class_weights, focal=settings.focal, dice=settings.dice, reduce_sums=where.sum_replicas
        )

    options = {"loss": loss(), "metrics": [MeanIoU(settings.classes)]}
    if settings.aux_branch:
        options = {
            "loss": {"probabilities": loss(), "auxiliary": loss()},
            "loss_weights": {"probabilities": 1.0, "auxiliary": AUXILIARY_WEIGHT},
            "metrics": {"probabilities": [MeanIoU(settings.classes)]},
        }
    model.compile(
        optimizer, run_eagerly=settings.eager, jit_compile=settings.jit == "on" and not settings.eager, **options
    )


def _for_both_outputs(images, labels):
    return images, {"probabilities": labels, "auxiliary": labels}


def _learning_rate(settings: Settings, phase: Phase, steps: int):
    if settings.learning_rate_schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(phase.learning_rate, steps * phase.epochs)
    return phase.learning_rate


def estimated_seconds(model, settings: Settings, train_samples, val_samples, epochs_done: int = 0) -> float:
    """Time for all epochs, or those that are left, from one timed forward pass and `FORWARDS_PER_STEP`.

    Early stopping would make it less.
    """
    batch = np.zeros((2, settings.image_size, settings.image_size, 3), np.float32)
    model.predict_on_batch(batch)
    started = time.monotonic()
    model.predict_on_batch(batch)
    forward = (time.monotonic() - started) / len(batch)
    seconds = 0.0
    for phase in phases(settings):
        images = steps_per_epoch(train_samples, phase.batch_size, settings.samples_per_epoch) * phase.batch_size
        left = max(0, phase.end - max(phase.first_epoch, epochs_done))
        seconds += left * forward * (images * FORWARDS_PER_STEP[phase.name] + len(val_samples))
    return seconds


def _hours(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{seconds / 3600:.1f} hours" if minutes > 90 else f"{minutes} minute{'s' if minutes > 1 else ''}"


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
            "groups": sorted({sample.group for sample in split.subset("train")}),
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
