"""A training as the command line asks for it: one run, one for each of several seeds, or the rest of either."""

import contextlib
import dataclasses
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.dataset import Source
from ..errors import LandslideError
from ..files.atomic import read_json, write_json
from ..files.checks import free_folder
from ..scores import landslide_iou
from ..settings import Settings
from . import fit
from .hosts import hosts
from .plan import planned
from .runs import Run

SEEDS_FILE = "seeds.json"


@dataclass(frozen=True)
class Job:
    """What to train, from what, and where to; with `seeds` one run each, in folders of their own below `out`."""

    settings: Settings
    source: Source
    out: Path
    seeds: tuple[int, ...] = ()


def _silent(line: str) -> None:
    pass


def read_job(folder: Path | str) -> Job:
    """The job that was started in `folder`; raises `LandslideError` where there is none."""
    folder = Path(folder)
    for name in ("settings.json", SEEDS_FILE):
        if (folder / name).is_file():
            held = read_json(folder / name)
            break
    else:
        raise LandslideError(f"{folder}: holds no run to resume (no settings.json); give the folder of one.")
    try:
        settings = Settings.from_json(held["settings"])
        source = None if held["data"] is None else Source(**held["data"])
        seeds = tuple(held.get("seeds", ()))
    except (LandslideError, AttributeError, KeyError, TypeError) as error:
        raise LandslideError(
            f"{folder / name}: is damaged or of another version ({error}); train again in another folder."
        ) from error
    if source is None:
        raise LandslideError(f"{folder}: does not say what it was trained on; resume it from where it was started.")
    return Job(settings, source, folder, seeds)


def do_job(
    job: Job,
    *,
    resume: bool = False,
    finish: bool = False,
    overwrite: bool = False,
    tensorboard: bool = False,
    report: Callable[[str], None] = _silent,
) -> list[Run]:
    """Train what `job` says, or with `resume` what is left of it, and report what came of it.

    With `finish` nothing is trained any more: a run that was stopped ends with the best weights that it has.
    """
    together = hosts()
    if together.joined and (resume or job.seeds):
        raise LandslideError("Several hosts train one run from start to end; give --resume or --seeds to one process.")
    if not together.writes:
        report(f"Process {together.process}; process 0 has the run folder and says what happens.")
        report = _silent
    begun = resume

    def begin() -> None:
        """When a run is planned, because a mistake in data or weights leaves everything as it was."""
        nonlocal begun
        if not begun and together.writes:
            _forget(job.out)
        begun = True

    if overwrite:
        _check_start(job)
    how = {"resume": resume, "finish": finish, "overwrite": overwrite, "tensorboard": tensorboard, "report": report}
    try:
        if not job.seeds:
            return [_train(job.settings, job.source, job.out, begin=begin, **how)]
        return _train_seeds(job, begin=begin, **how)
    except KeyboardInterrupt:
        if begun:
            report(f"Continue with: keras-landslide train --resume {job.out}")
        raise


def _forget(out: Path) -> None:
    """Remove what an earlier job left in `out`: none of it may be taken for this one's."""
    for run in (Run(out), *_seed_runs(out, _held_seeds(out))):
        run.clear()
        run.settings.unlink(missing_ok=True)
        if run.folder != out:
            with contextlib.suppress(OSError):  # it was never begun, or other files of its owner are in it
                run.folder.rmdir()
    (out / SEEDS_FILE).unlink(missing_ok=True)


def _held_seeds(out: Path) -> Sequence[int]:
    """The seeds of an earlier job in `out`; none where there was no such job, or its file is damaged."""
    with contextlib.suppress(LandslideError, AttributeError):
        return read_json(out / SEEDS_FILE).get("seeds", ())
    return ()


def _seed_runs(out: Path, seeds: Sequence[int]) -> list[Run]:
    return [Run(out / f"seed_{seed}") for seed in seeds]


def _check_start(job: Job) -> None:
    """Refuse to train from weights that are removed before the training begins, or before that of another seed does."""
    runs = (Run(job.out), *_seed_runs(job.out, (*_held_seeds(job.out), *job.seeds)))
    removed = {path.resolve() for run in runs for path in (run.best_weights, run.last_weights)}
    for path in (job.settings.init_weights, job.settings.backbone_weights):
        if path and Path(path).resolve() in removed:
            raise LandslideError(f"{path}: is of the run that --overwrite removes; choose another --out.")


