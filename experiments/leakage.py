"""What it is worth to have trained on images that show the ground of the test images.

The same test images and as many training images, twice: with the training images that share ground with test images,
and with others in their place. One seed, one set of validation images, which share ground with nothing. Writes
results/leakage.json (cost and scores stand there) and the two runs in runs/leakage/.

    python experiments/leakage.py --data ../shared/bijie
    python experiments/leakage.py --quick --out runs/quick --results runs/quick
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np

from keras_landslide.data.dataset import load_split
from keras_landslide.data.splits import Split
from keras_landslide.errors import LandslideError, exit_code
from keras_landslide.results.paired import Pair
from keras_landslide.results.reproduce import paired_parser, paired_settings, parsed, trained_result, write_result
from keras_landslide.scores import landslide_iou

PAIR = Pair(("without_overlaps", "with_overlaps"), ("without", "with"))


def main(arguments=None) -> None:
    options = parsed(paired_parser("leakage", __doc__, split="random510", preset_name="table"), arguments)
    sys.exit(exit_code(lambda: run(options)))


def run(options) -> None:
    """Train twice, compare on the test images, write and print."""
    settings = paired_settings(options)
    split = load_split(options.data, options.split, seed=options.seed)
    leaking, clean = trainings(split, seed=options.seed)
    counts = {name: len(part) for name, part in clean.subsets.items()}
    replaced = len(set(leaking.subset("train")) - set(clean.subset("train")))
    print(f"Two trainings: {clean.counts}; {replaced} training images with ground of test images, or without.")
    with_overlaps = trained_result(settings, leaking, Path(options.out) / "with_overlaps")
    without_overlaps = trained_result(settings, clean, Path(options.out) / "without_overlaps")
    content = {
        "split": split.title,
        "images": {**counts, "overlapping_train": replaced},
        "landslide_iou": compared(leaking, with_overlaps["per_image"], without_overlaps["per_image"]),
        "with_overlaps": with_overlaps,
        "without_overlaps": without_overlaps,
    }
    shown = {f"test images, {part}": line for part, line in content["landslide_iou"].items()}
    print("\n".join(PAIR.table(shown)))
    write_result(options, "leakage", content)


def trainings(split: Split, *, seed: int) -> tuple[Split, Split]:
    """Two splits with the same validation and test part and equally many training images.

    The first trains on all that share ground with test images, and lacks as many others, drawn with `seed`; the
    second lacks those that do. Validation images that share ground with any other part are left out of both. Raises
    `LandslideError` where no training image shares ground with a test image.
    """
    train, val, test = (split.subset(name) for name in ("train", "val", "test"))
    tested = {sample.group for sample in test}
    overlapping = [sample for sample in train if sample.group in tested]
    others = [sample for sample in train if sample.group not in tested]
    if not overlapping or len(others) <= len(overlapping):
        raise LandslideError(
            f"Split {split.title} has {len(overlapping)} training images that share ground with test images and "
            f"{len(others)} others; it needs at least one, and more others: use --split random510 on the Bijie images."
        )
    left_out = np.random.default_rng(seed).choice(len(others), len(overlapping), replace=False)
    kept = {sample.name for place, sample in enumerate(others) if place not in set(left_out)}
    leaking = [sample for sample in train if sample.group in tested or sample.name in kept]
    elsewhere = tested | {sample.group for sample in train}
    val = [sample for sample in val if sample.group not in elsewhere]

    def divided(part) -> Split:
        subsets = {"train": part, "val": val, "test": test}
        return dataclasses.replace(
            split, subsets=subsets, expected={name: len(samples) for name, samples in subsets.items()}
        )

    return divided(leaking), divided(others)


def compared(leaking: Split, with_overlaps: dict, without_overlaps: dict) -> dict[str, dict]:
    """Both trainings by landslide IoU (`Pair.line`), for test images by whether training showed their ground.

    `with_overlaps` and `without_overlaps` are confusion matrices by image name.
    """
    trained = {sample.group for sample in leaking.subset("train")}
    tested = leaking.subset("test")
    groups = {sample.name: sample.group for sample in tested}
    parts = {
        "overlapping": [sample.name for sample in tested if sample.group in trained],
        "others": [sample.name for sample in tested if sample.group not in trained],
        "all": [sample.name for sample in tested],
    }
    return {
        part: PAIR.line(
            *({name: one[name] for name in names} for one in (without_overlaps, with_overlaps)), groups, landslide_iou
        )
        for part, names in parts.items()
        if names
    }


if __name__ == "__main__":
    main()
