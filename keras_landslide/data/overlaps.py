"""Pairs of images that share ground: equal to the bit where they overlap, found without a list.

The patches of a grid on every image are hashed and looked up at every position of all other images. Each hit proposes
an offset; comparing the whole overlap of the two images proves or refutes it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..console import Track, untracked
from ..files.images import read_image

PATCH = 8  # side of a patch; the doubling in `_hash_runs` wants a power of two
GRID_STEP = 7
MIN_SIDE = PATCH + GRID_STEP - 1  # of shared ground: 14 × 14 pixels hold a whole patch of the grid wherever they lie
MIN_COLOURS = 16  # of the 64 pixels of a patch: fewer are flat ground, stripes or ramps, which look alike anywhere
MAX_REPEATS = 4  # a patch that an image shows more often does not say where it lies
BAND = 64  # rows hashed at a time, so that an image of any size takes little memory
MIN_HITS = 1 / 8  # of an image's patches on the shared ground: fewer are a caption or a logo that many images have
MAX_PATCHES = 2**23  # in the look-up table, which takes a gigabyte then; of more, every second, fourth … is kept
SLOTS_PER_PATCH = 32  # of the look-up table: one position in 32 passes by chance and is searched in vain
CACHED_IMAGES = 32  # of the images that are compared
_MULTIPLIERS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)  # along x and y; odd numbers with well-mixed bits


@dataclass(frozen=True, order=True)
class Overlap:
    """Two images of the same ground: pixel (y, x) of `a` is pixel (y − dy, x − dx) of `b`, wherever both exist."""

    a: str
    b: str
    dy: int
    dx: int


def shared_ground(
    shape_a: tuple[int, ...], shape_b: tuple[int, ...], dy: int, dx: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Rows and columns of the shared ground in `a` and in `b`, for sizes (height, width, …) and an overlap's offset.

    >>> shared_ground((10, 10), (10, 10), 6, -3)
    ((slice(6, 10, None), slice(0, 7, None)), (slice(0, 4, None), slice(3, 10, None)))
    """
    in_a, in_b = [], []
    for length_a, length_b, offset in zip(shape_a, shape_b, (dy, dx), strict=False):
        first, last = max(0, offset), max(0, offset, min(length_a, length_b + offset))
        in_a.append(slice(first, last))
        in_b.append(slice(first - offset, last - offset))
    return (in_a[0], in_a[1]), (in_b[0], in_b[1])


def find_overlaps(images: Mapping[str, Path], track: Track = untracked) -> list[Overlap]:
    """All pairs of `images` (name to file) that are equal to the bit on shared ground, sorted; `a` comes before `b`.

    Shared ground counts if it is at least 14 pixels a side, or the whole side of an image, and textured: flat ground
    proves nothing. Where a pair fits at several offsets the largest overlap counts. In a folder of more than eight
    million patches (1,500 images of 512 × 512) the least that is found for certain grows, and memory does not.
    `track` may show how far it is (`console.bar`): all images go through it twice. Raises `LandslideError` for an
    unreadable one.
    """
    names = sorted(images)
    paths = [images[name] for name in names]
    with ThreadPoolExecutor() as pool:  # NumPy and OpenCV work outside Python's lock
        patches = _Patches(track(pool.map(_grid_patches, paths), len(paths)))
        hits = list(track(pool.map(patches.offsets_from, range(len(paths)), paths), len(paths)))
    candidates = np.unique(np.concatenate([np.empty((0, 4), np.int64), *hits]), axis=0)
    return [Overlap(names[a], names[b], dy, dx) for a, b, dy, dx in _proved(candidates.tolist(), paths)]


def overlap_groups(groups: Mapping[str, str], overlaps: Sequence[Overlap]) -> dict[str, str]:
    """Name to group: `groups`, joined where an overlap links two of their members, under the name that sorts first.

    >>> overlap_groups({name: name for name in "abcd"}, [Overlap("b", "c", 0, 9), Overlap("c", "d", 5, 0)])
    {'a': 'a', 'b': 'b', 'c': 'b', 'd': 'b'}
    """
    group = dict(groups)
    for pair in overlaps:
        joined = sorted((group[pair.a], group[pair.b]))
        for name in [name for name, of in group.items() if of == joined[1]]:
            group[name] = joined[0]
    return group


