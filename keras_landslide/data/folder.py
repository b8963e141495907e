"""A folder of images and masks → samples; every check of a user's files."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import LandslideError
from ..io import IMAGE_SUFFIXES, read_grey, read_image


@dataclass(frozen=True)
class Sample:
    """One image with its mask; samples of one `group` show the same ground and stay on one side of a split."""

    name: str
    image: Path
    mask: Path
    group: str
    listed: str | None = None  # the subset in which the folder's own lists have it (voc.py)

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """The image, `(H, W, 3)` uint8 RGB, and its classes, `(H, W)` uint8.

        0 is background, 1 landslide. A folder in VOC's form may have more classes, and 255 for pixels to ignore.
        """
        return read_image(self.image), self.classes_in(self.stored_mask())

    def stored_mask(self) -> np.ndarray:
        """The mask's values as stored, `(H, W)` uint8."""
        return read_grey(self.mask)

    def classes_in(self, stored: np.ndarray) -> np.ndarray:
        """The classes that the stored values stand for, `(H, W)` uint8."""
        return classes_of(stored)

    def mask_problem(self, values: np.ndarray, classes: int) -> str | None:
        """What is wrong with a mask of these `values` (each once) for a model of `classes`; `None` if nothing."""
        if np.count_nonzero(values) <= 1:
            return None
        listed = ", ".join(map(str, values[:6])) + (", …" if len(values) > 6 else "")
        return f"has the values {listed}; a mask has 0 for background and one other for landslide"

    def folder_problem(self, values: set[int]) -> str | None:
        """What is wrong with a folder whose masks, each possible by itself, hold `values` together."""
        return None


def classes_of(mask: np.ndarray) -> np.ndarray:
    """Mask values (0 and any one other) as classes 0 and 1, `(H, W)` uint8."""
    return (mask != 0).astype(np.uint8)


def find_samples(folder: Path | str) -> list[Sample]:
    """Pair the images and masks of `folder`, sorted by name.

    The folder is laid out as Bijie is distributed (`landslide/image`, `landslide/mask`), has `image/` and `mask/`, or
    is in VOC's form (`JPEGImages/`, `SegmentationClass/`; see voc.py). Raises `LandslideError` for a folder of another
    shape, or naming every image without mask and mask without image.
    """
    from .voc import voc_root, voc_samples  # here, because voc.py is built on this file

    layout, root = _layout(Path(folder)), voc_root(folder)
    if layout is None and root is not None:
        return voc_samples(root)
    if layout is None:
        raise LandslideError(
            f"{folder}: has neither landslide/image and landslide/mask (as Bijie is distributed) nor image and mask "
            "nor JPEGImages and SegmentationClass (VOC's form)."
        )
    images_folder, masks_folder = layout
    problems: list[str] = []
    images = by_stem(images_folder, problems)
    masks = by_stem(masks_folder, problems)
    problems += [f"{images[name]}: has no mask in {masks_folder}" for name in sorted(images.keys() - masks.keys())]
    problems += [f"{masks[name]}: has no image in {images_folder}" for name in sorted(masks.keys() - images.keys())]
    if problems:
        raise bad_files(folder, problems)
    if not images:
        raise LandslideError(
            f"{images_folder}: holds no images; put files ending in {', '.join(IMAGE_SUFFIXES)} there."
        )
    return [Sample(name, images[name], masks[name], group=name) for name in sorted(images)]


def _layout(folder: Path) -> tuple[Path, Path] | None:
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
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )


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
    values: set[int] = set()

    def checked(sample: Sample) -> str | None:
        problem = _problem(sample, classes, values)
        on_done()
        return problem

    with ThreadPoolExecutor() as pool:  # OpenCV decodes outside Python's lock
        problems = [problem for problem in pool.map(checked, samples) if problem]
    if problems:
        raise bad_files(folder, problems)
    problem = samples[0].folder_problem(values) if samples else None
    if problem:
        raise LandslideError(f"{folder}: {problem}")


def _problem(sample: Sample, classes: int, seen: set[int]) -> str | None:
    """What is wrong with the files of `sample`; the mask's values are added to `seen`."""
    problems = []
    sides = []
    for read in (lambda: read_image(sample.image), sample.stored_mask):
        try:
            sides.append(read())
        except LandslideError as error:
            problems.append(str(error))
    if problems:
        return "; ".join(problems)
    image, mask = sides
    if image.shape[:2] != mask.shape:
        size, wanted = _size(mask), _size(image)
        return f"{sample.mask}: is {size} pixels (width × height) but its image is {wanted}; use the mask of this image"
    values = np.flatnonzero(np.bincount(mask.reshape(-1), minlength=256))
    seen.update(values.tolist())
    problem = sample.mask_problem(values, classes)
    return f"{sample.mask}: {problem}" if problem else None


def _size(array: np.ndarray) -> str:
    return f"{array.shape[1]}×{array.shape[0]}"


def bad_files(folder: Path | str, problems: list[str]) -> LandslideError:
    """The one error for all unusable files of a folder."""
    count = f"{len(problems)} file{'s' if len(problems) > 1 else ''}"
    return LandslideError(f"{folder}: {count} cannot be used; mend or remove:", files=problems)
