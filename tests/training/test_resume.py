"""A run that was killed ends as one that was not: the same history, weights and checkpoints, bit for bit."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_landslide.models.saving import read_layers
from keras_landslide.training.checkpoint import read_checkpoint
from keras_landslide.training.runs import read_history
from tests.conftest import TINY

ROOT = Path(__file__).parents[2]
# Dropout, negatives, a cosine schedule and early stopping: whatever a checkpoint could forget.
LONG = [*TINY, "--negatives", "3", "--frozen-epochs", "2", "--unfrozen-epochs", "4", "--patience", "2"]
LONG += ["--learning-rate-schedule", "cosine"]
# Runs the command line with a small network, keeps the last checkpoint, and dies without a word in an epoch.
PROGRAM = """
import os, shutil, signal, sys
import keras
from keras_landslide.training import fit
from keras_landslide.cli import main
from keras_landslide.training.runs import Run
from tests.small import small_network

class Killer(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)

KILLED_AT = tuple(map(int, sys.argv[1].split(",")))
usual = fit._Fit._callbacks
fit._Fit._callbacks = lambda self, *arguments: [*usual(self, *arguments), Killer()]
Run.finish = lambda self: shutil.move(self.checkpoint, self.folder / "kept.npz")
with small_network():
    sys.exit(main(sys.argv[2:]))
"""


def run(killed_at: str, *arguments) -> int:
    command = [sys.executable, "-c", PROGRAM, killed_at, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def without_seconds(folder: Path) -> list[dict]:
    return [{name: value for name, value in line.items() if name != "seconds"} for line in read_history(folder)]


@pytest.mark.slow  # four trainings, each a process of its own
def test_a_run_killed_in_both_phases_ends_like_one_that_was_not(scenes, tmp_path):
    start = ["train", "--experiment", "pspnet_mobilenet_v2", "--data", scenes, *LONG, "--out"]
    assert run("-1,0", *start, tmp_path / "whole") == 0
    killed = tmp_path / "killed"
    assert run("1,1", *start, killed) == -signal.SIGKILL
    assert [line["epoch"] for line in read_history(killed)] == [1]
    assert run("3,1", "train", "--resume", killed) == -signal.SIGKILL
    assert [line["epoch"] for line in read_history(killed)] == [1, 2, 3]
    assert not list(killed.rglob(".writing-*"))
    assert run("-1,0", "train", "--resume", killed) == 0
    assert without_seconds(killed) == without_seconds(tmp_path / "whole")
    kept = [read_checkpoint(folder / "kept.npz") for folder in (tmp_path / "whole", killed)]
    assert kept[0].state["early_stopping"] == kept[1].state["early_stopping"]
    assert kept[0].arrays.keys() == {"model", "optimizer"}
    for group, arrays in kept[0].arrays.items():
        for expected, found in zip(arrays, kept[1].arrays[group], strict=True):
            np.testing.assert_array_equal(found, expected)
    best = [read_layers(folder / "best.weights.h5") for folder in (tmp_path / "whole", killed)]
    for name, arrays in best[0].items():
        for expected, found in zip(arrays, best[1][name], strict=True):
            np.testing.assert_array_equal(found, expected)
