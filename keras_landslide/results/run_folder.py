"""A run folder → the page about it: reads the weights, and predicts again what is drawn."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..console import Track, untracked
from ..data.classes import MOST_PROBABLE
from ..data.dataset import Source
from ..errors import LandslideError
from ..files.atomic import write_text
from ..models.loading import rebuilt
from ..models.saving import StoredWeights, read_weights
from ..prediction.predictor import Predictor
from ..settings import RUN_REPORT
from ..training.runs import Run, read_history
from .run_record import Epoch, Images, RunRecord, Weights, checked_history, read_scores, read_settings
from .run_report import report_page
from .run_scores import PICTURES, Predicted


@dataclass(frozen=True)
class Reported:
    """What came of a report: whether the run is finished, and why it has no pictures, `None` where it has some."""

    finished: bool
    without_pictures: str | None


def write_report(
    folder: Path | str, out: Path | str, *, data: Path | str | None = None, track: Track = untracked
) -> Reported:
    """Write the page about the run in `folder` to `out`.

    The worst and the best of its validation images come from `data`, by default from where the run was trained. If they
    are not there the page goes without and says so; with a `data` that was given, that is a mistake. Raises
    `LandslideError` for it, and for a folder without a run or with damaged files.
    """
    record, weights = _read(Path(folder))
    predicted: dict[str, Predicted] = {}
    without = None
    if record.scores:
        try:
            shown = _shown_images(record, data)
        except LandslideError as error:
            if data is not None:
                raise
            without = error.message.rstrip(":")
        else:
            predictor = Predictor.of(rebuilt(weights), threshold=MOST_PROBABLE)  # as it was scored
            predicted = {name: Predicted(image, truth, predictor.classes(image)) for name, image, truth in track(shown)}
    write_text(out, report_page(record, predicted, without))
    return Reported(record.scores is not None, without)


def _read(folder: Path) -> tuple[RunRecord, StoredWeights | None]:
    """What the folder says, and its best weights if they are there."""
    run = Run(folder, None)
    said = read_settings(folder)
    weights = read_weights(run.best_weights) if run.best_weights.is_file() else None
    record = RunRecord(
        folder=folder,
        said=said,
        images=said.images or (_divided_as(weights) if weights else None),
        history=_history(folder),
        scores=read_scores(run.scores) if run.scores.is_file() else None,
        weights=Weights(weights.description.to_json(), weights.stamp()["sha256"]) if weights else None,
        files=_sizes(folder),
    )
    return record, weights


def _divided_as(weights: StoredWeights) -> Images | None:
    """How the images were divided that a program gave."""
    data = weights.description.data
    return Images(data.split, data.fold, data.labels) if data else None


def _history(folder: Path) -> tuple[Epoch, ...]:
    path = folder / "history.csv"
    if not path.is_file():
        return ()
    try:
        lines = read_history(folder)
    except (ValueError, TypeError) as error:  # what is no number, a line that was cut off
        raise LandslideError(f"{path}: is damaged ({error}); copy it again or train again.") from error
    return checked_history(lines, path)


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes of each file of the run, by its name in the folder."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != RUN_REPORT]
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _shown_images(record: RunRecord, data: Path | str | None) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """The worst and the best validation images: name, image, classes.

    Raises `LandslideError` if they are not in the data, or labelled otherwise than when they were scored.
    """
    folder = data or (record.images.folder if record.images else None)
    if record.weights is None:
        raise LandslideError("best.weights.h5, which marks what is drawn, is not in the run folder.")
    if folder is None or record.images is None:
        raise LandslideError("The run does not say where its images are; give --data.")
    source = Source(str(folder), record.images.split, record.images.fold, record.images.labels)
    samples = {sample.name: sample for sample in source.load(record.settings).subset("val")}
    names = [name for part in record.scores.worst_and_best(PICTURES) for name in part]
    missing = [name for name in names if name not in samples]
    if missing:
        raise LandslideError(f"{folder}: {missing[0]} is not among its validation images; give the run's own --data.")
    shown = [(name, *samples[name].read()) for name in names]
    for name, _, truth in shown:
        if _counts(truth, len(record.scores.class_names)) != [sum(line) for line in record.scores.per_image[name]]:
            raise LandslideError(
                f"{folder}: {name} has another label than when this run was scored; give the run's own --data."
            )
    return shown


def _counts(truth: np.ndarray, classes: int) -> list[int]:
    """The pixels of each class; those to ignore are left out."""
    return np.bincount(truth.ravel(), minlength=classes)[:classes].tolist()
