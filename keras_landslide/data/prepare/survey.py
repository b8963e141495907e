"""What is in a folder of images and masks, before anyone trains on it."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from ...console import Track, untracked
from ...errors import LandslideError, unknown_name
from ...files.images import IMAGE_SUFFIXES, images_in, read_image
from ...settings import BIJIE_SPLITS, SPLITS, SUBSETS
from ..checks import size_mismatch
from ..layouts import GROUPS, read_groups
from ..overlaps import Overlap, find_overlaps, overlap_groups, shared_ground
from ..sample import Sample
from ..splits import Split, bijie_table, listed_groups, split_samples
from ..voc import voc_root
from .masks import read_mask

REPORT_NAME = "prepare.json"  # in a clean copy: what was found where it came from


@dataclass(frozen=True)
class Found:
    """The files of a folder that may hold images (`landslide/` or the folder itself) and non-landslide images."""

    folder: Path
    images: list[Path]
    masks: list[Path]
    negatives: list[Path]

    def relative(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()


@dataclass(frozen=True)
class Item:
    """An image that can be read, with its mask if it has one that holds two classes; sizes and counts in pixels.

    A `blank` mask is background all over, whatever the file alone would say. Non-landslide images are called
    `non-landslide/NAME`, as their group is (`layouts.find_negatives`).
    """

    name: str
    image: Path
    height: int
    width: int
    mask: Path | None = None
    coding: str = ""
    landslide_pixels: int = 0
    blank: bool = False

    @property
    def pixels(self) -> int:
        return self.height * self.width

    def classes(self) -> np.ndarray:
        """The classes of the mask, `(H, W)` uint8."""
        if self.mask is None:
            raise ValueError(f"{self.name} has no mask")
        return read_mask(self.mask).classes * np.uint8(not self.blank)


@dataclass
class Survey:
    """What `survey` found; `images` and `negatives` are those that can be read, `problems` a file and a text each.

    `groups` has the group of every readable image, as lists know it (`listed`: the folder's own) and overlaps join it;
    `shared` is what masks say of the same ground.
    """

    found: Found
    images: list[Item] = field(default_factory=list)
    negatives: list[Item] = field(default_factory=list)
    problems: list[tuple[Any, str]] = field(default_factory=list)
    overlaps: list[Overlap] = field(default_factory=list)
    listed: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    shared: dict = field(default_factory=dict)
    splits: dict[str, Split] = field(default_factory=dict)

    @property
    def pairs(self) -> list[Item]:
        """The images whose mask can be used, perhaps after cleaning."""
        return [item for item in self.images if item.mask]

    @property
    def duplicates(self) -> list[Overlap]:
        """The overlaps that are whole images."""
        sizes = {item.name: (item.height, item.width) for item in self.images + self.negatives}
        return [pair for pair in self.overlaps if pair.dy == pair.dx == 0 and sizes[pair.a] == sizes[pair.b]]

    def to_json(self, split: str | None) -> dict:
        """The agreed keys of `prepare --json` for the chosen split, then what else is known."""
        groups = Counter(overlap_groups({name: name for name in self.groups}, self.overlaps).values())
        return {
            "landslide": {"images": len(self.found.images), "masks": len(self.found.masks)},
            "non_landslide": {"images": len(self.found.negatives)},
            "problems": [{"file": file, "problem": problem} for file, problem in self.problems],
            "overlaps": [{"a": one.a, "b": one.b, "dy": one.dy, "dx": one.dx} for one in self.overlaps],
            "split": self._split_json(split) if split in self.splits else None,
            "folder": str(self.found.folder),
            "bijie": _is_bijie(self.found),
            "usable": {"landslide": len(self.pairs), "non_landslide": len(self.negatives)},
            "mask_codings": dict(Counter(item.coding for item in self.pairs).most_common()),
            "sizes": {"landslide": _sizes(self.pairs), "non_landslide": _sizes(self.negatives)},
            "landslide_share": _shares(self.pairs),
            "duplicates": [[pair.a, pair.b] for pair in self.duplicates],
            "groups": [size for size in sorted(groups.values()) if size > 1],
            **self.shared,
            "splits": {name: self._split_json(name) for name in self.splits},
        }

    def _split_json(self, name: str) -> dict:
        split = self.splits[name]
        sides: dict[str, set[str]] = {}
        for subset, samples in split.subsets.items():
            for sample in samples + split.negatives[subset]:
                sides.setdefault(sample.group, set()).add(subset)
        return {
            "name": name,
            "expected": split.expected,
            "present": {subset: len(split.subsets[subset]) for subset in SUBSETS},
            "groups_on_two_sides": sum(len(subsets) > 1 for subsets in sides.values()),
        }


def find_files(folder: Path | str, called: Path | str | None = None) -> Found:
    """List the files of a folder in either layout; masks may be missing. Raises `LandslideError` for another layout.

    `called` is what an error calls the folder: the archive that was unpacked there.
    """
    folder, called = Path(folder), called or folder
    if not folder.is_dir():
        raise LandslideError(f"{called}: no such folder or zip archive; give the folder of the data set.")
    roots = [root for root in (folder / "landslide", folder) if (root / "image").is_dir()]
    negatives = folder / "non-landslide" / "image"
    if not roots and not negatives.is_dir():
        if voc_root(folder):
            raise LandslideError(
                f"{called}: is in VOC's form, which train and evaluate check; prepare reads image/ and mask/."
            )
        raise LandslideError(
            f"{called}: has neither landslide/image nor non-landslide/image (as Bijie is distributed) nor image."
        )
    images, masks = ([path / kind for path in roots[:1]] for kind in ("image", "mask"))
    found = [[file for path in paths if path.is_dir() for file in images_in(path)] for paths in (images, masks)]
    return Found(folder, found[0], found[1], images_in(negatives) if negatives.is_dir() else [])


def survey(found: Found, split: str | None, *, seed: int, track: Track = untracked) -> Survey:
    """Read every file that was found and say what is there; nothing is written.

    `track` may show how far it is (`console.bar`). `split` (with `seed`, for `auto`) is reported, and on Bijie's images
    all of Bijie's splits. Raises `LandslideError` for an unknown one.
    """
    if split is not None and split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    report = Survey(found)
    _inspect(report, track)
    readable = [
        Sample(item.name, item.image, item.mask, report.listed.get(item.name, item.name))
        for item in sorted(report.images + report.negatives, key=lambda item: item.name)
    ]
    report.overlaps = find_overlaps({sample.name: sample.image for sample in readable}, track)
    report.groups = overlap_groups(listed_groups(readable), report.overlaps)
    report.shared = _labels_on_shared_ground(report)
    samples = [sample for sample in readable if sample.mask]
    without = {item.name for item in report.negatives}
    negatives = [replace(sample, name=sample.image.stem) for sample in readable if sample.name in without]
    how: dict[str, Any] = {"seed": seed, "groups": report.groups, "negatives": negatives}
    for name in dict.fromkeys([*(BIJIE_SPLITS if _is_bijie(found) else ()), *([split] if split else [])]):
        with suppress(LandslideError):  # none of its images is here
            report.splits[name] = split_samples(samples, name, **how)
    return report


def _is_bijie(found: Found) -> bool:
    names = {path.stem for path in found.images}
    return len(names & {row["name"] for row in bijie_table()}) > len(names) / 2


def _inspect(report: Survey, track: Track) -> None:
    """Read all files that were found into `images`, `negatives` and `problems`."""
    files = report.found
    found = {kind: _by_stem(getattr(files, kind), report.problems) for kind in ("images", "masks", "negatives")}
    masks = found["masks"]
    tasks = [(name, path, masks.get(name), True) for name, path in found["images"].items()]
    tasks += [(f"non-landslide/{name}", path, None, False) for name, path in found["negatives"].items()]
    with ThreadPoolExecutor() as pool:
        read = track(pool.map(_read_item, tasks), len(tasks))
        for (*_, in_pairs), (item, problems) in zip(tasks, read, strict=True):
            report.problems += problems
            if item:
                (report.images if in_pairs else report.negatives).append(item)
    report.problems += [(masks[name], "has no image") for name in masks.keys() - found["images"].keys()]
    _compare_codings(report)
    _read_listed_groups(report, found["images"])
    report.problems = sorted((files.relative(path), text) for path, text in report.problems)
    if not files.images and not files.negatives:
        report.problems.append((".", f"holds no images ending in {', '.join(IMAGE_SUFFIXES)}"))


def _compare_codings(report: Survey) -> None:
    """What the masks of a folder say together: what one of a single value means, and whether several mean landslide."""
    pairs = [item.coding.split("/") for item in report.pairs if re.fullmatch(r"\d+/\d+", item.coding)]
    low, high = ({int(pair[end]) for pair in pairs} for end in (0, 1))
    for place, item in enumerate(report.images):
        value = int(item.coding.removeprefix("only ")) if item.coding.startswith("only ") else 0
        if value in low - high - {0}:
            report.images[place] = replace(item, blank=True, landslide_pixels=0)
            problem = f"holds only {value}, which is background in other masks; --out writes it so"
            report.problems.append((item.mask, problem))
        elif value:
            high.add(value)
    for item in report.pairs[:1]:
        together = Sample(item.name, item.image, item.mask, item.name).folder_problem(high)
        if together and item.mask:
            report.problems.append((item.mask.parent, together.rstrip(".")))


def _read_listed_groups(report: Survey, images: Mapping[str, Path]) -> None:
    for table in {path.parent.parent / GROUPS for path in images.values()}:
        try:
            report.listed = read_groups(table.parent, images)
        except LandslideError as error:
            report.problems.append((table, _without_path(error, table)))


def _without_path(error: LandslideError, path: Path) -> str:
    return error.message.removeprefix(f"{path}: ").rstrip(".")


def _by_stem(paths: Sequence[Path], problems: list) -> dict[str, Path]:
    """Files by name without suffix; of several under one name none is taken, for nobody knows which is meant."""
    counts = Counter(path.stem for path in paths)
    problems += [(path, "is not the only file of this name") for path in paths if counts[path.stem] > 1]
    return {path.stem: path for path in paths if counts[path.stem] == 1}


def _read_item(task: tuple[str, Path, Path | None, bool]) -> tuple[Item | None, list[tuple[Any, str]]]:
    name, image, mask, wants_mask = task
    problems: list[tuple[Any, str]] = []
    pixels = _tried(read_image, image, problems)
    if wants_mask and mask is None:
        problems.append((image, "has no mask"))
    marked = _tried(read_mask, mask, problems) if mask else None
    item = Item(name, image, *pixels.shape[:2]) if pixels is not None else None
    if item is None or marked is None:
        return item, problems
    if mismatch := size_mismatch(pixels, marked.classes):
        return item, [*problems, (mask, mismatch)]
    if not marked.as_it_is:
        problems.append((mask, f"is coded as {marked.coding}; train and evaluate refuse it, --out resolves it"))
    return replace(item, mask=mask, coding=marked.coding, landslide_pixels=int(marked.classes.sum())), problems


def _tried(read: Callable, path: Path, problems: list):
    try:
        return read(path)
    except LandslideError as error:
        problems.append((path, _without_path(error, path)))
    return None


def _sizes(items: Sequence[Item]) -> dict | None:
    """The smallest, median and largest image by area, width and height each."""
    if not items:
        return None
    by_area = sorted(items, key=lambda item: item.pixels)
    places = {"smallest": 0, "median": len(items) // 2, "largest": -1}
    return {"images": len(items), **{name: [by_area[n].width, by_area[n].height] for name, n in places.items()}}


def _shares(pairs: Sequence[Item]) -> dict | None:
    """The share of landslide in all pixels together, and by image."""
    if not pairs:
        return None
    shares = [item.landslide_pixels / item.pixels for item in pairs]
    pooled = sum(item.landslide_pixels for item in pairs) / sum(item.pixels for item in pairs)
    return {"pixels": pooled, "mean": float(np.mean(shares)), "smallest": min(shares), "largest": max(shares)}


def _labels_on_shared_ground(report: Survey) -> dict:
    """Where masks mark landslide on shared ground, how often they disagree, and what completed labels would add.

    `completed.landslide_pixels` is a fraction of those that are marked already.
    """
    masks = {item.name: item for item in report.pairs}
    labelled = [pair for pair in report.overlaps if pair.a in masks and pair.b in masks]
    labelled.sort(key=lambda pair: (report.groups[pair.a], pair))
    marked = disagreeing = added = changed = 0
    for _, linked in groupby(labelled, key=lambda pair: report.groups[pair.a]):  # a group at a time is in memory
        pairs = list(linked)
        own = {name: masks[name].classes() for pair in pairs for name in (pair.a, pair.b)}
        united = {name: classes.copy() for name, classes in own.items()}
        for pair in pairs:
            a, b = own[pair.a], own[pair.b]
            in_a, in_b = shared_ground(a.shape, b.shape, pair.dy, pair.dx)
            marked += bool(a[in_a].any() or b[in_b].any())
            disagreeing += not np.array_equal(a[in_a], b[in_b])
            united[pair.a][in_a] |= b[in_b]
            united[pair.b][in_b] |= a[in_a]
        gains = [int(united[name].sum()) - int(own[name].sum()) for name in own]
        added, changed = added + sum(gains), changed + sum(gain > 0 for gain in gains)
    return {
        "shared_ground": {"pairs_with_landslide": marked, "pairs_that_disagree": disagreeing},
        "completed": {
            "landslide_pixels": added / max(1, sum(item.landslide_pixels for item in report.pairs)),
            "images_changed": int(changed),
        },
    }
