"""A folder → its samples, checked and divided: the way that every command and experiment takes."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..console import bar
from ..settings import Settings
from .checks import check_samples
from .labels import with_labels
from .layouts import find_data, has_negatives
from .overlaps import find_overlaps, overlap_groups
from .splits import Split, all_listed, listed_groups, split_samples


@dataclass(frozen=True)
class Source:
    """Where a training's samples come from: a folder and how it is divided; kept so that a run can be resumed."""

    folder: str
    split: str
    fold: str | None = None
    labels: str = "original"

    def load(self, settings: Settings) -> Split:
        """The divided and labelled samples (`load_split`, `labelled`) for a training of these settings.

        Images without landslide come with them, where the folder has any: the decision threshold is chosen on some.
        """
        split = load_split(
            self.folder,
            self.split,
            fold=self.fold,
            seed=settings.seed,
            classes=settings.classes,
            negatives=settings.negatives != 0 or (settings.classes == 2 and has_negatives(self.folder)),
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

    Where the split is dealt (`auto`, folds), images that share ground are found first and stay on one side; those
    without landslide count, because two landslide images may share the ground of one. With `negatives` they are divided
    too, in the same way. Raises `LandslideError` for what
    `find_data`, `split_samples` and `check_samples` refuse.
    """
    samples, without = find_data(folder, negatives=negatives, classes=classes)
    options: dict[str, Any] = {"fold": fold, "seed": seed, "negatives": without}
    split = split_samples(samples, name, **options)
    if split.dealt and not negatives and classes == 2 and has_negatives(folder):
        # divided as by a training, which looks at them for its threshold
        whole = load_split(folder, name, fold=fold, seed=seed, negatives=True)
        return dataclasses.replace(whole, negatives={subset: [] for subset in whole.negatives})
    check_samples([*samples, *without], folder, bar("checking files", "file"), classes=classes)
    if split.dealt or not all_listed(without):
        images = {sample.key: sample.image for sample in (*samples, *without)}
        overlaps = find_overlaps(images, bar("finding overlaps"))
        listed = listed_groups(samples) | {sample.key: sample.group for sample in without}
        split = split_samples(samples, name, groups=overlap_groups(listed, overlaps), **options)
        split = dataclasses.replace(split, overlaps=overlaps)
    return split


def labelled(split: Split, labels: str) -> Split:
    """`split` with `labels`, original or completed, behind a bar where overlaps have to be found."""
    return with_labels(split, labels, bar("finding overlaps"))