def _grid_patches(path: Path) -> np.ndarray:
    """The textured patches of an image's grid, `(n, 3)` uint64: hash, y, x."""
    image = read_image(path)
    grid_rows, columns = (_grid_lines(length) for length in image.shape[:2])
    found = [np.empty((0, 3), np.uint64)]
    for top, pixels, hashes in _bands(image):
        rows = grid_rows[(grid_rows >= top) & (grid_rows < top + len(hashes))] - top
        y, x = (part.reshape(-1) for part in np.meshgrid(rows, columns, indexing="ij"))
        windows = sliding_window_view(pixels, (PATCH, PATCH))[y, x].reshape(len(y), -1)
        colours = 1 + np.count_nonzero(np.diff(np.sort(windows, axis=1), axis=1), axis=1)
        y, x = y[colours >= MIN_COLOURS], x[colours >= MIN_COLOURS]
        found.append(np.stack([hashes[y, x], y + top, x], axis=1, dtype=np.uint64, casting="unsafe"))
    return np.concatenate(found)


def _grid_lines(length: int) -> np.ndarray:
    """Where patches begin along a side: every `GRID_STEP`, and flush with the far edge."""
    last = length - PATCH
    return np.unique(np.append(np.arange(0, last, GRID_STEP), last)) if last >= 0 else np.empty(0, int)


