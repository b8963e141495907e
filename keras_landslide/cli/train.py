"""`train`: a new run, one for each of several seeds, or the rest of either."""

import dataclasses
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from ..console import load_tensorflow, say
from ..errors import LandslideError
from ..settings import COMPUTING, LABELS, Settings, flag, preset
from ..training.allocator import keep_freed_memory
from .common import check_labels

if TYPE_CHECKING:
    from ..training.jobs import Job


def train(options) -> None:
    if options.finish and not options.resume:
        raise LandslideError("--finish ends a run that was stopped; say which with --resume FOLDER.")
    if options.resume:
        _check_nothing_else(options)
    elif not (options.data and options.out):
        missing = ", ".join(name for name in ("--data", "--out") if not getattr(options, name[2:]))
        raise LandslideError(f"the following arguments are required: {missing} (see keras-landslide train --help)")
    elif options.labels:
        check_labels(options.labels, LABELS)
    if options.tensorboard and not importlib.util.find_spec("tensorboard"):
        raise LandslideError("--tensorboard needs TensorBoard, which is not installed: pip install tensorboard.")
    given = None if options.resume else (_settings(options), _seeds(options))
    keep_freed_memory()
    load_tensorflow()
    from ..training.jobs import do_job

    job = _new_job(options, *given) if given else _resumed_job(options)
    how = {"finish": options.finish, "overwrite": options.overwrite, "tensorboard": options.tensorboard, "report": say}
    do_job(job, resume=bool(options.resume), **how)


def _new_job(options, settings: Settings, seeds: tuple[int, ...]) -> "Job":
    from ..data.dataset import Source
    from ..training.jobs import Job

    source = Source(options.data, options.split or "auto", options.fold, options.labels or "original")
    return Job(settings, source, Path(options.out), seeds)


def _resumed_job(options) -> "Job":
    from ..training.jobs import read_job

    job = read_job(options.resume)
    others = {name: getattr(options, name) for name in MAY_CHANGE if name in options}
    source = dataclasses.replace(job.source, folder=options.data or job.source.folder)
    return dataclasses.replace(job, settings=dataclasses.replace(job.settings, **others), source=source)


MAY_CHANGE = (*COMPUTING, "precision")
_OF_A_NEW_RUN = ("out", "experiment", "preset", "split", "labels", "fold", "seeds")


def _check_nothing_else(options) -> None:
    """A run is resumed as it was started; where the data is now and how the machine computes may be told anew."""
    names = [field.name for field in dataclasses.fields(Settings) if field.name not in MAY_CHANGE]
    given = [name for name in names if name in options]
    given += [name for name in _OF_A_NEW_RUN if getattr(options, name) is not None]
    given += ["overwrite"] if options.overwrite else []
    if given:
        raise LandslideError(
            f"--resume goes on as {options.resume} was started; leave out {', '.join(map(flag, given))}."
        )


def _seeds(options) -> tuple[int, ...]:
    seeds = tuple(options.seeds or ())
    if seeds and (len(set(seeds)) < 2 or len(set(seeds)) < len(seeds)):
        raise LandslideError(f"--seeds {' '.join(map(str, seeds))} is not possible; give two or more different ones.")
    if seeds and "seed" in options:
        raise LandslideError("Give --seed or --seeds, not both.")
    return seeds


def _settings(options) -> Settings:
    from ..paper import row

    names = [field.name for field in dataclasses.fields(Settings) if field.name in options]
    given = {name: getattr(options, name) for name in names}
    if "class_weights" in given:
        given["class_weights"] = tuple(given["class_weights"])
    if options.experiment:
        chosen = row(options.experiment)
        given = {"architecture": chosen.architecture, "backbone": chosen.backbone, **given}
    return preset(options.preset or "paper", **given)
