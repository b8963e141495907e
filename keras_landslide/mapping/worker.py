"""What one worker of a cluster does: it makes its network once, and any block that it is asked for.

Nothing here loads TensorFlow before a worker makes its network.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .. import __version__
from ..console import load_tensorflow
from ..errors import LandslideError
from ..files.checks import check_writable
from .blocks import Block, piece_of, predicted, write_block
from .network import Network
from .raster import Grid, Scene, opened

LOOKS = 10  # seconds for a worker to see a folder

_one_at_a_time = threading.Lock()  # no runtime is called from two threads


@dataclass(frozen=True)
class Recipe:
    """How a worker makes its network, from files in a folder that all workers see: weights, and in `cache` what was
    converted of them. Equal ones make the same, so that it is kept from task to task.
    """

    weights: tuple[str, ...]
    cache: str
    runtime: str
    size: int
    average_flips: bool
    spread: bool
    bfloat16: bool

    def network(self, threads: int) -> Network:
        """A network that computes in so many threads; raises `LandslideError` where the worker lacks something."""
        load_tensorflow()
        from ..models.saving import read_weights
        from ..runtimes.engines import engine

        cache = Path(self.cache)
        runs = [
            engine(read_weights(path), self.runtime, self.size, threads=threads, bfloat16=self.bfloat16, cache=cache)
            for path in self.weights
        ]
        return Network(runs, self.size, self.average_flips, self.spread)


@dataclass(frozen=True)
class Work:
    """All that a worker needs for any block of a scene."""

    scene: Scene
    grid: Grid
    folder: str
    files: str
    recipe: Recipe
    threads: int | None


def _sent(call: Callable) -> Callable:
    """`call` with errors that can be sent: without their causes, as some of GDAL's cannot be put together again."""

    @functools.wraps(call)
    def called(*given, **named):
        try:
            return call(*given, **named)
        except LandslideError as error:
            said = error
        raise LandslideError(said.message, said.files)  # here, where it gets no context

    return called


@_sent
def make_block(block: Block, work: Work) -> str:
    """In a worker: write a block, unless it is there. Returns the worker's host."""
    host = socket.gethostname()
    path = Path(work.folder) / block.name
    if path.is_file():  # made by a worker that died before it could say so
        return host
    _checked(work.files, (work.scene.path,))  # by a worker that came later than the others
    with work.scene.opened() as dataset:
        piece = piece_of(block, work.scene, work.grid, dataset, work.recipe.size)
    with _one_at_a_time:
        found = predicted(piece, _network(work.recipe, work.threads or _own_threads()))
    write_block(path, found)
    return host


@functools.lru_cache(maxsize=1)
def _network(recipe: Recipe, threads: int) -> Network:
    """The network of this process; that of an earlier run goes."""
    try:
        return recipe.network(threads)
    except LandslideError as error:
        raise _of_worker(error) from error


@functools.lru_cache
@_sent
def _checked(files: str, paths: tuple[str, ...]) -> str:
    """This package's version here; raises `LandslideError` where this machine lacks the folder or a scene."""
    if not appears(Path(files), LOOKS):
        raise LandslideError(
            f"The worker on {socket.gethostname()} does not see {Path(files).parent}; choose an --out on a file system "
            "that all workers have under this path."
        )
    try:
        check_writable(files)
        for path in paths:
            with opened(path):
                pass
    except LandslideError as error:
        raise _of_worker(error) from error
    return __version__


async def look(files: str, paths: tuple[str, ...]) -> str:
    """`_checked` in a thread, so that a slow disk does not keep a worker from answering."""
    return await asyncio.to_thread(_checked, files, paths)


def _of_worker(error: LandslideError) -> LandslideError:
    return LandslideError(f"The worker on {socket.gethostname()} says: {error.message}", error.files)


def _own_threads() -> int:
    """In a worker: how many Dask gave it."""
    from distributed import get_worker

    return get_worker().state.nthreads


def appears(path: Path, seconds: float) -> bool:
    """Whether a file or folder is there, or comes in so many seconds."""
    end = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True
