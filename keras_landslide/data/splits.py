"""Which samples train, validate and test: Bijie's splits, a folder's own lists, dealt from a seed, or folds."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources

import numpy as np

from ..errors import LandslideError, unknown_name
from ..settings import ALL, SPLITS, SUBSETS
from .overlaps import Overlap
from .sample import Sample, check_subset

# The paper's proportions: 10 % test, and of the other 90 % a tenth for validation.
AUTO_SHARES = {"train": 0.81, "val": 0.09, "test": 0.10}
LEAST_FOLDS = 3  # one part tests, one validates, one trains
# Those of the negatives of Bijie that have a role: 200, 30 and 70 of 300.
NEGATIVE_SHARES = {"train": 20 / 30, "val": 3 / 30, "test": 7 / 30}


@dataclass(frozen=True)
class Split:
    """The samples of each subset under one split; `expected` counts the whole data set's, which may be partly here.

    `negatives` are images without landslide, divided in the same way and kept apart: they are trained on and reported
    only where that is asked for. `fold` is `i/k` where these are the samples of split `name`, dealt anew into k parts.
    `labels` says what the samples are labelled with: original or completed masks (see `labels.py`). `overlaps` are
    those of all samples where they had to be looked for to divide them, `None` where they did not.
    """

    name: str
    subsets: dict[str, list[Sample]]
    expected: dict[str, int]
    negatives: dict[str, list[Sample]] = field(default_factory=lambda: {name: [] for name in SUBSETS})
    fold: str | None = None
    labels: str = "original"
    overlaps: Sequence[Overlap] | None = field(default=None, compare=False)
    class_names: tuple[str, ...] = ()  # where more is known of the classes than their number

    @property
    def dealt(self) -> bool:
        """Whether chance, and not a list, divided the samples."""
        return self.name == "auto" or self.fold is not None

    @property
    def title(self) -> str:
        """The name for reports, with the fold where there is one."""
        return f"{self.name}, fold {self.fold}" if self.fold else self.name

    def subset(self, name: str) -> list[Sample]:
        """The samples of `train`, `val` or `test`; raises `LandslideError` if there are none."""
        check_subset(name)
        if not self.subsets[name] and self.dealt:
            raise LandslideError(
                f"The {name} part of split {self.title} has no image: too few images here share no ground; add images."
            )
        if not self.subsets[name]:
            raise LandslideError(
                f"The {name} part of split {self.title} has no image here ({self.expected[name]} in the whole data "
                "set); choose another --subset or --split, or add images."
            )
        return self.subsets[name]

    def negative_subset(self, name: str, number: int | str = ALL, *, seed: int = 0) -> list[Sample]:
        """The negatives of `train`, `val` or `test`: `"all"`, or the first `number` in an order that `seed` gives.

        Raises `LandslideError` if there are none, or fewer than `number`. With the same seed, a smaller number gives
        a part of what a larger one gives.
        """
        check_subset(name)
        here = self.negatives[name]
        if not here:
            raise LandslideError(
                f"No image without landslide is in the {name} part; add images to non-landslide/image."
            )
        wanted = len(here) if number == ALL else int(number)
        if wanted > len(here):
            raise LandslideError(
                f"--negatives {number} is not possible: {len(here)} images without landslide are in the {name} part; "
                "give a smaller number or add images to non-landslide/image."
            )
        order = np.random.default_rng(seed).permutation(len(here))[:wanted]
        return [here[place] for place in sorted(order)]

    @property
    def counts(self) -> str:
        """Counts for a line on the screen, such as `413 train, 46 val, 51 test`."""
        parts = []
        for name in SUBSETS:
            here, whole = len(self.subsets[name]), self.expected[name]
            parts.append(f"{here} {name}" if here == whole else f"{here} of {whole} {name}")
        return ", ".join(parts)


def split_samples(
    samples: Sequence[Sample],
    name: str,
    *,
    fold: str | None = None,
    seed: int = 0,
    negatives: Sequence[Sample] = (),
    groups: Mapping[str, str] | None = None,
) -> Split:
    """Divide `samples` by the split called `name`: `auto`, `voc`, or one of Bijie's.

    `voc` is what the lists of a folder in VOC's form say (`ImageSets/Segmentation/`); `auto` is that where there are
    lists, and else deals from `seed`.

    With `fold` `i/k`, all samples that the split has a role for are dealt anew into k parts, of which part i tests,
    part i + 1 (after the last, the first) validates and the others train. Over all i each sample is tested once; the
    parts depend on the seed and on which samples are here.

    Samples of one group stay together in `auto` and in folds. `groups` says the group of a sample's name; where it
    does not, the package's table of Bijie does, else the sample itself.

    `negatives` have the role that the package's table gives them, the same in every split. Of those that it does not
    know, one that shares ground with samples stands on their side, and the others are dealt in the same shares;
    `groups` knows them by their key.

    Raises `LandslideError` for an unknown name or fold, and where none of the split's images is here.
    """
    if name not in SPLITS:
        raise unknown_name("split", name, SPLITS)
    part, parts = _parsed(fold) if fold else (0, 0)
    samples = _grouped(samples, groups or {})
    if name == "auto" and any(sample.listed for sample in samples):
        name = "voc"
    split = _auto(samples, seed) if name == "auto" else _listed(samples) if name == "voc" else _bijie(samples, name)
    if fold:
        split = _folded(split, part, parts, seed)
    return replace(split, negatives=_divided_negatives(negatives, split, groups or {}, seed))


def _listed(samples: Sequence[Sample]) -> Split:
    """What the folder's own lists say."""
    subsets = {subset: [sample for sample in samples if sample.listed == subset] for subset in SUBSETS}
    if not any(subsets.values()):
        raise LandslideError(
            "Split voc is for folders in VOC's form with lists in ImageSets/Segmentation, which are not here; use "
            "--split auto, or write train.txt and val.txt."
        )
    return Split("voc", subsets, {name: len(part) for name, part in subsets.items()})


