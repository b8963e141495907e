"""Which samples train, validate and test: the named splits of Bijie, a folder's own lists, or dealt from a seed."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources

import numpy as np

from ..errors import LandslideError, unknown_name
from .folder import Sample

SUBSETS = ("train", "val", "test")
BIJIE_SPLITS = ("paper510", "random510", "bijie770", "county_split")
SPLITS = ("auto", "voc", *BIJIE_SPLITS)
# The paper's proportions: 10 % test, and of the other 90 % a tenth for validation.
AUTO_SHARES = {"train": 0.81, "val": 0.09, "test": 0.10}


@dataclass(frozen=True)
class Split:
    """The samples of each subset under one split; `expected` counts the whole data set's, which may be partly here."""

    name: str
    subsets: dict[str, list[Sample]]
    expected: dict[str, int]

    def subset(self, name: str) -> list[Sample]:
        """The samples of `train`, `val` or `test`; raises `LandslideError` if there are none."""
        if name not in SUBSETS:
            raise unknown_name("subset", name, SUBSETS)
        if not self.subsets[name]:
            raise LandslideError(
                f"The {name} part of split {self.name} has no image here ({self.expected[name]} in the whole data "
                "set); choose another --subset or --split, or add images."
            )
        return self.subsets[name]

    @property
    def counts(self) -> str:
        """Counts for a line on the screen, such as `413 train, 46 val, 51 test`."""
        parts = []
        for name in SUBSETS:
            here, whole = len(self.subsets[name]), self.expected[name]
            parts.append(f"{here} {name}" if here == whole else f"{here} of {whole} {name}")
        return ", ".join(parts)


def split_samples(samples: Sequence[Sample], name: str, *, seed: int = 0) -> Split:
    """Divide `samples` by the split called `name`: `auto`, `voc`, or one of Bijie's.

    `voc` is what the lists of a folder in VOC's form say (`ImageSets/Segmentation/`); `auto` is that where there are
    lists, and else deals from `seed`. Raises `LandslideError` for an unknown name and where none of the split's images
    is here.
    """
    if name not in SPLITS:
        raise unknown_name("split", name, SPLITS)
    listed = any(sample.listed for sample in samples)
    if name == "voc" and not listed:
        raise LandslideError(
            "Split voc is for folders in VOC's form with lists in ImageSets/Segmentation, which are not here; use "
            "--split auto, or write train.txt and val.txt."
        )
    if name in ("auto", "voc"):
        return _listed(samples) if listed else _dealt(samples, seed)
    return _bijie(samples, name)


def _listed(samples: Sequence[Sample]) -> Split:
    subsets = {subset: [sample for sample in samples if sample.listed == subset] for subset in SUBSETS}
    return Split("voc", subsets, {name: len(part) for name, part in subsets.items()})


def _dealt(samples: Sequence[Sample], seed: int) -> Split:
    """Deal whole groups in seeded order until validation and test have their shares; train takes the rest."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.group, []).append(sample)
    order = list(groups.values())
    np.random.default_rng(seed).shuffle(order)
    subsets: dict[str, list[Sample]] = {subset: [] for subset in SUBSETS}
    for name in ("test", "val"):
        wanted = max(1, round(AUTO_SHARES[name] * len(samples)))
        while order and len(subsets[name]) < wanted:
            subsets[name] += order.pop()
    subsets["train"] = [sample for group in order for sample in group]
    subsets = {name: sorted(part, key=lambda sample: sample.name) for name, part in subsets.items()}
    return Split("auto", subsets, {name: len(part) for name, part in subsets.items()})


def _bijie(samples: Sequence[Sample], name: str) -> Split:
    subsets: dict[str, list[Sample]] = {subset: [] for subset in SUBSETS}
    expected = dict.fromkeys(SUBSETS, 0)
    by_name = {sample.name: sample for sample in samples}
    for row in bijie_table():
        role = row[name]
        if role:
            expected[role] += 1
            if row["name"] in by_name:
                subsets[role].append(replace(by_name[row["name"]], group=row["group"]))
    if not any(subsets.values()):
        raise LandslideError(
            f"None of the {sum(expected.values())} images of split {name} is here; it is for the Bijie data set, "
            "use --split auto for other images."
        )
    return Split(name, subsets, expected)


def bijie_table() -> list[dict[str, str]]:
    """Name, overlap group and role in each named split of all 770 landslide images of Bijie; no role: left out."""
    with (resources.files(__package__) / "bijie_splits.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
