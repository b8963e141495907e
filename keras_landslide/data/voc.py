"""PASCAL VOC2012 segmentation, and any folder in its form.

Facts: photographs of at most 500 pixels a side with 20 classes of things and the background; 1464 images train, 1449
validate. The labels of the 1456 test images are not public.

Layout, in which many people's own data comes too (as it is, or inside `VOC2012/` or `VOCdevkit/VOC2012/`):

    JPEGImages/NAME.jpg                      (or any other image format)
    SegmentationClass/NAME.png               palette or grey PNG: class numbers; 255 is ignored (the outlines of things)
    ImageSets/Segmentation/train.txt, val.txt, test.txt, trainval.txt        a name a line

The first three lists are split `voc`. `test.txt` may be missing, and counts as missing where none of its images has a
mask, as in VOC2012. `trainval.txt` is the first two together and is not read. Without `ImageSets/Segmentation/` every
mask with its image is a sample, and the split is dealt. Images in no list, or without a list and a mask, are left out:
VOC2012 has 14,000 of them.

A landslide folder has 0 for background and 1 for landslide. Masks may also hold the colours of VOC's colour map in
place of numbers.

Licence: the photographs come from Flickr, under its terms of use; none is part of this repository. Citation: Everingham
et al., "The PASCAL Visual Object Classes Challenge: A Retrospective", IJCV 111, 98-136 (2015),
https://doi.org/10.1007/s11263-014-0733-5. Home: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..errors import LandslideError
from ..files.images import by_stem, read_indexed
from ..settings import IGNORE_LABEL, SUBSETS
from .sample import Sample

VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
IMAGES, MASKS, LISTS = Path("JPEGImages"), Path("SegmentationClass"), Path("ImageSets/Segmentation")
ROOTS = (Path("."), Path("VOC2012"), Path("VOCdevkit/VOC2012"))


@dataclass(frozen=True)
class VocSample(Sample):
    """A sample whose mask holds class numbers, and 255 for pixels to ignore."""

    remedy: ClassVar[str] = f"mend or remove, with their names in {LISTS}"  # prepare does not read this form

    def stored(self, mask: Path) -> np.ndarray:
        return class_numbers(mask)

    def classes_in(self, stored: np.ndarray) -> np.ndarray:
        return stored

    def mask_problem(self, values: np.ndarray, classes: int) -> str | None:
        wrong = values[(values >= classes) & (values != IGNORE_LABEL)]
        if not len(wrong):
            return None
        return (
            f"has the value {wrong[0]}, but with {classes} classes a mask has 0 to {classes - 1}, and {IGNORE_LABEL} "
            "where ignored; mend it or train with more --classes"
        )

    def folder_problem(self, values: set[int]) -> str | None:
        if IGNORE_LABEL not in values or values - {0, IGNORE_LABEL}:
            return None
        return (
            f"the masks hold only 0 and {IGNORE_LABEL}, which VOC's form ignores; write 1 for landslide, or rename "
            f"{IMAGES} to image and {MASKS} to mask, where any value but 0 is landslide."
        )


def voc_root(folder: Path | str) -> Path | None:
    """Where in `folder` the form of VOC begins, or `None` if it is not in that form."""
    roots = (Path(folder) / root for root in ROOTS)
    return next((root for root in roots if (root / IMAGES).is_dir() and (root / MASKS).is_dir()), None)


def voc_samples(root: Path, problems: list[str]) -> list[Sample]:
    """The samples of a folder in VOC's form, sorted by name, with the subset in which its lists have them.

    Every list that is missing, listed name without image or mask, and name that stands in two lists is added to
    `problems`.
    """
    images, masks = by_stem(root / IMAGES, problems), by_stem(root / MASKS, problems)
    listed = _listed(root / LISTS, masks, problems) if (root / LISTS).is_dir() else dict.fromkeys(masks)
    for name, subset in listed.items():
        source = root / LISTS / f"{subset}.txt: lists {name}, which" if subset else f"{masks[name]}:"
        problems += [f"{source} has no image in {root / IMAGES}"] if name not in images else []
        problems += [f"{source} has no mask in {root / MASKS}"] if name not in masks else []
    if not listed and not problems:
        raise LandslideError(f"{root}: holds no samples; put masks into {MASKS} and their names into {LISTS}.")
    whole = sorted(listed.keys() & images.keys() & masks.keys())
    return [VocSample(name, images[name], masks[name], name, listed=listed[name]) for name in whole]


def _listed(lists: Path, masks: dict[str, Path], problems: list[str]) -> dict[str, str]:
    """The subset of every listed name; what is wrong with the lists is added to `problems`."""
    listed: dict[str, str] = {}
    for subset in SUBSETS:
        path = lists / f"{subset}.txt"
        if not path.is_file():
            if subset != "test":
                problems.append(f"{path}: is missing; write the names of the {subset} images in it, one a line")
            continue
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        names = [line.strip() for line in lines if line.strip()]
        if subset == "test" and not masks.keys() & set(names):
            continue
        for name in names:
            first = listed.setdefault(name, subset)
            if first != subset:
                problems.append(f"{path}: lists {name}, which {first}.txt lists too")
    return listed


def class_numbers(path: Path | str) -> np.ndarray:
    """The class numbers of a mask file, `(H, W)` uint8: palette indices, grey values, or colours of VOC's colour map.

    Raises `LandslideError` if the file is unreadable or has another colour.
    """
    stored = read_indexed(path)
    if stored.ndim == 2:
        return stored
    known = _code(colour_map())
    order = np.argsort(known)
    found = order[np.searchsorted(known[order], _code(stored)).clip(max=255)]
    strange = known[found] != _code(stored)
    if strange.any():
        colour = tuple(stored[strange][0].tolist())
        raise LandslideError(f"{path}: has the colour {colour}, which VOC's colour map has not; store class numbers.")
    return found.astype(np.uint8)


def colour_map() -> np.ndarray:
    """VOC's colour of each of 256 numbers, `(256, 3)` uint8 RGB.

    The bits of a number, from the lowest, go in turn to red, green and blue, and fill each from the highest bit.

    >>> colour_map()[[1, 2, 15, 255]].tolist()
    [[128, 0, 0], [0, 128, 0], [192, 128, 128], [224, 224, 192]]
    """
    numbers = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        colours[:, bit % 3] |= (((numbers >> bit) & 1) << (7 - bit // 3)).astype(np.uint8)
    return colours


def _code(colours: np.ndarray) -> np.ndarray:
    """RGB `(…, 3)` as one number a pixel."""
    return colours.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
