"""Two phases of `model.fit`: backbone frozen, then everything (Table 4)."""

import functools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from ..console import bar, progress
from ..data.classes import MOST_PROBABLE
from ..data.pipeline import batch_samples, evaluation_batches, steps_per_epoch, training_stream
from ..errors import LandslideError
from ..evaluation import evaluate_thresholds, false_alarms_at
from ..files.atomic import write_json
from ..models import load_model
from ..models.saving import describe, load_weights
from ..pictures import learning_curves
from ..prediction.predictor import Predictor
from ..settings import Settings
from .callbacks import Bar, EarlyStopping, KeepAverage, Phase, Record, StopAtNaN
from .checkpoint import Checkpoint, restore
from .circumstances import circumstances
from .compute import Devices, multiplies_bfloat16
from .interrupt import ControlC
from .losses import SegmentationLoss
from .mean_iou import MeanIoU
from .plan import Plan
from .runs import Run, held_description
from .squares import squares
from .threshold import THRESHOLDS, chosen_threshold

AUXILIARY_WEIGHT = 0.4  # of the auxiliary branch's loss, as PSPNet's authors have it (Zhao et al. 2017)
# The backward pass of what is trained costs twice its forward pass; batch normalisation on batch statistics, loss and
# optimizer add their share. Fitted to the six rows, in float32 and bfloat16 (docs/measurements.md).
FROZEN_STEP = 1.15  # by one forward pass of the backbone and three of the rest
UNFROZEN_STEP = 3.9  # by one forward pass
TIMED_PASSES, TIMED_IMAGES = 3, 4  # fewer images a pass take longer each, in bfloat16 above all


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
    plan: Plan,
    *,
    finish: bool = False,
    tensorboard: bool = False,
    report: Callable[[str], None] = lambda line: None,
    resumed_at: Path | None = None,
) -> Run:
    """Train what is planned (`plan.planned`) and write its run folder, watching the validation part.

    A run that goes on ends as if it had never been stopped; of a finished one nothing is done again. With `finish` a
    run that was stopped ends with the best weights that it has. `tensorboard` writes logs to the folder `tensorboard`
    in it. `report` gets a line of text now and then. `resumed_at` is the folder that `train --resume` takes, where it
    is not the run's own.

    Returns the finished `Run`; its `best_weights` are those of the epoch with the highest validation mIoU. Raises
    `NotANumber` if the loss stops being a finite number.

    Example, too short to learn anything:
        >>> import tempfile
        >>> from keras_landslide import Settings, planned, train
        >>> from keras_landslide.data.dataset import Source
        >>> from keras_landslide.data.synthetic import write_dataset
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_dataset(folder / "scenes", 8, size=64)
        >>> settings = Settings(
        ...     image_size=64, output_stride=16, backbone_weights="none", frozen_epochs=1, unfrozen_epochs=0
        ... )
        >>> run = train(planned(settings, Source(str(folder / "scenes"), "auto"), folder / "run"))
        >>> run.best_weights.relative_to(folder).as_posix(), len(run.history)
        ('run/best.weights.h5', 1)
    """
    if plan.model is None:
        return plan.run
    if finish:
        check_can_end(plan.run.folder)
    with plan.together.scope():
        if plan.checkpoint is None:
            plan.run.begin({**_told(plan), **circumstances()})
        else:
            plan.run.goes_on(_told(plan))
        if plan.precision_changed:
            report(f"Goes on in {plan.settings.precision}, as the history says of every epoch.")
        if plan.settings.precision == "mixed_bfloat16" and not multiplies_bfloat16():
            report("This processor has no instructions for bfloat16: a step takes seven times as long as in float32.")
            if plan.source:  # else the command line does not know its data
                folder = resumed_at or plan.run.folder
                report(f"Change to that with Ctrl-C and: keras-landslide train --resume {folder} --precision float32")
        if plan.checkpoint:
            restore(plan.model.variables, plan.checkpoint.arrays["model"])
            plan.run.keep_if_best(plan.model)  # the run may have been killed before it was written
        if not finish:
            _Fit(plan, tensorboard, report).phases()
    _finish(plan, report)
    return plan.run


