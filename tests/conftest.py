"""What the tests share: real data where it is there, and one tiny run of the whole job."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest

from keras_landslide.cli import main
from keras_landslide.data.synthetic import write_dataset

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"


def _shared(name: str) -> Path:
    path = SHARED / name
    if not path.is_dir():
        pytest.skip(f"{path} is not there: the test needs the real data")
    return path


@pytest.fixture
def bijie() -> Path:
    """The real Bijie images."""
    return _shared("bijie")


@pytest.fixture
def imagenet() -> Path:
    """ImageNet weights of backbones."""
    return _shared("imagenet")


@pytest.fixture(autouse=True)
def no_local_backbones(monkeypatch):
    """Tests say themselves where weights are, whatever the environment of who runs them says."""
    monkeypatch.delenv("KERAS_LANDSLIDE_BACKBONES", raising=False)


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> Path:
    """A Bijie-shaped folder of 16 synthetic chips of about 64 px, and 6 without landslide; only for reading."""
    folder = tmp_path_factory.mktemp("scenes")
    write_dataset(folder, 16, seed=1, size=64, negatives=6)
    return folder


TINY = (
    "--image-size 64 --output-stride 16 --frozen-epochs 1 --unfrozen-epochs 2 --frozen-batch-size 4 "
    "--unfrozen-batch-size 4 --backbone-weights none --frozen-learning-rate 0.01 --unfrozen-learning-rate 0.001 "
    "--augmentation default --batch-normalization-momentum 0.5"
).split()


@pytest.fixture(scope="session")
def tiny_run(scenes, tmp_path_factory) -> Path:
    """The folder of a run trained through the command line in both phases, with 3 negatives; only for reading."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    arguments = ["train", "--experiment", "pspnet_mobilenet_v2", "--data", str(scenes), "--out", str(out), *TINY]
    arguments += ["--negatives", "3"]
    assert main(arguments) == 0
    return out


@pytest.fixture
def fails(capsys):
    """Run the command line, expect a mistake to mend, and return its message."""

    def run(*arguments) -> str:
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == 2
        error = capsys.readouterr().err
        first, *others = error.rstrip("\n").split("\n")
        assert first.startswith("keras-landslide: ")
        assert all(line.startswith("  ") for line in others)
        return error

    return run
