"""A folder of images and masks → samples; every check of a user's files."""

import csv
import io as text_io
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..errors import LandslideError
from ..files.images import IMAGE_SUFFIXES, read_grey, read_image
from .overlaps import shared_ground


@dataclass(frozen=True)
class Neighbour:
    """A mask that shares ground with a sample: pixel (y, x) of the sample is pixel (y − dy, x − dx) of `mask`."""

    mask: Path
    dy: int
    dx: int


MOST_CLASSES = 255  # that a mask of bytes can number, with one value for ignored pixels
GROUPS = "groups.csv"  # beside image/ and mask/, where several samples show the same ground
EXPANDED = "augment.json"  # beside them in a set that `augment` wrote: how


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
    listed: str | None = None  # the subset in which the folder's own lists have it (voc.py)
    remedy: ClassVar[str] = "mend or remove, or write a clean copy with `keras-landslide prepare {folder} --out CLEAN`"

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """The image, `(H, W, 3)` uint8 RGB, and its classes, `(H, W)` uint8.

        0 is background, 1 landslide. A folder in VOC's form may have more classes, and 255 for pixels to ignore.
        """
        image = read_image(self.image)
        if self.mask is None:
            return image, np.zeros(image.shape[:2], np.uint8)
        classes = self.classes_in(self.stored(self.mask))
        for neighbour in self.neighbours:
            beside = self.classes_in(self.stored(neighbour.mask))
            here, there = shared_ground(classes.shape, beside.shape, neighbour.dy, neighbour.dx)
            classes[here][beside[there] == 1] = 1
        return image, classes

    def stored(self, mask: Path) -> np.ndarray:
        """The values of a mask file of this folder as stored, `(H, W)` uint8."""
        return read_grey(mask)

    def classes_in(self, stored: np.ndarray) -> np.ndarray:
        """The classes that the stored values stand for, `(H, W)` uint8."""
        return classes_of(stored)

    def mask_problem(self, values: np.ndarray, classes: int) -> str | None:
        """What is wrong with a mask of these `values` (each once) for a model of `classes`; `None` if nothing."""
        if np.count_nonzero(values) <= 1:
            return None
        return f"has the values {first_values(values)}; a mask has 0 for background and one other for landslide"

    def folder_problem(self, values: set[int]) -> str | None:
        """What is wrong with a folder whose masks, each possible by itself, hold `values` together."""
        marked = values - {0}
        if len(marked) < 2 or marked == {1, 255}:  # the two usual values for the same
            return None
        return (
            f"masks mark landslide with the values {first_values(sorted(marked))}, which may be several classes; give "
            "it one value in all, or let `keras-landslide prepare FOLDER --out CLEAN` take all of them as landslide."
        )


def classes_of(mask: np.ndarray) -> np.ndarray:
    """Mask values (0 and any one other) as classes 0 and 1, `(H, W)` uint8."""
    return (mask != 0).astype(np.uint8)


def find_samples(folder: Path | str) -> list[Sample]:
    """Pair the images and masks of `folder`, sorted by name.

    The folder is laid out as Bijie is distributed (`landslide/image`, `landslide/mask`), has `image/` and `mask/`, or
    is in VOC's form (`JPEGImages/`, `SegmentationClass/`; see voc.py). Each sample is a group of its own, unless a
    `groups.csv` (name,group) beside `image/` says otherwise. Raises `LandslideError` for a folder of another shape, or
    naming every image without mask and mask without image.
    """
    return find_data(folder)[0]


