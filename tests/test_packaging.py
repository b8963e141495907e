"""What an installed wheel holds."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from keras_landslide import __version__

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel built from a copy of the tree, with one more file in `weights/`."""
    source = tmp_path_factory.mktemp("source")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("keras_landslide", "weights"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "weights" / "shipped.weights.h5").write_bytes(b"weights")
    out = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        str(out),
        str(source),
    ]
    subprocess.run(command, check=True)
    return next(out.glob("keras_landslide-*.whl"))


def test_the_wheel_has_every_module_the_splits_and_the_weights(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
        archive.extractall(tmp_path)
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "keras_landslide").rglob("*.py")}
    assert modules <= inside
    assert {
        "keras_landslide/data/bijie_splits.csv",
        "keras_landslide/data/bijie_negatives.csv",
        "keras_landslide/mapping/outlines.qml",
        "keras_landslide/py.typed",
        "keras_landslide/results/catalogue.csv",
        "keras_landslide/page.css",
        "keras_landslide/weights/README.md",
    } <= inside
    code = "from keras_landslide.models.loading import shipped_weights; print(shipped_weights('shipped').read_bytes())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == "b'weights'", done.stderr


def test_the_command_is_installed(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (entry_points,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert "keras-landslide = keras_landslide.cli:run" in archive.read(entry_points).decode()


def test_the_citation_is_of_this_version(wheel):
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert wheel.name.startswith(f"keras_landslide-{__version__}-")
