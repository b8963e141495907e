"""Weights → a function of batches of squares, in the fastest runtime that is installed; converted once and kept."""

import contextlib
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

from .. import __version__
from ..data.synthetic import mountain_scene
from ..errors import LandslideError, unknown_name
from ..models.loading import rebuilt
from ..models.saving import StoredWeights
from .export import FORMATS, Runner, export_model, usable

KERAS = "keras"
FASTEST_FIRST = ("openvino", "onnx", KERAS)  # benchmarks/map_scene.py
CACHE = "KERAS_LANDSLIDE_CACHE"  # the environment variable that says where converted files are kept


def fastest_runtime() -> str:
    """The first of `FASTEST_FIRST` whose packages are installed."""
    return next(name for name in FASTEST_FIRST if name == KERAS or _installed(name))


def check_runtime(runtime: str, bfloat16: bool = False) -> None:
    """Raise `LandslideError` for a runtime that is unknown or, where that is asked for, has no kernels in bfloat16."""
    if runtime not in FASTEST_FIRST:
        raise unknown_name("--runtime", runtime, FASTEST_FIRST)
    able = [name for name in FASTEST_FIRST if name != KERAS and FORMATS[name].loads_bfloat16]
    if bfloat16 and runtime not in able:
        raise LandslideError(f"--bfloat16 is for the runtime {', '.join(able)}, and this is {runtime}; leave it out.")


def engine(
    weights: StoredWeights,
    runtime: str,
    size: int,
    *,
    threads: int = 0,
    bfloat16: bool = False,
    cache: Path | None = None,
    report: Callable[[str], object] = lambda line: None,
) -> Runner:
    """A function from `(N, size, size, 3)` float32, RGB 0–255, to probabilities `(N, size, size, classes)`.

    For another runtime than Keras the weights are converted where that was not done before (`converted`). It computes
    in so many `threads`, and for 0 in as many as the runtime likes; TensorFlow keeps to what it began with. With
    `bfloat16` its kernels are of that type, which not every runtime has.

    Raises `LandslideError` for a runtime that is unknown or not installed, or has no such kernels for this processor.
    """
    check_runtime(runtime, bfloat16)
    path = converted(weights, runtime, size, cache=cache, report=report)
    if path is None:
        _limit_tensorflow(threads)
        return rebuilt(weights, input_shape=(size, size, 3)).predict_on_batch
    chosen = usable(runtime)
    return chosen.load(path, threads, bfloat16=True) if bfloat16 else chosen.load(path, threads)


def converted(
    weights: StoredWeights,
    runtime: str,
    size: int,
    *,
    cache: Path | None = None,
    report: Callable[[str], object] = lambda line: None,
) -> Path | None:
    """The file of the weights for a runtime; `None` for Keras, which needs none.

    It is kept in a folder of its own in `cache`, by default `cache_folder()`. Where it is not there it is made, and
    compared with Keras (`export_model`). Raises `LandslideError` for a runtime that is unknown or not installed.
    """
    check_runtime(runtime)
    if runtime == KERAS:
        return None
    chosen = usable(runtime)
    made_of = (weights.stamp()["sha256"][:16], str(size), runtime, __version__)  # another version may build otherwise
    folder = (cache or cache_folder()) / "-".join(made_of)
    path = folder / f"{weights.description.name}{chosen.suffix}"
    if not path.exists():
        images = [mountain_scene(0, (size, size)).image]
        export_model(weights, runtime, folder, images=images, image_size=size, overwrite=True, report=report)
    return path


def cache_folder() -> Path:
    """Where converted files are kept: `CACHE`, else in `LOCALAPPDATA`, `XDG_CACHE_HOME` or `~/.cache`."""
    if CACHE in os.environ:
        return Path(os.environ[CACHE])
    base = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "keras-landslide"


def _installed(name: str) -> bool:
    return all(importlib.util.find_spec(package) for package in FORMATS[name].packages)


def _limit_tensorflow(threads: int) -> None:
    """Let TensorFlow compute in so many threads, if it has not begun yet: then it cannot change them."""
    if threads:
        import tensorflow as tf

        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
