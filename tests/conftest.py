"""What the tests share: real data where it is there, and one tiny run of the whole job."""

import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from keras_landslide.cli import main
from keras_landslide.data.layouts import find_negatives, find_samples
from keras_landslide.data.splits import Split, split_samples
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


# Of the 21 classes and of 255, as VOC's own pages list them.
VOC_COLOURS = {
    0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 4: (0, 0, 128), 5: (128, 0, 128),
    6: (0, 128, 128), 7: (128, 128, 128), 8: (64, 0, 0), 9: (192, 0, 0), 10: (64, 128, 0), 11: (192, 128, 0),
    12: (64, 0, 128), 13: (192, 0, 128), 14: (64, 128, 128), 15: (192, 128, 128), 16: (0, 64, 0), 17: (128, 64, 0),
    18: (0, 192, 0), 19: (128, 192, 0), 20: (0, 64, 128), 255: (224, 224, 192),
}  # fmt: skip


def write_palette_png(path: Path, numbers: np.ndarray) -> None:
    """Write `(H, W)` uint8 class numbers as VOC's masks are: a PNG of indices into a palette of colours."""
    image = Image.fromarray(numbers)
    image.putpalette([channel for number in range(256) for channel in VOC_COLOURS.get(number, (number, 9, 9))])
    assert image.mode == "P"
    image.save(path)


@pytest.fixture(scope="session")
def palette_png():
    """`write_palette_png`."""
    return write_palette_png


@pytest.fixture(scope="session")
def voc_colours() -> dict[int, tuple[int, int, int]]:
    """`VOC_COLOURS`."""
    return VOC_COLOURS


@pytest.fixture(scope="session")
def voc(tmp_path_factory) -> Path:
    """A VOC-shaped folder of 21 classes, only for reading: 7 train, 4 validate, 2 test without a mask, 1 unlisted.

    Image n shows classes n, n + 7 and n + 14 as blocks of their colours in noise, outlined in 255.
    """
    folder = tmp_path_factory.mktemp("voc")
    for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (folder / part).mkdir(parents=True)
    names = [f"2007_{number:06d}" for number in range(14)]
    parts = {"train": names[:7], "val": names[7:11], "trainval": names[:11], "test": names[11:13]}
    for part, listed in parts.items():
        (folder / "ImageSets" / "Segmentation" / f"{part}.txt").write_text("".join(f"{name}\n" for name in listed))
    random = np.random.default_rng(0)
    for number, name in enumerate(names):
        classes = np.zeros((64, 48 + number), np.uint8)
        for row in range(3):
            classes[2 + 20 * row : 20 + 20 * row, 6:42] = 255
            classes[3 + 20 * row : 19 + 20 * row, 7:41] = number % 7 + 7 * row
        colours = np.array([VOC_COLOURS[value] for value in classes.ravel()]).reshape(*classes.shape, 3)
        noisy = np.clip(colours + random.normal(0, 12, colours.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / "JPEGImages" / f"{name}.jpg", quality=95)
        if name not in parts["test"]:
            write_palette_png(folder / "SegmentationClass" / f"{name}.png", classes)
    return folder


TINY = (
    "--image-size 64 --output-stride 16 --frozen-epochs 1 --unfrozen-epochs 2 --frozen-batch-size 4 "
    "--unfrozen-batch-size 4 --backbone-weights none --frozen-learning-rate 0.01 --unfrozen-learning-rate 0.001 "
    "--augmentation default --batch-normalization-momentum 0.5"
).split()


@pytest.fixture(scope="session")
def made_once(tmp_path_factory, worker_id):
    """A function from a name and what makes a folder to that folder, which the workers share.

    Whoever comes first makes it, the others wait.
    """
    shared = tmp_path_factory.getbasetemp()
    shared = shared if worker_id == "master" else shared.parent

    def folder(name: str, make: Callable[[Path], None]) -> Path:
        out = shared / name
        with FileLock(f"{out}.lock"):
            if not out.exists():
                make(out)
        return out

    return folder


@pytest.fixture(scope="session")
def tiny_run(scenes, made_once) -> Path:
    """The folder of a run trained through the command line in both phases, with 3 negatives; only for reading."""
    return made_once("tiny_run", lambda out: _train_tiny(scenes, out))


@pytest.fixture(scope="session")
def split(scenes) -> Split:
    """`scenes` divided: 13 images train, 1 validates, 2 test; with negatives."""
    return split_samples(find_samples(scenes), "auto", negatives=find_negatives(scenes))


def _train_tiny(scenes: Path, out: Path) -> None:
    arguments = ["train", "--experiment", "pspnet_mobilenet_v2", "--data", str(scenes), "--out", str(out), *TINY]
    arguments += ["--negatives", "3"]
    assert main(arguments) == 0


@pytest.fixture
def played(monkeypatch):
    """A `tests.played.Played` in the place of `keras.Model.fit`."""
    import keras

    from tests.played import Played

    played = Played()
    monkeypatch.setattr(keras.Model, "fit", lambda model, stream, **how: played.fit(model, stream, **how))
    return played


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


def make_images(height: int, width: int, count: int = 1, seed: int = 0) -> np.ndarray:
    """RGB images: smooth shapes and noise, `(N, H, W, 3)` float32 0–255."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    phases = random.uniform(0, 6, (count, 3, 2))
    waves = np.sin(y / 9 + phases[..., :1, None]) + np.cos(x / 7 + phases[..., 1:, None])
    noise = random.normal(0, 20, (count, height, width, 3))
    return np.clip(127 + 50 * np.moveaxis(waves, 1, -1) + noise, 0, 255).astype("float32")


@pytest.fixture
def images():
    """`make_images`."""
    return make_images


def _difference(found, wanted) -> float:
    found, wanted = np.asarray(found, "float64"), np.asarray(wanted, "float64")
    assert found.shape == wanted.shape, (found.shape, wanted.shape)
    assert np.ptp(wanted) > 0, "nothing varies: the comparison would mean nothing"
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.fixture
def difference():
    """The largest difference of two arrays of one shape, relative to the largest value."""
    return _difference
