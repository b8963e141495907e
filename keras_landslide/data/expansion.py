"""The training set expanded on disk, as the paper did (Table 2: 510 to 2500), and a sheet of what training sees."""

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from ..console import Track, untracked
from ..errors import LandslideError
from ..files.atomic import folder_written_beside, write_json, write_text
from ..files.images import write_image
from ..pictures import overlay
from .augment import RECIPES, colours, drawn_matrix, draws
from .layouts import EXPANDED, GROUPS, groups_table
from .pipeline import seed_pair, training_stream
from .sample import Sample
from .voc import VocSample


def expand(
    samples: Sequence[Sample],
    out: Path | str,
    count: int,
    *,
    augmentation: str,
    seed: int = 0,
    track: Track = untracked,
) -> None:
    """Write `count` variants of `samples` to `out` as `image/NAME_ROUND.png` and `mask/NAME_ROUND.png` (0/255).

    Every sample has the same number of variants, give or take one. They have native size, and corners that a rotation
    opens are filled by reflection of image and mask alike: a mask on disk has no value for ignored pixels, and called
    background they would teach that black is no landslide. `groups.csv` says which samples show the same ground, so
    that a split of the folder keeps variants of one image together. The folder appears when it is complete, in place of
    what was there (see `files.checks.check_copy`). Raises `LandslideError` before anything is written if it cannot be
    written, or the samples have masks of class numbers and ignored pixels.
    """
    if any(isinstance(sample, VocSample) for sample in samples):
        raise LandslideError(
            "A set in VOC's form cannot be expanded on disk, where masks hold 0 and 255 alone; train on it directly,"
            " with --samples-per-epoch."
        )
    groups = {}
    with folder_written_beside(out, replace=True) as folder:
        for place, (number, sample) in enumerate(track(_rounds(samples, count, seed), count)):
            name = f"{sample.name}_{number}"
            image, classes = sample.read()
            image, classes = variant(image, classes, augmentation, seed_pair(seed + 1, place))
            write_image(folder / "image" / f"{name}.png", image)
            write_image(folder / "mask" / f"{name}.png", classes * 255)
            groups[name] = sample.group
        write_text(folder / GROUPS, groups_table(groups))
        write_json(
            folder / EXPANDED, {"images": len(samples), "variants": count, "augmentation": augmentation, "seed": seed}
        )


def _rounds(samples: Sequence[Sample], count: int, seed: int) -> Iterator[tuple[int, Sample]]:
    """All samples in shuffled order, again and again: (round from 1, sample), `count` in all."""
    rng = np.random.default_rng(seed)
    rounds = ((number, samples[place]) for number in itertools.count(1) for place in rng.permutation(len(samples)))
    return itertools.islice(rounds, count)


def variant(image: np.ndarray, classes: np.ndarray, augmentation: str, seed) -> tuple[np.ndarray, np.ndarray]:
    """One augmented sample at native size: `(H, W, 3)` and `(H, W)` uint8 to the same, corners filled by reflection.

    A turn of more than 45° to the side exchanges height and width.
    """
    recipe, drawn = RECIPES[augmentation], draws(seed)
    size = np.array(classes.shape[::-1])  # width, height
    source_centre = (size - 1) / 2
    turn = drawn_matrix(recipe, drawn, *size[::-1]).numpy()
    if abs(turn[0, 1]) > abs(turn[0, 0]):
        size = size[::-1]
    matrix = drawn_matrix(recipe, drawn, *size[::-1]).numpy().astype(np.float64)
    matrix[:2, 2] += source_centre - matrix[:2, :2] @ ((size - 1) / 2)

    def warped(picture, method):
        flags = method | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(picture, matrix[:2], size.tolist(), flags=flags, borderMode=cv2.BORDER_REFLECT_101)

    coloured = colours(warped(image, cv2.INTER_LINEAR).astype(np.float32), recipe, drawn)
    return np.rint(coloured).astype(np.uint8), warped(classes, cv2.INTER_NEAREST)


SHEET = (5, 6)  # lines and columns of a contact sheet


def contact_sheet(
    samples: Sequence[Sample],
    path: Path | str,
    *,
    augmentation: str,
    image_size: int,
    seed: int = 0,
    tile: int = 240,
) -> None:
    """Draw the first thirty samples of training, as they go into the network, with the outline of the labels in yellow.

    What is ignored (letterbox bars, opened corners) is hatched dark. `tile` is the side of a picture in pixels.
    """
    stream = training_stream(
        samples,
        image_size=image_size,
        batch_size=math.prod(SHEET),
        samples_per_epoch=math.prod(SHEET),
        augmentation=augmentation,
        seed=seed,
        cache_bytes=0,
    )
    images, labels = (batch.numpy() for batch in next(iter(stream)))
    tiles = [_tile(np.rint(image).astype(np.uint8), truth, tile) for image, truth in zip(images, labels, strict=True)]
    lines = [np.hstack(tiles[start : start + SHEET[1]]) for start in range(0, len(tiles), SHEET[1])]
    write_image(path, np.vstack(lines))


def _tile(image: np.ndarray, labels: np.ndarray, side: int) -> np.ndarray:
    size = (side - 4, side - 4)
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
    ignored = (labels != 0) & (labels != 1)
    hatched = np.add.outer(np.arange(size[1]), np.arange(size[0])) % 8 == 0
    image[ignored & hatched] //= 2
    return np.pad(overlay(image, labels == 1), ((2, 2), (2, 2), (0, 0)), constant_values=255)