def _train_seeds(
    job: Job, *, resume: bool, overwrite: bool, report: Callable[[str], None], begin: Callable[[], None], **options
) -> list[Run]:
    content = {"seeds": list(job.seeds), "settings": job.settings.to_json(), "data": job.source.to_json()}
    each = [dataclasses.replace(job.settings, seed=seed) for seed in job.seeds]  # an impossible one is refused here
    folders = [run.folder for run in _seed_runs(job.out, job.seeds)]
    if options["finish"]:
        for folder in folders:  # before the first is ended for good
            fit.check_can_end(folder)
    if not resume:
        free_folder(job.out, overwrite=overwrite)

    def begin_seed() -> None:
        begin()
        write_json(job.out / SEEDS_FILE, content)  # each time, because precision may have changed

    runs = []
    for settings, folder in zip(each, folders, strict=True):
        report(f"Seed {settings.seed}:")
        how = {"resume": resume, "overwrite": overwrite, "report": report, "begin": begin_seed}
        runs.append(_train(settings, job.source, folder, resumed_at=job.out, **how, **options))
    summary = summarised(job.seeds, [read_json(run.scores) for run in runs])
    write_json(job.out / SEEDS_FILE, {**content, **summary})
    for score, values in summary["scores"].items():
        mean, deviation = (100 * values[key] for key in ("mean", "standard_deviation"))
        report(f"Validation {score} over {len(runs)} seeds, per cent: {mean:.2f} ± {deviation:.2f}")
    report(f"Every seed's scores: {job.out / SEEDS_FILE}")
    return runs


def summarised(seeds: Sequence[int], scores: Sequence[dict]) -> dict:
    """Each score of each seed, their mean and their sample standard deviation, fractions.

    >>> one, other = ({"miou": iou, "confusion": [[1, 0, 0]] * 3} for iou in (0.5, 0.75))
    >>> summarised([0, 1], [one, other])["scores"]["mIoU"]["mean"]
    0.625
    """
    values = {"mIoU": [one["miou"] for one in scores]}
    ious = [landslide_iou(one["confusion"]) for one in scores]
    if len(scores[0]["confusion"]) == 2 and not any(map(math.isnan, ious)):
        values["landslide IoU"] = ious
    return {
        "scores": {
            name: {
                "by_seed": dict(zip(map(str, seeds), found, strict=True)),
                "mean": statistics.fmean(found),
                "standard_deviation": statistics.stdev(found),
            }
            for name, found in values.items()
        }
    }


def _train(
    settings: Settings,
    source: Source,
    out: Path,
    *,
    resume: bool,
    finish: bool,
    overwrite: bool,
    tensorboard: bool,
    report: Callable[[str], None],
    begin: Callable[[], None],
    resumed_at: Path | None = None,
) -> Run:
    """Plan and train one run; `begin` is called between the two, when all that can be checked is right.

    `resumed_at` is the folder that `--resume` takes, where that is not the run's own.
    """
    plan = planned(settings, source, out, overwrite=overwrite, resume=resume)
    split, negatives = plan.split, len(plan.negatives) or "no"
    report(f"Split {split.title}: {split.counts}; {split.labels} labels, {negatives} negatives.")
    for name, (ours, paper) in plan.settings.departures_from_paper().items():
        report(f"  departs from the paper: {name} {ours} (paper: {paper})")
    begin()
    finished = fit.train(plan, finish=finish, tensorboard=tensorboard, report=report, resumed_at=resumed_at)
    scores = read_json(finished.scores)
    iou = scores["landslide"]["iou"] if settings.classes == 2 else None
    landslide = "" if iou is None else f" (landslide IoU {iou:.4f})"
    report(
        f"Best validation mIoU {finished.best['val_miou']:.4f} at epoch {finished.best['epoch']}; at native size "
        f"{scores['miou']:.4f}{landslide}."
    )
    report(f"Best weights: {finished.best_weights}\nCurves: {finished.curves}")
    return finished
