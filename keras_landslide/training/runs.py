"""A run folder: `settings.json`, `history.csv`, `curves.png`, `best.weights.h5`, `last/`, `scores.json`."""

import contextlib
import csv
import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import keras

from ..errors import LandslideError
from ..files.atomic import csv_text, read_json, write_json, write_text
from ..models.description import Description, parsed
from ..models.saving import read_description, save_weights
from ..settings import COMPUTING, RUN_REPORT, Settings
from .checkpoint import Checkpoint, read_checkpoint, read_state, write_checkpoint

MAY_FOLLOW = ("mixed_bfloat16", "float32")  # where a machine lacks the instructions; the other way gains nothing


class Run:
    """The paths of one run, and what is written to them while it trains."""

    def __init__(self, folder: Path | str, description: Description | None = None):
        self.folder = Path(folder)
        self.description = description
        self.history: list[dict] = []

    @property
    def best_weights(self) -> Path:
        """Weights of the epoch with the highest validation mIoU so far, of both phases."""
        return self.folder / "best.weights.h5"

    @property
    def last_weights(self) -> Path:
        """Weights after the last epoch."""
        return self.folder / "last" / "last.weights.h5"

    @property
    def checkpoint(self) -> Path:
        """What a run that was killed goes on from; removed when the run is finished."""
        return self.folder / "last" / "checkpoint.npz"

    @property
    def tensorboard(self) -> Path:
        """The folder of TensorBoard's logs, where they are asked for."""
        return self.folder / "tensorboard"

    @property
    def settings(self) -> Path:
        return self.folder / "settings.json"

    @property
    def curves(self) -> Path:
        return self.folder / "curves.png"

    @property
    def scores(self) -> Path:
        return self.folder / "scores.json"

    @property
    def best(self) -> dict:
        """The history's line with the highest validation mIoU; the earlier of equals."""
        return max(self.history, key=lambda line: line["val_miou"])

    def started_from(self, random_layers: Sequence[str]) -> None:
        """Note the layers that start from random, which are known when the model is there."""
        start = dataclasses.replace(self.description.start, random_layers=tuple(random_layers))
        self.description = dataclasses.replace(self.description, start=start)

    def begin(self, content: dict) -> None:
        """Write `settings.json`; files of an earlier run that would be mistaken for this one's are removed."""
        self.clear()
        write_json(self.settings, content)

    def clear(self) -> None:
        """Remove the files of a run but for `settings.json`, and nothing else that lies in the folder."""
        for path in (
            self.best_weights,
            self.last_weights,
            self.checkpoint,
            self.curves,
            self.scores,
            self.folder / RUN_REPORT,
            self.folder / "history.csv",
        ):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.tensorboard, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.last_weights.parent.rmdir()

    def goes_on(self, content: dict) -> None:
        """Write into `settings.json` how the rest of the run is trained and, where that is known, on what."""
        held = read_json(self.settings) if self.settings.exists() else {}
        write_json(self.settings, {**held, **{name: value for name, value in content.items() if value is not None}})

    def is_finished(self) -> bool:
        """Whether the folder holds this run from beginning to end; then its history is taken up.

        As `resume`, raises `LandslideError` where it holds a run of other settings, labels or training images.
        """
        if not self.scores.exists():
            return False
        self._refuse_another(read_description(self.best_weights))
        self.history = read_history(self.folder)
        return True

    def resume(self) -> Checkpoint | None:
        """Take up the history of this run where it was stopped; `None` if it had not finished an epoch."""
        if not self.checkpoint.exists():
            return None
        checkpoint = read_checkpoint(self.checkpoint)
        held = parsed(json.dumps(checkpoint.state["description"]), self.checkpoint)
        self._refuse_another(held)
        self.description = dataclasses.replace(self.description, start=held.start)
        # lines did not always have it
        self.history = [{"precision": precision_of(held), **line} for line in checkpoint.state["history"]]
        return checkpoint

    def _refuse_another(self, held: Description) -> None:
        differing = _differences(held, self.description)
        if differing:
            raise LandslideError(
                f"{self.folder}: holds a run with other {', '.join(differing)}; go on as it was begun, or train in "
                "another folder."
            )

    def end_epoch(self, model: keras.Model, line: dict, state: dict, arrays: dict) -> None:
        """Add a line to the history and write weights and checkpoint, each file complete before it takes its name.

        A run killed before the checkpoint is there does this epoch again. The best weights come after it, because the
        next phase starts from them: they must not be of an epoch that the checkpoint does not know.
        """
        self.history.append(line)
        save_weights(model, self.last_weights, self._described(line))
        rows = [[done[name] for name in line] for done in self.history]
        write_text(self.folder / "history.csv", csv_text([list(line), *rows]))
        state = {**state, "description": self.description.to_json(), "history": self.history}
        write_checkpoint(self.checkpoint, Checkpoint(state, arrays))
        self.keep_if_best(model)

    def keep_if_best(self, model: keras.Model) -> None:
        """Write the best weights if `model`, which is as the last epoch left it, has the highest validation mIoU."""
        if self.best is self.history[-1]:
            save_weights(model, self.best_weights, self._described(self.best))

    def _described(self, line: dict) -> Description:
        return dataclasses.replace(self.description, scores=dict(line))

    def finish(self) -> None:
        """Remove what only an unfinished run needs."""
        self.checkpoint.unlink(missing_ok=True)


def precision_of(description: Description) -> str:
    """That of a run's training; runs from before there was a choice do not say it."""
    return description.settings.get("precision", Settings.precision)


def held_description(folder: Path | str) -> Description | None:
    """What the run in the folder says of itself; `None` where it holds none that can go on or is finished."""
    run = Run(folder)
    if run.checkpoint.exists():
        return parsed(json.dumps(read_state(run.checkpoint)["description"]), run.checkpoint)
    return read_description(run.best_weights) if run.scores.exists() else None


def _differences(held: Description, wanted: Description) -> list[str]:
    """What tells the run with the description `held` from `wanted`: settings by name, images trained on, labels.

    How a machine gets through the work is no difference, nor is a setting that `held` does not know yet: it had its
    default when that was written. A run in mixed_bfloat16 may go on in float32.
    """
    known = dict(held.settings)
    if (precision_of(held), precision_of(wanted)) == MAY_FOLLOW:
        del known["precision"]
    names = sorted(name for name in known if known[name] != wanted.settings.get(name) and name not in COMPUTING)
    if held.data.trained_on != wanted.data.trained_on:
        names.append("training images")
    if held.data.negatives != wanted.data.negatives:
        names.append("images without landslide")
    if held.data.labels != wanted.data.labels:
        names.append("labels")
    return names


def read_history(folder: Path | str) -> list[dict]:
    """The lines of a run folder's `history.csv`, numbers as numbers."""
    with (Path(folder) / "history.csv").open(encoding="utf-8", newline="") as file:
        return [
            {
                name: text if name in ("phase", "precision") else int(text) if name == "epoch" else float(text)
                for name, text in line.items()
            }
            for line in csv.DictReader(file)
        ]