def check_can_end(folder: Path) -> None:
    """Raise `LandslideError` where the run in `folder` has no weights that it could end with."""
    if held_description(folder) is None:
        raise LandslideError(f"{folder}: has no complete epoch that it could end with; leave out --finish.")


def _is_done(phase: Phase, checkpoint: Checkpoint) -> bool:
    state = checkpoint.state
    return phase.end <= state["epochs_done"] or (phase.name == state["phase"] and state["phase_finished"])


def _told(plan: Plan) -> dict:
    """What `settings.json` says of how and on what is trained."""
    return {
        "settings": plan.settings.to_json(),
        "departures_from_paper": plan.settings.departures_from_paper(),
        "data": plan.source.to_json() if plan.source else None,
    }


def _finish(plan: Plan, report: Callable[[str], None]) -> None:
    """Score the best weights on the validation part, choose their decision threshold, and draw the curves."""
    settings, split, run = plan.settings, plan.split, plan.run
    predictor = Predictor.of(load_model(run.best_weights))
    thresholds = THRESHOLDS if settings.classes == 2 else (MOST_PROBABLE,)
    labelled = {split.labels: plan.val_samples}
    told = {"split": split.title, "subset": "val", "track": bar("scoring the validation part")}
    evaluations = [scores for (scores,) in evaluate_thresholds(predictor, labelled, thresholds, **told)]
    content = evaluations[thresholds.index(MOST_PROBABLE)].to_json()
    if settings.classes == 2 and not evaluations[0].confusion[1].any():
        report(f"No validation image has a landslide: the decision threshold stays {MOST_PROBABLE:g}.")
    elif settings.classes == 2:
        track = bar("looking for false alarms")
        alarms = false_alarms_at(predictor, split.negatives["val"], thresholds, track=track)
        choice = chosen_threshold(evaluations, alarms)
        describe(run.best_weights, threshold=choice.threshold)
        content["decision_threshold"] = choice.to_json()
        report(str(choice))
    learning_curves(run.history, run.curves, f"{settings.architecture} on {settings.backbone}, seed {settings.seed}")
    write_json(run.scores, content)
    run.finish()


@dataclass(frozen=True)
class _Fit:
    """What both phases have in common."""

    plan: Plan
    tensorboard: bool
    report: Callable[[str], None]

    @functools.cached_property
    def shown(self) -> Sequence:
        """What validation shows, which at one scale reads every mask."""
        return squares(self.plan.val_samples, self.plan.settings)

    def phases(self) -> None:
        """All phases, or what is left of them."""
        plan, model, run, checkpoint = self.plan, self.plan.model, self.plan.run, self.plan.checkpoint
        if plan.together.joined:
            self.report(f"{plan.together} train together.")
        else:
            seconds = estimated_seconds(model, plan.settings, plan.train_samples, self.shown, checkpoint)
            self.report(f"About {_hours(seconds)} on this machine.")
        for phase in phases(plan.settings):
            if checkpoint and _is_done(phase, checkpoint):
                continue
            interrupted = checkpoint if checkpoint and checkpoint.state["phase"] == phase.name else None
            if run.history and not interrupted:
                load_weights(model, run.best_weights)
            self.phase(phase, interrupted)
            checkpoint = None

    def phase(self, phase: Phase, interrupted: Checkpoint | None) -> None:
        """One call of `fit`, from its start or from where it was interrupted."""
        plan, settings, model = self.plan, self.plan.settings, self.plan.model
        steps = steps_per_epoch(plan.train_samples, phase.batch_size, settings.samples_per_epoch)
        first_epoch = interrupted.state["epochs_done"] if interrupted else phase.first_epoch
        with plan.where.scope():
            model.get_layer("backbone").trainable = phase.trainable_backbone
            _compile(model, settings, _optimizer(settings, phase, steps), plan.where)
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
        plan, settings = self.plan, self.plan.settings
        stream = training_stream(
            plan.train_samples,
            image_size=settings.image_size,
            batch_size=phase.batch_size,
            augmentation=settings.augmentation,
            seed=settings.seed,
            first_epoch=first_epoch,
            samples_per_epoch=settings.samples_per_epoch,
            num_workers=settings.num_workers,
            sampling=settings.sampling,
            zoom=settings.zoom,
            shard=plan.together.shard,
        )
        size, batch_size = settings.image_size, phase.batch_size
        # batches of one size: JAX compiles a step for each size that it meets, and several devices get equal parts
        whole = {"image_size": size, "batch_size": batch_size, "full": True}
        validation = evaluation_batches(self.shown, **whole, shard=plan.together.shard)
        if settings.aux_branch:
            return stream.map(_for_both_outputs), validation.map(_for_both_outputs)
        return stream, validation

    def _callbacks(self, phase: Phase, bar, interrupted: Checkpoint | None) -> list[keras.callbacks.Callback]:
        plan, settings = self.plan, self.plan.settings
        batch_of = functools.partial(
            batch_samples,
            plan.train_samples,
            batch_size=phase.batch_size,
            seed=settings.seed,
            samples_per_epoch=settings.samples_per_epoch,
        )
        watching = [Bar(bar, phase.batch_size), StopAtNaN(plan.run, batch_of)]
        if settings.weight_averaging:
            watching.append(KeepAverage(resumed=bool(interrupted)))
        early_stopping = None
        if settings.early_stopping:
            monitor = "val_probabilities_miou" if settings.aux_branch else "val_miou"
            early_stopping = EarlyStopping(monitor, settings.patience, interrupted)
            watching.append(early_stopping)
        if self.tensorboard:
            watching.append(keras.callbacks.TensorBoard(str(plan.run.tensorboard), write_graph=False))
        return [*watching, Record(phase, plan.run, self.report, early_stopping)]


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