def _bands(image: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Bands of rows with the hash of every patch that begins in them.

    First row, pixels `(rows + PATCH − 1, W)` uint32 and hashes `(rows, W − PATCH + 1)` uint64.
    """
    colours = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA).view(np.uint32)[..., 0]  # a number for each colour
    if min(colours.shape) < PATCH:
        return
    for top in range(0, len(colours) - PATCH + 1, BAND):
        pixels = colours[top : top + BAND + PATCH - 1]
        yield top, pixels, _hashes(pixels)


def _hashes(pixels: np.ndarray) -> np.ndarray:
    """A 64-bit hash of every patch, `(H, W)` to `(H − PATCH + 1, W − PATCH + 1)` uint64.

    A polynomial in each direction, modulo 2⁶⁴. The sum over 2n pixels is that over n, plus the one n further on times
    the multiplier to the n: three steps instead of eight.
    """
    x_multiplier, y_multiplier = _MULTIPLIERS
    values = pixels.astype(np.uint64) * np.uint64(x_multiplier)
    run = 1
    while run < PATCH:
        values = values[:, :-run] + values[:, run:] * np.uint64(pow(x_multiplier, run, 2**64))
        values = values[:-run] + values[run:] * np.uint64(pow(y_multiplier, run, 2**64))
        run *= 2
    return (values ^ (values >> np.uint64(32))) * np.uint64(x_multiplier)  # high bits carry all that differs


def _thinned(of_images: Iterable[np.ndarray]) -> list[np.ndarray]:
    """The patches of each image, of all together no more than `MAX_PATCHES`: those whose hashes end in enough zeros."""
    kept: list[np.ndarray] = []
    total, ending = 0, np.uint64(0)
    for found in of_images:
        kept.append(found[found[:, 0] & ending == 0])
        total += len(kept[-1])
        while total > MAX_PATCHES:
            ending = 2 * ending + np.uint64(1)
            kept = [one[one[:, 0] & ending == 0] for one in kept]
            total = sum(map(len, kept))
    return kept


class _Patches:
    """The patches of all grids, to be looked up by their hash."""

    def __init__(self, of_images: Iterable[np.ndarray]):
        patches = _thinned(of_images)
        table = np.concatenate([np.empty((0, 3), np.uint64), *patches])
        order = np.argsort(table[:, 0], kind="stable")
        self.of_image = patches
        self.hashes = table[order, 0]
        self.places = table[order, 1:].astype(np.int32)
        self.images = np.repeat(np.arange(len(patches), dtype=np.int32), [len(found) for found in patches])[order]
        self.shift = np.uint64(64 - (SLOTS_PER_PATCH * len(table)).bit_length())
        self.taken = np.zeros(2 ** (64 - int(self.shift)), bool)
        self.taken[self.hashes >> self.shift] = True

    def offsets_from(self, image: int, path: Path) -> np.ndarray:
        """Offsets that the patches of other images, found in this one, propose: unique rows a, b, dy, dx, int64."""
        pixels = read_image(path)
        hashes, places = self._known(pixels)
        first = np.searchsorted(self.hashes, hashes, "left")
        count = np.searchsorted(self.hashes, hashes, "right") - first
        _, inverse, seen = np.unique(hashes, return_inverse=True, return_counts=True)
        repeated = seen[inverse] > MAX_REPEATS
        count[repeated] = 0
        patch = np.repeat(first - np.cumsum(count) + count, count) + np.arange(count.sum())
        offset = self.places[patch] - np.repeat(places, count, axis=0)
        other = self.images[patch]
        proposed = np.column_stack([other, offset])[other != image].astype(np.int64)
        rows, hits = np.unique(proposed, axis=0, return_counts=True)
        ground = [self._on_shared_ground(other, offset, pixels.shape) for other, *offset in rows.tolist()]
        often = np.unique(hashes[repeated])  # says nothing of where it lies, so it is not expected to
        expected = [len(of) - np.isin(of, often).sum() if len(often) else len(of) for of in ground]
        rows = rows[hits >= MIN_HITS * np.array(expected)]
        before = rows[:, 0] < image
        rows[~before, 1:] *= -1  # as seen from the earlier of the two
        pair = np.sort(np.column_stack([rows[:, 0], np.full(len(rows), image)]), axis=1)
        return np.column_stack([pair, rows[:, 1:]])

    def _on_shared_ground(self, image: int, offset: Sequence[int], shape: tuple[int, ...]) -> np.ndarray:
        """Hashes `(n,)` of the patches of `image` that lie, less `offset`, in another one of this `shape`."""
        patches = self.of_image[image]
        places = patches[:, 1:].astype(np.int32) - np.array(offset, np.int32)
        return patches[((places >= 0) & (places <= np.array(shape[:2]) - PATCH)).all(axis=1), 0]

    def _known(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Hashes `(n,)` of the image's patches that may be in the table, and where they begin, `(n, 2)` int32."""
        hashes, places = [np.empty(0, np.uint64)], [np.empty((0, 2), np.int32)]
        for top, _, band in _bands(image):
            y, x = np.nonzero(self.taken[band >> self.shift])
            hashes.append(band[y, x])
            places.append(np.column_stack([y + top, x]).astype(np.int32))
        return np.concatenate(hashes), np.concatenate(places)


def _proved(candidates: Iterable[Sequence[int]], paths: Sequence[Path]) -> list[tuple[int, int, int, int]]:
    """The candidates (a, b, dy, dx) that are equal on all of the shared ground, the largest for each pair."""
    read = lru_cache(CACHED_IMAGES)(lambda image: read_image(paths[image]))
    best: dict[tuple[int, int], tuple[int, int, int]] = {}
    for a, b, dy, dx in candidates:
        image_a, image_b = read(a), read(b)
        in_a, in_b = shared_ground(image_a.shape, image_b.shape, dy, dx)
        ground = image_a[in_a]
        wanted = np.minimum(MIN_SIDE, np.minimum(image_a.shape, image_b.shape)[:2])
        if (ground.shape[:2] >= wanted).all() and np.array_equal(ground, image_b[in_b]):
            best[a, b] = max(best.get((a, b), (0, 0, 0)), (ground.size, dy, dx))
    return [(a, b, dy, dx) for (a, b), (_, dy, dx) in best.items()]
