"""A run folder: `settings.json`, `history.csv`, `curves.png`, `best.weights.h5`, `last/`, `scores.json`."""

import csv
import io
from pathlib import Path

import keras

from .io import write_json, write_text
from .models.saving import save_weights


class Run:
    """The paths of one run, and what is written to them while it trains."""

    def __init__(self, folder: Path | str, description: dict):
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
    def curves(self) -> Path:
        return self.folder / "curves.png"

    @property
    def scores(self) -> Path:
        return self.folder / "scores.json"

    @property
    def best(self) -> dict:
        """The history's line with the highest validation mIoU; the earlier of equals."""
        return max(self.history, key=lambda line: line["val_miou"])

    def begin(self, content: dict) -> None:
        """Write `settings.json`; files of an earlier run that would be mistaken for this one's are removed."""
        for path in (self.best_weights, self.last_weights, self.curves, self.scores, self.folder / "history.csv"):
            path.unlink(missing_ok=True)
        write_json(self.folder / "settings.json", content)

    def end_epoch(self, model: keras.Model, line: dict) -> None:
        """Add a line to the history and write the weights, each file complete before it takes its name."""
        self.history.append(line)
        described = {**self.description, "scores": {**line}}
        if self.best is line:
            save_weights(model, self.best_weights, described)
        save_weights(model, self.last_weights, described)
        table = io.StringIO()
        writer = csv.DictWriter(table, fieldnames=list(line), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.history)
        write_text(self.folder / "history.csv", table.getvalue())


def read_history(folder: Path | str) -> list[dict]:
    """The lines of a run folder's `history.csv`, numbers as numbers."""
    with (Path(folder) / "history.csv").open(encoding="utf-8", newline="") as file:
        return [
            {
                name: text if name == "phase" else int(text) if name == "epoch" else float(text)
                for name, text in line.items()
            }
            for line in csv.DictReader(file)
        ]