def find_data(
    folder: Path | str, *, negatives: bool = False, classes: int = MOST_CLASSES
) -> tuple[list[Sample], list[Sample]]:
    """The samples of `folder` (`find_samples`) and, if asked for, those without landslide (`find_negatives`).

    The error for files without a partner names all other bad files, too; of masks, those not for `classes`.
    """
    from .voc import VocSample, voc_root, voc_samples  # here, because voc.py is built on this file

    layout, root = _layout(Path(folder)), voc_root(folder)
    if layout is None and root is None:
        raise LandslideError(
            f"{folder}: has neither landslide/image and landslide/mask (as Bijie is distributed) nor image and mask "
            "nor JPEGImages and SegmentationClass (VOC's form)."
        )
    problems: list[str] = []
    samples = _pairs(*layout, problems) if layout else voc_samples(root, problems)
    without = _without_landslide(Path(folder), problems) if negatives else []
    if problems:
        problems += file_problems([*samples, *without], classes=classes)[0]
        raise bad_files(folder, problems, Sample.remedy if layout else VocSample.remedy)
    return samples, without


def _pairs(images_folder: Path, masks_folder: Path, problems: list[str]) -> list[Sample]:
    """The pairs, sorted by name; what has no partner is added to `problems`."""
    images = by_stem(images_folder, problems)
    masks = by_stem(masks_folder, problems)
    if not images and not masks:
        raise LandslideError(
            f"{images_folder}: holds no images; put files ending in {', '.join(IMAGE_SUFFIXES)} there."
        )
    problems += [f"{images[name]}: has no mask in {masks_folder}" for name in sorted(images.keys() - masks.keys())]
    problems += [f"{masks[name]}: has no image in {images_folder}" for name in sorted(masks.keys() - images.keys())]
    paired = sorted(images.keys() & masks.keys())
    groups = read_groups(images_folder.parent, paired)
    return [Sample(name, images[name], masks[name], groups.get(name, name)) for name in paired]


def read_groups(folder: Path, names: Collection[str]) -> dict[str, str]:
    """Name to group, as `groups.csv` in `folder` says of samples called `names`; empty where there is none.

    A name may stand there with its suffix. Raises `LandslideError` where the file is no such table, gives a name two
    groups, or names none of `names`.
    """
    path = folder / GROUPS
    if not path.exists():
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *lines = [line for line in csv.reader(file) if line] or [[]]
    except UnicodeDecodeError as error:
        raise LandslideError(f"{path}: is not in UTF-8; save it as that.") from error
    if header != ["name", "group"] or any(len(line) != 2 for line in lines):
        raise LandslideError(f"{path}: is not a table of the columns name,group; mend or remove it.")
    groups: dict[str, str] = {}
    for name, group in lines:
        known = name if name in names else Path(name).stem
        if known in names and groups.setdefault(known, group) != group:
            raise LandslideError(f"{path}: gives {name} the groups {groups[known]} and {group}; mend or remove it.")
    if lines and not groups:
        raise LandslideError(f"{path}: names none of the images beside it ({lines[0][0]}, …); mend or remove it.")
    return groups


def groups_table(groups: Mapping[str, str]) -> str:
    """The text of a `groups.csv` for name to group."""
    table = text_io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("name", "group"), *groups.items()])
    return table.getvalue()


def find_negatives(folder: Path | str) -> list[Sample]:
    """The images in `non-landslide/image` of `folder`, sorted by name, as samples without mask.

    Raises `LandslideError` where there are none.
    """
    problems: list[str] = []
    samples = _without_landslide(Path(folder), problems)
    if problems:
        raise bad_files(folder, problems)
    return samples


def _without_landslide(folder: Path, problems: list[str]) -> list[Sample]:
    images_folder = folder / "non-landslide" / "image"
    images = by_stem(images_folder, problems) if images_folder.is_dir() else {}
    if not images:
        raise LandslideError(f"{images_folder}: holds no images; put images without landslides there to use negatives.")
    return [Sample(name, images[name], None, group=f"non-landslide/{name}") for name in sorted(images)]


def _layout(folder: Path) -> tuple[Path, Path] | None:
    if folder.is_file():
        raise LandslideError(
            f"{folder}: is a file; of an archive `keras-landslide prepare {folder} --out CLEAN` makes a folder."
        )
    if not folder.is_dir():
        raise LandslideError(f"{folder}: no such folder; give the folder of the data set with --data.")
    for root in (folder / "landslide", folder):
        if (root / "image").is_dir() and (root / "mask").is_dir():
            return root / "image", root / "mask"
    return None


