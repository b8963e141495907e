"""A folder → its samples, checked and divided: the way that every command and experiment takes."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from ..console import progress
from ..settings import Settings
from .checks import check_samples
from .labels import with_labels
from .layouts import find_data
from .overlaps import Overlap, find_overlaps, overlap_groups
from .sample import Sample
from .splits import Split, all_listed, listed_groups, split_samples


@dataclass(frozen=True)
class Source:
    """Where a training's samples come from: a folder and how it is divided; kept so that a run can be resumed."""

    folder: str
    split: str
    fold: str | None = None
    labels: str = "original"

    def load(self, settings: Settings) -> Split:
        """The divided and labelled samples (`load_split`, `labelled`) for a training of these settings."""
        split = load_split(
            self.folder,
            self.split,
            fold=self.fold,
            seed=settings.seed,
            classes=settings.classes,
            negatives=settings.negatives != 0,
        )
        return labelled(split, self.labels)

    def to_json(self) -> dict:
        """Plain values; the folder's place does not depend on where a program is started."""
        return {**dataclasses.asdict(self), "folder": str(Path(self.folder).absolute())}


def load_split(
    folder: Path | str,
    name: str,
    *,
    fold: str | None = None,
    seed: int = 0,
    classes: int = 2,
    negatives: bool = False,
) -> Split:
    """The samples of `folder`, every file read once, divided by the split `name`; bars show what takes long.

    Where the split is dealt (`auto`, folds), images that share ground are found first and stay on one side. With
    `negatives` the images without landslide are divided too, in the same way. Raises `LandslideError` for what
    `find_data`, `split_samples` and `check_samples` refuse.
    """
    samples, without = find_data(folder, negatives=negatives, classes=classes)
    options = {"fold": fold, "seed": seed, "negatives": without}
    split = split_samples(samples, name, **options)
    with progress(len(samples) + len(without), "checking files", "file") as bar:
        check_samples([*samples, *without], folder, bar.update, classes=classes)
    if split.dealt or not all_listed(without):
        overlaps = overlaps_between(samples, without)
        listed = listed_groups(samples) | {sample.group: sample.group for sample in without}
        split = split_samples(samples, name, groups=overlap_groups(listed, overlaps), **options)
        split = dataclasses.replace(split, overlaps=overlaps)
    return split


def overlaps_between(samples: list[Sample], negatives: list[Sample]) -> list[Overlap]:
    """The overlaps of all these images, behind a bar; negatives go by their own group, not by their name."""
    images = {sample.name: sample.image for sample in samples} | {sample.group: sample.image for sample in negatives}
    with progress(2 * len(images), "finding overlaps", "step") as bar:
        return find_overlaps(images, bar.update)


def labelled(split: Split, labels: str) -> Split:
    """`split` with `labels`, original or completed, behind a bar where overlaps have to be found."""
    if split.overlaps is not None:
        return with_labels(split, labels)
    with progress(2 * sum(map(len, split.subsets.values())), "finding overlaps", "step") as bar:
        return with_labels(split, labels, bar.update)
