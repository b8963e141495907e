"""The command on the scene of `tests.one_landslide`, in small blocks."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from keras_landslide.cli import main
from keras_landslide.mapping import scenes
from keras_landslide.mapping.network import Network
from keras_landslide.models.description import Scale
from keras_landslide.models.loading import shipped_weights
from keras_landslide.models.saving import describe
from tests.one_landslide import Answers, pixels
from tests.scenes import redness, write_scene


@pytest.fixture(autouse=True)
def _in_small_blocks(small_blocks):
    """As `small_blocks` has it, for every test here."""


@pytest.fixture
def scene(tmp_path) -> Path:
    return write_scene(tmp_path / "scene.tif", pixels())


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Weights that ask for windows of 64 pixels of 0.8 m; no test that has them computes with them."""
    path = tmp_path_factory.mktemp("weights") / "small.weights.h5"
    shutil.copy(shipped_weights("pspnet_mobilenet_v2"), path)
    describe(path, prediction_size=64, scale=Scale(0.8, 0.8))
    return path


@pytest.fixture
def network(monkeypatch) -> Answers:
    answers = Answers()
    monkeypatch.setattr(
        scenes,
        "network_of",
        lambda weights, size, options, report: Network([answers], size, options.average_flips, options.uncertainty),
    )
    return answers


@pytest.fixture
def mapped(weights, network, tmp_path):
    """Run the command with `weights` and return where it wrote, by default in the folder `map`."""

    def run(*arguments, out: str = "map", code: int = 0) -> Path:
        given = [str(argument) for argument in arguments]
        assert main(["map", *given, "--weights", str(weights), "--out", str(tmp_path / out)]) == code
        return tmp_path / out

    return run


@pytest.fixture
def rounding(monkeypatch):
    """A function that makes engines of `redness`, to which bfloat16 adds something; they say how they were asked."""

    def make(added: float) -> list[bool]:
        asked = []

        def engine(one, runtime, size, bfloat16, report):
            asked.append(bfloat16)
            return lambda batch: redness(batch) + added * bfloat16 * np.array([-1, 1])

        monkeypatch.setattr(scenes, "engine", engine)
        return asked

    return make
