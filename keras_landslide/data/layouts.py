"""A folder → samples: as Bijie is distributed, image/ and mask/, or VOC's form."""

import csv
from collections.abc import Collection, Mapping
from pathlib import Path

from ..errors import LandslideError
from ..files.atomic import csv_text
from ..files.images import IMAGE_SUFFIXES, by_stem, images_in
from ..settings import MOST_CLASSES
from .checks import bad_files, file_problems
from .sample import Sample
from .voc import VocSample, voc_root, voc_samples

GROUPS = "groups.csv"  # beside image/ and mask/, where several samples show the same ground
EXPANDED = "augment.json"  # beside them in a set that `augment` wrote: how


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
    layout, root = _layout(Path(folder)), voc_root(folder)
    problems: list[str] = []
    if layout:
        samples = _pairs(*layout, problems)
    elif root:
        samples = voc_samples(root, problems)
    else:
        raise LandslideError(
            f"{folder}: has neither landslide/image and landslide/mask (as Bijie is distributed) nor image and mask "
            "nor JPEGImages and SegmentationClass (VOC's form)."
        )
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
    except csv.Error as error:
        raise LandslideError(f"{path}: is not a table ({error}); mend or remove it.") from error
    if header != ["name", "group"] or any(len(line) != 2 for line in lines):
        raise LandslideError(f"{path}: is not a table of the columns name,group; mend or remove it.")
    groups: dict[str, str] = {}
    lines = [line for line in lines if line[1].strip()]  # a blank cell is no group
    for name, group in lines:
        known = name if name in names else Path(name).stem
        if known in names and groups.setdefault(known, group) != group:
            raise LandslideError(f"{path}: gives {name} the groups {groups[known]} and {group}; mend or remove it.")
    if lines and not groups:
        raise LandslideError(f"{path}: names none of the images beside it ({lines[0][0]}, …); mend or remove it.")
    return groups


def groups_table(groups: Mapping[str, str]) -> str:
    """The text of a `groups.csv` for name to group."""
    return csv_text([("name", "group"), *groups.items()])


def find_negatives(folder: Path | str) -> list[Sample]:
    """The images in `non-landslide/image` of `folder`, sorted by name, as samples without mask.

    Raises `LandslideError` where there are none.
    """
    problems: list[str] = []
    samples = _without_landslide(Path(folder), problems)
    if problems:
        raise bad_files(folder, problems)
    return samples


def has_negatives(folder: Path | str) -> bool:
    """Whether the folder has a place for images without landslide, and images in it."""
    images_folder = _negatives_folder(folder)
    return images_folder.is_dir() and bool(images_in(images_folder))


def _negatives_folder(folder: Path | str) -> Path:
    return Path(folder) / "non-landslide" / "image"


def _without_landslide(folder: Path, problems: list[str]) -> list[Sample]:
    images_folder = _negatives_folder(folder)
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