def by_stem(folder: Path, problems: list[str]) -> dict[str, Path]:
    """The image files of `folder` by name without suffix; a name that comes twice is added to `problems`."""
    found: dict[str, Path] = {}
    for path in images_in(folder):
        if path.stem in found:
            problems.append(f"{path}: has the same name as {found[path.stem].name}")
        found.setdefault(path.stem, path)
    return found


def images_in(folder: Path) -> list[Path]:
    """The image files of `folder`, sorted; hidden files are left out."""
    found = sorted(
        path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )
    for path in found:
        if path.name != path.name.encode(errors="ignore").decode():  # bytes of another encoding
            raise LandslideError(f"{folder}: the file name {path.name!a} is not valid text; rename it.")
    return found


def check_samples(
    samples: Sequence[Sample],
    folder: Path | str,
    on_done: Callable[[], object] = lambda: None,
    *,
    classes: int = 2,
) -> None:
    """Read every file and raise one `LandslideError` that names all that are unusable; `on_done` is called for each.

    `classes` is how many the model tells apart: masks in VOC's form may hold no higher number.
    """
    problems, values = file_problems(samples, on_done, classes=classes)
    if problems:
        raise bad_files(folder, problems, samples[0].remedy)
    problem = samples[0].folder_problem(values) if samples else None
    if problem:
        raise LandslideError(f"{folder}: {problem}")


def file_problems(
    samples: Sequence[Sample], on_done: Callable[[], object] = lambda: None, *, classes: int = 2
) -> tuple[list[str], set[int]]:
    """What is wrong with the files of `samples`, each read once, and all values that the masks hold."""
    values: set[int] = set()

    def checked(sample: Sample) -> str | None:
        problem = _problem(sample, classes, values)
        on_done()
        return problem

    with ThreadPoolExecutor() as pool:  # OpenCV decodes outside Python's lock
        return [problem for problem in pool.map(checked, samples) if problem], values


def _problem(sample: Sample, classes: int, seen: set[int]) -> str | None:
    """What is wrong with the files of `sample`; the mask's values are added to `seen`."""
    problems = []
    sides = []
    reads = [lambda: read_image(sample.image)]
    if sample.mask is not None:
        reads.append(lambda: sample.stored(sample.mask))
    for read in reads:
        try:
            sides.append(read())
        except LandslideError as error:
            problems.append(str(error))
    if problems or sample.mask is None:
        return "; ".join(problems) or None
    image, mask = sides
    if image.shape[:2] != mask.shape:
        return f"{sample.mask}: {size_mismatch(image, mask)}; use the mask of this image"
    values = np.flatnonzero(np.bincount(mask.reshape(-1), minlength=256))
    seen.update(values.tolist())
    problem = sample.mask_problem(values, classes)
    return f"{sample.mask}: {problem}" if problem else None


def size_mismatch(image: np.ndarray, mask: np.ndarray) -> str | None:
    """What to say of a mask that has not the size of its image, `(H, W, …)` each; `None` if it has."""
    (height, width), (wanted_height, wanted_width) = mask.shape[:2], image.shape[:2]
    if (height, width) == (wanted_height, wanted_width):
        return None
    return f"is {width}×{height} pixels (width × height) but its image is {wanted_width}×{wanted_height}"


def first_values(values: Sequence[int]) -> str:
    """The first of `values`.

    >>> first_values(range(9))
    '0, 1, 2, 3, 4, 5, …'
    """
    return ", ".join(map(str, values[:6])) + (", …" if len(values) > 6 else "")


def bad_files(folder: Path | str, problems: list[str], remedy: str = Sample.remedy) -> LandslideError:
    """The one error for all unusable files of a folder, with what to do about them."""
    count = f"{len(problems)} file{'s' if len(problems) > 1 else ''}"
    return LandslideError(f"{folder}: {count} cannot be used; {remedy.format(folder=folder)}:", files=problems)
