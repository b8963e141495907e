"""Original or completed labels: what a mask leaves out, an overlapping image may show.

A mask of Bijie marks the one landslide that its image was cut for. Others in view are labelled background there, and
marked only in the masks of the images that were cut for them, many of which share the ground.
"""

from collections.abc import Sequence
from dataclasses import replace

from ..console import Track, untracked
from ..errors import unknown_name
from ..settings import IGNORE_LABEL, LABELS
from .overlaps import Overlap, find_overlaps
from .sample import Neighbour, Sample
from .splits import Split


def with_labels(split: Split, labels: str, track: Track = untracked) -> Split:
    """`split` as it is for `original`, its samples completed for `completed`; raises `LandslideError` for others.

    Each subset is completed from its own samples alone, so that no side of the split learns what another shows.
    Where the split does not have its overlaps they are looked for; `track` may show how far that is (`console.bar`).
    """
    if labels not in LABELS:
        raise unknown_name("labels", labels, LABELS)
    if labels == "original":
        return split
    subsets = {name: completed(samples, _overlaps(split, name, track)) for name, samples in split.subsets.items()}
    return replace(split, subsets=subsets, labels=labels)


def without_doubtful(split: Split, track: Track = untracked) -> Split:
    """`split` with what only a neighbour's mask marks ignored in training: neither landslide nor background.

    Validation and test keep the labels that they have.
    """
    samples = completed(split.subsets["train"], _overlaps(split, "train", track))
    doubtful = [replace(sample, neighbours_are=IGNORE_LABEL) for sample in samples]
    return replace(split, subsets={**split.subsets, "train": doubtful})


def _overlaps(split: Split, subset: str, track: Track) -> Sequence[Overlap]:
    if split.overlaps is not None:
        return split.overlaps
    return find_overlaps({sample.name: sample.image for sample in split.subsets[subset]}, track)


def completed(samples: Sequence[Sample], overlaps: Sequence[Overlap]) -> list[Sample]:
    """`samples`, each with those of them as neighbours that an overlap links it to; nothing is read or written."""
    masks = {sample.name: sample.mask for sample in samples if sample.mask}
    neighbours: dict[str, list[Neighbour]] = {sample.name: [] for sample in samples}
    for pair in overlaps:
        if not {pair.a, pair.b} <= masks.keys():
            continue
        neighbours[pair.a].append(Neighbour(masks[pair.b], pair.dy, pair.dx))
        neighbours[pair.b].append(Neighbour(masks[pair.a], -pair.dy, -pair.dx))
    return [replace(sample, neighbours=tuple(neighbours[sample.name])) for sample in samples]
