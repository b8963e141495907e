"""All that a killed training needs to go on as if nothing had happened, in one file.

Keras' BackupAndRestore leaves out the random state of dropout and the memory of early stopping, and writes in place.
"""

import contextlib
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from ..errors import LandslideError
from ..files.atomic import written_beside

STATE = "state"


@dataclass(frozen=True)
class Checkpoint:
    """`state` (JSON: epoch, phase, history, early stopping) and lists of arrays by group (model, optimizer)."""

    state: dict
    arrays: dict[str, list[np.ndarray]]


def model_state(model: keras.Model) -> dict[str, list[np.ndarray]]:
    """Copies of all that a step changes: weights, statistics, random states; the optimizer's moments and counts."""
    return {
        "model": [np.array(variable) for variable in model.variables],
        "optimizer": [np.array(variable) for variable in model.optimizer.variables],
    }


def restore(variables: Sequence[keras.Variable], values: Sequence[np.ndarray]) -> None:
    """Put a group of `model_state` back into the variables that it came from."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def write_checkpoint(path: Path | str, checkpoint: Checkpoint) -> None:
    """Write one `.npz` that is complete under its name or not there."""
    named = {
        f"{group}/{number}": array for group, arrays in checkpoint.arrays.items() for number, array in enumerate(arrays)
    }
    with written_beside(Path(path)) as beside, beside.open("wb") as file:
        np.savez(file, **{STATE: np.array(json.dumps(checkpoint.state))}, **named)


def read_checkpoint(path: Path | str) -> Checkpoint:
    """Read what `write_checkpoint` wrote; raises `LandslideError` if the file is damaged."""
    arrays: dict[str, list[np.ndarray]] = {}
    with _opened(path) as (state, file):
        for name in file.files:  # in the order in which they were written
            if name != STATE:
                arrays.setdefault(name.partition("/")[0], []).append(file[name])
    return Checkpoint(state, arrays)


def read_state(path: Path | str) -> dict:
    """The state alone, without the arrays, which are large; raises `LandslideError` if the file is damaged."""
    with _opened(path) as (state, _):
        return state


@contextlib.contextmanager
def _opened(path: Path | str) -> Iterator[tuple[dict, np.lib.npyio.NpzFile]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            yield json.loads(str(file[STATE])), file
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise LandslideError(f"{path}: is damaged; remove it to train the run again from its start.") from error
