"""Every file of a data set is looked at, and all that are unusable are named at once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ..console import Track, untracked
from ..errors import LandslideError
from ..files.images import read_image
from .sample import Sample


def check_samples(
    samples: Sequence[Sample],
    folder: Path | str,
    track: Track = untracked,
    *,
    classes: int = 2,
) -> None:
    """Read every file and raise one `LandslideError` that names all that are unusable.

    `track` may show how far it is (`console.bar`).
    `classes` is how many the model tells apart: masks in VOC's form may hold no higher number.
    """
    problems, values = file_problems(samples, track, classes=classes)
    if problems:
        raise bad_files(folder, problems, samples[0].remedy)
    problem = samples[0].folder_problem(values) if samples else None
    if problem:
        raise LandslideError(f"{folder}: {problem}")


def file_problems(
    samples: Sequence[Sample], track: Track = untracked, *, classes: int = 2
) -> tuple[list[str], set[int]]:
    """What is wrong with the files of `samples`, each read once, and all values that the masks hold."""
    values: set[int] = set()

    with ThreadPoolExecutor() as pool:  # OpenCV decodes outside Python's lock
        found = pool.map(lambda sample: _problem(sample, classes, values), samples)
        return [problem for problem in track(found, len(samples)) if problem], values


def _problem(sample: Sample, classes: int, seen: set[int]) -> str | None:
    """What is wrong with the files of `sample`; the mask's values are added to `seen`."""
    problems = []
    sides = []
    reads = [lambda: read_image(sample.image)]
    mask = sample.mask
    if mask is not None:
        reads.append(lambda: sample.stored(mask))
    for read in reads:
        try:
            sides.append(read())
        except LandslideError as error:
            problems.append(str(error))
    if problems or mask is None:
        return "; ".join(problems) or None
    image, marked = sides
    if image.shape[:2] != marked.shape:
        return f"{mask}: {size_mismatch(image, marked)}; use the mask of this image"
    values = np.flatnonzero(np.bincount(marked.reshape(-1), minlength=256))
    seen.update(values.tolist())
    problem = sample.mask_problem(values, classes)
    return f"{mask}: {problem}" if problem else None


def size_mismatch(image: np.ndarray, mask: np.ndarray) -> str | None:
    """What to say of a mask that has not the size of its image, `(H, W, …)` each; `None` if it has."""
    (height, width), (wanted_height, wanted_width) = mask.shape[:2], image.shape[:2]
    if (height, width) == (wanted_height, wanted_width):
        return None
    return f"is {width}×{height} pixels (width × height) but its image is {wanted_width}×{wanted_height}"


def bad_files(folder: Path | str, problems: list[str], remedy: str = Sample.remedy) -> LandslideError:
    """The one error for all unusable files of a folder, with what to do about them."""
    count = f"{len(problems)} file{'s' if len(problems) > 1 else ''}"
    return LandslideError(f"{folder}: {count} cannot be used; {remedy.format(folder=folder)}:", files=problems)
