"""Weights → a function of batches of squares, in the fastest runtime that is installed; converted once and kept."""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..data.synthetic import mountain_scene
from ..errors import unknown_name
from ..models.loading import rebuilt
from ..models.saving import StoredWeights
from .export import FORMATS, Runner, export_model, usable

KERAS = "keras"
FASTEST_FIRST = ("openvino", "onnx", KERAS)  # benchmarks/map_scene.py
CACHE = "KERAS_LANDSLIDE_CACHE"  # the environment variable that says where converted files are kept


def fastest_runtime() -> str:
    """The first of `FASTEST_FIRST` whose packages are installed."""
    return next(name for name in FASTEST_FIRST if name == KERAS or _installed(name))


def engine(
    weights: StoredWeights, runtime: str, size: int, *, report: Callable[[str], object] = lambda line: None
) -> Runner:
    """A function from `(N, size, size, 3)` float32, RGB 0–255, to probabilities `(N, size, size, classes)`.

    For another runtime than Keras the weights are converted where that was not done before, and compared with Keras
    (`export_model`); the file is kept for the next time. Raises `LandslideError` for a runtime that is unknown or not
    installed.
    """
    if runtime not in FASTEST_FIRST:
        raise unknown_name("--runtime", runtime, FASTEST_FIRST)
    if runtime == KERAS:
        return rebuilt(weights, input_shape=(size, size, 3)).predict_on_batch
    chosen = usable(runtime)
    folder = cache_folder() / f"{weights.stamp()['sha256'][:16]}-{size}-{runtime}"
    path = folder / f"{weights.description.name}{chosen.suffix}"
    if not path.exists():
        images = [mountain_scene(0, (size, size)).image]
        export_model(weights, runtime, folder, images=images, image_size=size, overwrite=True, report=report)
    run = chosen.load(path)
    return run if chosen.any_size else lambda batch: np.concatenate([run(one[np.newaxis]) for one in batch])


def cache_folder() -> Path:
    """Where converted files are kept: what the environment says, else where this system keeps such things."""
    if CACHE in os.environ:
        return Path(os.environ[CACHE])
    base = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "keras-landslide"


def _installed(name: str) -> bool:
    return all(importlib.util.find_spec(package) for package in FORMATS[name].packages)