def _grouped(samples: Sequence[Sample], groups: Mapping[str, str]) -> list[Sample]:
    known = listed_groups(samples) | dict(groups)
    return [replace(sample, group=known[sample.name]) for sample in samples]


def listed_groups(samples: Sequence[Sample]) -> dict[str, str]:
    """Name to group, before anyone looks at the pixels: the package's table of Bijie, else the sample's own."""
    known = {row["name"]: row["group"] for row in bijie_table()}
    return {sample.name: known.get(sample.name, sample.group) for sample in samples}


def _auto(samples: Sequence[Sample], seed: int) -> Split:
    subsets = _dealt(samples, AUTO_SHARES, seed)
    return Split("auto", subsets, {name: len(part) for name, part in subsets.items()})


def _parsed(fold: str) -> tuple[int, int]:
    part, _, parts = fold.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts) >= LEAST_FOLDS):
        raise LandslideError(
            f"--fold {fold} is not possible; give i/k such as 1/5: k parts, {LEAST_FOLDS} or more, and i from 1 to k."
        )
    return int(part), int(parts)


def _folded(split: Split, part: int, parts: int, seed: int) -> Split:
    samples = sorted((sample for inside in split.subsets.values() for sample in inside), key=lambda one: one.name)
    groups = _shuffled_groups(samples, seed)
    if len(groups) < parts:
        raise LandslideError(
            f"--fold {part}/{parts} is not possible: the samples here make {len(groups)} groups that share ground; "
            "give fewer parts or add images."
        )
    dealt: list[list[Sample]] = [[] for _ in range(parts)]
    for group in sorted(groups, key=len, reverse=True):  # the large ones first: parts as equal as they allow
        min(dealt, key=len).extend(group)
    test, val, *train = dealt[part - 1 :] + dealt[: part - 1]
    subsets = {"train": [sample for inside in train for sample in inside], "val": val, "test": test}
    subsets = {name: sorted(inside, key=lambda one: one.name) for name, inside in subsets.items()}
    expected = {name: len(inside) for name, inside in subsets.items()}
    return replace(split, subsets=subsets, expected=expected, fold=f"{part}/{parts}")


def _shuffled_groups(samples: Sequence[Sample], seed: int) -> list[list[Sample]]:
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.group, []).append(sample)
    order = list(groups.values())
    np.random.default_rng(seed).shuffle(order)
    return order


def _divided_negatives(
    negatives: Sequence[Sample], split: Split, groups: Mapping[str, str], seed: int
) -> dict[str, list[Sample]]:
    negatives = [replace(sample, group=groups.get(sample.key, sample.group)) for sample in negatives]
    sides = {sample.group: name for name, part in split.subsets.items() for sample in part}
    listed = _negative_roles()
    roles = {sample.name: listed.get(sample.name, sides.get(sample.group)) for sample in negatives}
    dealt = _dealt([sample for sample in negatives if roles[sample.name] is None], NEGATIVE_SHARES, seed)
    return {name: [sample for sample in negatives if roles[sample.name] == name] + dealt[name] for name in SUBSETS}


def all_listed(negatives: Sequence[Sample]) -> bool:
    """Whether the package's table knows the role of all `negatives`, so that none is dealt."""
    return _negative_roles().keys() >= {sample.name for sample in negatives}


def _negative_roles() -> dict[str, str]:
    return {row["name"]: row["role"] for row in _table("bijie_negatives.csv")}


def _dealt(samples: Sequence[Sample], shares: dict[str, float], seed: int) -> dict[str, list[Sample]]:
    """Deal whole groups in seeded order until validation and test have their shares; train takes the rest."""
    order = _shuffled_groups(samples, seed)
    subsets: dict[str, list[Sample]] = {subset: [] for subset in SUBSETS}
    for name in ("test", "val"):
        wanted = max(1, round(shares[name] * len(samples)))
        while order and len(subsets[name]) < wanted:
            subsets[name] += order.pop()
    subsets["train"] = [sample for group in order for sample in group]
    return {name: sorted(part, key=lambda sample: sample.name) for name, part in subsets.items()}


def _bijie(samples: Sequence[Sample], name: str) -> Split:
    subsets: dict[str, list[Sample]] = {subset: [] for subset in SUBSETS}
    expected = dict.fromkeys(SUBSETS, 0)
    by_name = {sample.name: sample for sample in samples}
    for row in bijie_table():
        role = row[name]
        if role:
            expected[role] += 1
            if row["name"] in by_name:
                subsets[role].append(by_name[row["name"]])
    if not any(subsets.values()):
        raise LandslideError(
            f"None of the {sum(expected.values())} images of split {name} is here; it is for the Bijie data set, "
            "use --split auto for other images."
        )
    return Split(name, subsets, expected)


def bijie_table() -> list[dict[str, str]]:
    """Name, overlap group and role in each named split of all 770 landslide images of Bijie; no role: left out."""
    return _table("bijie_splits.csv")


def _table(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((resources.files(__package__) / name).read_text(encoding="utf-8").splitlines()))