def _optimizer(settings: Settings, phase: Phase, steps: int) -> keras.optimizers.Optimizer:
    rate = phase.learning_rate
    if settings.learning_rate_schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, steps * phase.epochs)
    averaged = settings.weight_averaging > 0
    return keras.optimizers.Adam(rate, use_ema=averaged, ema_momentum=settings.weight_averaging if averaged else 0.99)


def estimated_seconds(
    model: keras.Model,
    settings: Settings,
    train_samples: Sequence,
    shown: Sequence,
    checkpoint: Checkpoint | None = None,
) -> float:
    """Time for all epochs, or those that are left after `checkpoint`, from a few timed forward passes.

    `shown` is what validation shows (`squares.squares`). Early stopping would make it less.
    """
    forward, backbone = forward_seconds([model, model.get_layer("backbone")], settings.image_size)
    seconds = 0.0
    epochs_done = checkpoint.state["epochs_done"] if checkpoint else 0
    for phase in phases(settings):
        if checkpoint and _is_done(phase, checkpoint):
            continue
        images = steps_per_epoch(train_samples, phase.batch_size, settings.samples_per_epoch) * phase.batch_size
        left = max(0, phase.end - max(phase.first_epoch, epochs_done))
        step = estimated_step(phase.name, forward, backbone)
        seconds += left * (images * step + len(shown) * forward)
    return seconds


def estimated_step(phase: str, forward: float, backbone: float) -> float:
    """Seconds an image of a training step, from those of forward passes through the model and its backbone."""
    if phase == "frozen":
        return FROZEN_STEP * (backbone + 3 * max(0.0, forward - backbone))
    return UNFROZEN_STEP * forward


def forward_seconds(models: Sequence[keras.Model], image_size: int) -> list[float]:
    """Seconds an image of a forward pass through each of `models`: medians of a few, taken in turn."""
    batch = np.zeros((TIMED_IMAGES, image_size, image_size, 3), np.float32)
    taken: list[list[float]] = [[] for _ in models]
    for _ in range(1 + TIMED_PASSES):
        for model, times in zip(models, taken, strict=True):
            started = time.monotonic()
            model.predict_on_batch(batch)
            times.append((time.monotonic() - started) / len(batch))
    return [statistics.median(times[1:]) for times in taken]  # the first, which traces, does not count


def _hours(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{seconds / 3600:.1f} hours" if minutes > 90 else f"{minutes} minute{'s' if minutes > 1 else ''}"
