"""All that is settled before a training begins, once: settings, samples, what the weights will say, the model."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from ..data.classes import class_names
from ..data.dataset import Source
from ..data.sample import Sample
from ..data.splits import Split
from ..errors import LandslideError
from ..files.checks import free_folder
from ..models.build import build_model, check_network, initialise_backbone
from ..models.description import Data, Description, Scale, Start
from ..models.loading import weights_file
from ..models.saving import StoredWeights, initialise_from, layers_with_weights, read_weights
from ..paper import row_name
from ..settings import AUTO, Settings
from .allocator import keep_freed_memory
from .checkpoint import Checkpoint
from .compute import Devices, devices, layer_precision, leave_gpus_to_engine, resolved
from .hosts import Hosts, hosts
from .runs import Run, held_description, precision_of


@dataclass(frozen=True)
class Plan:
    """A training that is ready to begin; nothing of it is written yet.

    `settings` have no `auto` left. `split` came from `source`, which is kept for the command line's `--resume`, or from
    a program. `model` has its initial weights; of a run that goes on, `checkpoint` has those to go on from. A run that
    its folder holds from beginning to end has neither.
    """

    settings: Settings
    split: Split
    negatives: Sequence[Sample]
    source: Source | None
    run: Run
    where: Devices
    together: Hosts
    model: keras.Model | None = None
    checkpoint: Checkpoint | None = None

    @property
    def precision_changed(self) -> bool:
        """Whether a run that goes on was trained in another precision so far."""
        return bool(self.checkpoint) and self.run.history[-1]["precision"] != self.settings.precision

    @property
    def train_samples(self) -> list[Sample]:
        """Landslides and, where the settings add them, images without."""
        return [*self.split.subset("train"), *self.negatives]

    @property
    def val_samples(self) -> list[Sample]:
        """Landslide images alone.

        Validation chooses the best epoch. Its mIoU then means the same with and without negatives, as the test's does,
        and the share of ordinary terrain does not set the balance.
        """
        return self.split.subset("val")


def planned(
    settings: Settings, data: Source | Split, out: Path | str, *, overwrite: bool = False, resume: bool = False
) -> Plan:
    """Settle the training of `settings` on `data` in the run folder `out`, cheap checks first.

    With `resume` it is that of the run which `out` holds, or of a new one where it holds none. Raises `LandslideError`
    for a network that cannot be, a folder in use or with the run of other settings, weights of another network, and for
    what is wrong with the data. `fit.train` has an example.
    """
    check_network(settings.architecture, settings.backbone, settings.output_stride, aux_branch=settings.aux_branch)
    held = held_description(out) if resume else None
    if held and settings.precision == AUTO:  # was resolved when the run began
        settings = dataclasses.replace(settings, precision=precision_of(held))
    settings, together = resolved(settings), hosts()
    if together.joined and resume:
        raise LandslideError("Several hosts train a run from its start to its end; resume it with one process.")
    out = Path(out) if resume else free_folder(together.folder(out), overwrite=overwrite)
    initial = None if held else initial_weights(settings)
    source = data if isinstance(data, Source) else None
    split = data.load(settings) if isinstance(data, Source) else data
    negatives = training_negatives(settings, split)
    description = _description(settings, split, negatives, initial)
    plan = Plan(settings, split, negatives, source, Run(out, description), devices(settings.devices), together)
    train_samples, val_samples = plan.train_samples, plan.val_samples  # an empty part is an error before anything else
    if resume and plan.run.is_finished():
        return plan
    checkpoint = plan.run.resume() if resume else None
    keep_freed_memory()
    leave_gpus_to_engine()
    keras.utils.set_random_seed(settings.seed)
    together.join(settings, train_samples, val_samples)
    # what goes on has its weights from the checkpoint, wherever the initial ones are now
    start = dataclasses.replace(settings, backbone_weights="none") if held else settings
    with together.scope(), plan.where.scope():
        model, random_layers = new_model(start, initial)
        plan.where.prepare(model)
    if not held:
        plan.run.started_from(random_layers)
    return dataclasses.replace(plan, model=model, checkpoint=checkpoint)


def training_negatives(settings: Settings, split: Split) -> list[Sample]:
    """The images without landslide that `settings` adds; raises `LandslideError` where they are not there."""
    if settings.negatives == 0:
        return []
    return split.negative_subset("train", settings.negatives, seed=settings.seed)


def initial_weights(settings: Settings) -> StoredWeights | None:
    """Those of `init_weights`, `None` without; raises `LandslideError` if they are not of the same network."""
    if settings.init_weights is None:
        return None
    weights = read_weights(weights_file(settings.init_weights))
    held, wanted = weights.description.name, row_name(settings.architecture, settings.backbone)
    if held != wanted:
        raise LandslideError(
            f"{weights.path}: these weights are of {held}, not of {wanted}; give others as --init-weights, or "
            f"--experiment {held}."
        )
    return weights


def new_model(settings: Settings, initial: StoredWeights | None) -> tuple[keras.Model, list[str]]:
    """The model of `settings`, taking squares of `image_size`, with its initial weights.

    Also the names of the layers that start from random. `initial` are the weights of `init_weights`.
    """
    with layer_precision(settings.precision):
        model = build_model(
            settings.architecture,
            settings.backbone,
            input_shape=(settings.image_size, settings.image_size, 3),
            classes=settings.classes,
            output_stride=settings.output_stride,
            aux_branch=settings.aux_branch,
            backbone_weights=None,
            batch_normalization_momentum=settings.batch_normalization_momentum,
        )
    if initial:
        return model, initialise_from(model, initial)
    backbone = model.get_layer("backbone")
    weights = None if settings.backbone_weights == "none" else settings.backbone_weights
    still_random = initialise_backbone(backbone, settings.backbone, weights)
    loaded = {layer.name for layer in layers_with_weights(backbone)} - set(still_random)
    return model, [layer.name for layer in layers_with_weights(model) if layer.name not in loaded]


def _description(
    settings: Settings, split: Split, negatives: Sequence[Sample], initial: StoredWeights | None
) -> Description:
    """What the weights will say of themselves, but for the scores and the layers that start from random."""
    train = split.subset("train")
    return Description(
        architecture=settings.architecture,
        backbone=settings.backbone,
        class_names=split.class_names or class_names(settings.classes),
        output_stride=settings.output_stride,
        prediction_size=settings.prediction_size,
        scale=Scale(settings.image_gsd / settings.zoom, settings.image_gsd) if settings.sampling == "native" else None,
        start=Start(
            weights=settings.init_weights or settings.backbone_weights or "none",
            random_layers=None,
            data=_initial_data(initial.description) if initial else None,
        ),
        settings=settings.to_json(),
        data=Data(
            split=split.name,
            fold=split.fold,
            labels=split.labels,
            trained_on=tuple(sample.name for sample in train),
            groups=tuple(sorted({sample.group for sample in train})),
            negatives=tuple(sample.name for sample in negatives),
        ),
    )


def _initial_data(initial: Description) -> Data | None:
    """What the initial weights were trained on, including what they started from in turn."""
    earlier = initial.start.data.trained_on if initial.start and initial.start.data else ()
    return initial.data and dataclasses.replace(initial.data, trained_on=(*earlier, *initial.data.trained_on))
