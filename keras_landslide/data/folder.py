"""A folder of images and masks → samples; every check of a user's files."""

import csv
import io as text_io
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import LandslideError
from ..io import IMAGE_SUFFIXES, read_grey, read_image
from .overlaps import shared_ground


@dataclass(frozen=True)
class Neighbour:
    """A mask that shares ground with a sample: pixel (y, x) of the sample is pixel (y − dy, x − dx) of `mask`."""

    mask: Path
    dy: int
    dx: int


GROUPS = "groups.csv"  # beside image/ and mask/, where several samples show the same ground


@dataclass(frozen=True)
class Sample:
    """One image with its mask; samples of one `group` show the same ground and stay on one side of a split.

    An image without landslide (a negative) has no mask: every pixel is background. The landslides of its `neighbours`
    belong to its classes too (see `labels.py`).
    """

    name: str
    image: Path
    mask: Path | None
    group: str
    neighbours: tuple[Neighbour, ...] = ()

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """The image, `(H, W, 3)` uint8 RGB, and its classes, `(H, W)` uint8 with 0 background, 1 landslide."""
        image = read_image(self.image)
        if self.mask is None:
            return image, np.zeros(image.shape[:2], np.uint8)
        classes = classes_of(read_grey(self.mask))
        for neighbour in self.neighbours:
            beside = classes_of(read_grey(neighbour.mask))
            here, there = shared_ground(classes.shape, beside.shape, neighbour.dy, neighbour.dx)
            classes[here] |= beside[there]
        return image, classes


def classes_of(mask: np.ndarray) -> np.ndarray:
    """Mask values (0 and any one other) as classes 0 and 1, `(H, W)` uint8."""
    return (mask != 0).astype(np.uint8)


def find_samples(folder: Path | str) -> list[Sample]:
    """Pair the images and masks of `folder`, sorted by name.

    The folder is laid out as Bijie is distributed (`landslide/image`, `landslide/mask`) or has `image/` and `mask/`.
    Each is a group of its own, unless a `groups.csv` (name,group) beside them says otherwise. Raises `LandslideError`
    for a folder of another shape, or naming every image without mask and mask without image.
    """
    images_folder, masks_folder = _layout(Path(folder))
    problems: list[str] = []
    images = _by_stem(images_folder, problems)
    masks = _by_stem(masks_folder, problems)
    problems += [f"{images[name]}: has no mask in {masks_folder}" for name in sorted(images.keys() - masks.keys())]
    problems += [f"{masks[name]}: has no image in {images_folder}" for name in sorted(masks.keys() - images.keys())]
    if problems:
        raise bad_files(folder, problems)
    if not images:
        raise LandslideError(
            f"{images_folder}: holds no images; put files ending in {', '.join(IMAGE_SUFFIXES)} there."
        )
    groups = read_groups(images_folder.parent)
    return [Sample(name, images[name], masks[name], groups.get(name, name)) for name in sorted(images)]


def read_groups(folder: Path) -> dict[str, str]:
    """Name to group, as `groups.csv` in `folder` says; empty where there is none."""
    path = folder / GROUPS
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        header, *lines = list(csv.reader(file)) or [[]]
    if header != ["name", "group"] or any(len(line) != 2 for line in lines):
        raise LandslideError(f"{path}: is not a table of the columns name,group; mend or remove it.")
    return dict(lines)


def groups_table(groups: Iterable[tuple[str, str]]) -> str:
    """The text of a `groups.csv` for pairs of name and group."""
    table = text_io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("name", "group"), *groups])
    return table.getvalue()


def find_negatives(folder: Path | str) -> list[Sample]:
    """The images in `non-landslide/image` of `folder`, sorted by name, as samples without mask.

    Raises `LandslideError` where there are none.
    """
    images_folder = Path(folder) / "non-landslide" / "image"
    problems: list[str] = []
    images = _by_stem(images_folder, problems) if images_folder.is_dir() else {}
    if problems:
        raise bad_files(folder, problems)
    if not images:
        raise LandslideError(f"{images_folder}: holds no images; put images without landslides there to use negatives.")
    return [Sample(name, images[name], None, group=name) for name in sorted(images)]


def _layout(folder: Path) -> tuple[Path, Path]:
    if not folder.is_dir():
        raise LandslideError(f"{folder}: no such folder; give the folder of the data set with --data.")
    for root in (folder / "landslide", folder):
        if (root / "image").is_dir() and (root / "mask").is_dir():
            return root / "image", root / "mask"
    raise LandslideError(
        f"{folder}: has neither landslide/image and landslide/mask (as Bijie is distributed) nor image and mask."
    )


def _by_stem(folder: Path, problems: list[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in images_in(folder):
        if path.stem in found:
            problems.append(f"{path}: has the same name as {found[path.stem].name}")
        found.setdefault(path.stem, path)
    return found


def images_in(folder: Path) -> list[Path]:
    """The image files of `folder`, sorted; hidden files are left out."""
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )


def check_samples(samples: Iterable[Sample], folder: Path | str, on_done: Callable[[], object] = lambda: None) -> None:
    """Read every file and raise one `LandslideError` that names all that are unusable; `on_done` is called for each."""

    def checked(sample: Sample) -> str | None:
        problem = _problem(sample)
        on_done()
        return problem

    with ThreadPoolExecutor() as pool:  # OpenCV decodes outside Python's lock
        problems = [problem for problem in pool.map(checked, samples) if problem]
    if problems:
        raise bad_files(folder, problems)


def _problem(sample: Sample) -> str | None:
    problems = []
    sides = []
    for path, read in ((sample.image, read_image), (sample.mask, read_grey)):
        if path is None:
            continue
        try:
            sides.append(read(path))
        except LandslideError as error:
            problems.append(str(error))
    if problems or sample.mask is None:
        return "; ".join(problems) or None
    image, mask = sides
    if image.shape[:2] != mask.shape:
        return f"{sample.mask}: {size_mismatch(image, mask)}; use the mask of this image"
    values = np.flatnonzero(np.bincount(mask.reshape(-1), minlength=256))
    if np.count_nonzero(values) > 1:
        return (
            f"{sample.mask}: has the values {listed(values)}; a mask has 0 for background and one other for landslide"
        )
    return None


def size_mismatch(image: np.ndarray, mask: np.ndarray) -> str | None:
    """What to say of a mask that has not the size of its image, `(H, W, …)` each; `None` if it has."""
    (height, width), (wanted_height, wanted_width) = mask.shape[:2], image.shape[:2]
    if (height, width) == (wanted_height, wanted_width):
        return None
    return f"is {width}×{height} pixels (width × height) but its image is {wanted_width}×{wanted_height}"


def listed(values: Sequence[int]) -> str:
    """The first of `values`.

    >>> listed(range(9))
    '0, 1, 2, 3, 4, 5, …'
    """
    return ", ".join(map(str, values[:6])) + (", …" if len(values) > 6 else "")


def bad_files(folder: Path | str, problems: list[str]) -> LandslideError:
    """The one error for all unusable files of a folder; it names the command that reports and mends."""
    count = f"{len(problems)} file{'s' if len(problems) > 1 else ''}"
    remedy = f"mend or remove, or write a clean copy with `keras-landslide prepare {folder} --out CLEAN`"
    return LandslideError(f"{folder}: {count} cannot be used; {remedy}:", files=problems)
