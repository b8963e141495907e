"""A scene in blocks that know nothing of each other: each is predicted with every window that touches it, and written.

Going on after a kill and working on several machines are therefore the same: whoever finds a block missing makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from rasterio import DatasetReader

from ..files.atomic import written_beside
from ..prediction.windows import window_starts, window_weights
from .network import Network
from .raster import Grid, Scene

BLOCK = 2048  # pixels of the grid
BATCH = 8  # windows
NODATA = 255
MOST = 254  # the highest grey level that is a value
LEVELS = (MOST, 2 * MOST)  # grey levels of a probability of 1, and of a standard deviation of 1, which is at most half

Watch = Callable[[int], object]
Given = TypeVar("Given")
Found = TypeVar("Found")


def unwatched(count: int) -> None:
    """What is told of every step of a prediction that nobody watches."""


@dataclass(frozen=True)
class Block:
    """Rows and columns of the grid that no other block has."""

    rows: slice
    columns: slice

    @property
    def name(self) -> str:
        return f"{self.rows.start}_{self.columns.start}.npy"


Part = tuple[slice, slice]  # rows and columns


@dataclass(frozen=True)
class Window:
    """What a window sees of a piece, what of that the block has, where that stands in the window, and in the block."""

    seen: Part
    shown: Part
    part: Part
    place: Part


@dataclass(frozen=True)
class Piece:
    """What is read for a block: `image` `(h, w, 3)` uint8, which is all that its windows see, and where the block
    itself is `valid`, `(h, w)` bool."""

    image: np.ndarray
    valid: np.ndarray
    windows: list[Window]


def blocks(grid: Grid, side: int = BLOCK) -> list[Block]:
    """All blocks of a grid, row by row.

    >>> [block.name for block in blocks(Grid(3000, 100, 3000, 100))]
    ['0_0.npy', '0_2048.npy']
    """
    return [
        Block(slice(top, min(top + side, grid.height)), slice(left, min(left + side, grid.width)))
        for top in range(0, grid.height, side)
        for left in range(0, grid.width, side)
    ]


def starts(core: slice, length: int, size: int) -> list[int]:
    """Where the windows begin that touch `core` of a side of `length` pixels.

    They are those of the whole side (`window_starts`), whatever block they are asked for.

    >>> starts(slice(100, 200), 1000, 64), starts(slice(0, 50), 50, 64)
    ([64, 96, 128, 160, 192], [-32, 0, 32])
    """
    return [start for start in window_starts(length, size) if start < core.stop and start + size > core.start]


def windows_of(block: Block, grid: Grid, size: int) -> int:
    """How many windows touch a block."""
    return len(starts(block.rows, grid.height, size)) * len(starts(block.columns, grid.width, size))


def piece_of(block: Block, scene: Scene, grid: Grid, dataset: DatasetReader, size: int) -> Piece:
    """Read all that the windows of `size` pixels see that touch `block`; those without a valid pixel of it fall out."""
    tops, lefts = starts(block.rows, grid.height, size), starts(block.columns, grid.width, size)
    rows, columns = slice(tops[0], tops[-1] + size), slice(lefts[0], lefts[-1] + size)
    image, valid = scene.read(dataset, grid, rows, columns)
    windows = [
        Window(*zip(across, along, strict=True))
        for across in (_side(block.rows, top, size, rows.start) for top in tops)
        for along in [_side(block.columns, left, size, columns.start) for left in lefts]
    ]
    core = _moved(block.rows, rows.start), _moved(block.columns, columns.start)
    return Piece(image, valid[core], [window for window in windows if valid[window.shown].any()])


def predicted(piece: Piece, network: Network, watch: Watch = unwatched) -> np.ndarray:
    """The block's probability of landslide, `(1, h, w)` uint8, or that and its spread, `(2, h, w)` (`LEVELS`).

    Σw·p / Σw over the windows, which weigh most in their middle; `NODATA` where the scene is not valid. `watch` is told
    after each step how many windows it was. The network works while the next batch is prepared and the last blended.
    """
    total = np.zeros((network.kinds, *piece.valid.shape), np.float32)
    weight = np.zeros(piece.valid.shape, np.float32)
    hann = window_weights(network.size)
    batches = [piece.windows[first : first + BATCH] for first in range(0, len(piece.windows), BATCH)]

    def seen(batch: list[Window]) -> np.ndarray:
        return np.stack([piece.image[window.seen] for window in batch], dtype=np.float32)

    with ThreadPoolExecutor(1) as before, ThreadPoolExecutor(1) as worker:
        answers = one_ahead(worker, network, one_ahead(before, seen, batches))
        for batch, found in zip(batches, answers, strict=True):
            for number, window in enumerate(batch):
                total[:, *window.place] += hann[window.part] * found[:, number][:, *window.part]
                weight[window.place] += hann[window.part]
            watch(len(batch))
    mean = total / np.where(piece.valid, weight, 1)
    levels = np.rint(mean * np.array(LEVELS[: network.kinds], np.float32)[:, None, None])
    return np.where(piece.valid, np.clip(levels, 0, MOST), NODATA).astype(np.uint8)


def one_ahead(worker: Executor, function: Callable[[Given], Found], items: Iterable[Given]) -> Iterator[Found]:
    """`function` of each item in their order; `worker` is at the next while the last is looked at.

    >>> with ThreadPoolExecutor(1) as worker:
    ...     list(one_ahead(worker, abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    before: Future | None = None
    for item in items:
        now = worker.submit(function, item)
        if before:
            yield before.result()
        before = now
    if before:
        yield before.result()


def predict_blocks(
    todo: Sequence[Block], scene: Scene, grid: Grid, network: Network, folder: Path, watch: Watch = unwatched
) -> None:
    """Write each block of `todo` to `folder`; the next is read and the last written while the network works."""

    def read(block: Block) -> Piece:
        return piece_of(block, scene, grid, dataset, network.size)

    written: Future | None = None
    with scene.opened() as dataset, ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        for block, piece in zip(todo, one_ahead(reader, read, todo), strict=True):
            found = predicted(piece, network, watch)
            watch(windows_of(block, grid, network.size) - len(piece.windows))
            if written:
                written.result()  # raises what went wrong there
            written = writer.submit(write_block, folder / block.name, found)
        if written:
            written.result()


def write_block(path: Path, found: np.ndarray) -> None:
    """Write what `predicted` gave; the file is there when it is complete."""
    with written_beside(path) as beside, beside.open("wb") as file:
        np.save(file, found)


def read_blocks(folder: Path, grid: Grid, kind: int, rows: slice, side: int = BLOCK) -> np.ndarray:
    """Whole rows of a scene all of whose blocks of `side` pixels are there, `(h, width)` uint8: probability (`kind` 0)
    or spread (1)."""
    found = np.empty((rows.stop - rows.start, grid.width), np.uint8)
    for block in blocks(grid, side):
        first, last = max(rows.start, block.rows.start), min(rows.stop, block.rows.stop)
        if first < last:
            stored = np.load(folder / block.name, mmap_mode="r")
            here = stored[kind, first - block.rows.start : last - block.rows.start]
            found[first - rows.start : last - rows.start, block.columns] = here
    return found


def _side(core: slice, start: int, size: int, origin: int) -> tuple[slice, slice, slice, slice]:
    """Rows, or columns, of what a `Window` has that begins at `start`; `core` is the block, `origin` its piece's."""
    shared = slice(max(core.start, start), min(core.stop, start + size))
    seen = slice(start - origin, start - origin + size)
    return seen, _moved(shared, origin), _moved(shared, start), _moved(shared, core.start)


def _moved(part: slice, origin: int) -> slice:
    """The same pixels counted from `origin`."""
    return slice(part.start - origin, part.stop - origin)
