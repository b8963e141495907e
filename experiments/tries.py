"""What a good practitioner would try first, each against the preset as it is, on validation alone.

Every try is the `table` preset on PSPNet (MobileNetV2) with one thing changed (`TRIES`). It is trained on the same
images with the same seeds and scored on the validation part, at native size, by the more probable class. To average
mirror images nothing is trained: the preset's own run is scored so. The test part is not touched. Writes
results/tries.json (cost and scores stand there) and the runs in runs/tries/. What stands in that file is not trained
again, so that tries are added one by one.

    python experiments/tries.py --data ../shared/bijie --try shorter longer
    python experiments/tries.py --quick --try averaged --out runs/quick --results runs/quick
"""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from keras_landslide.console import bar
from keras_landslide.data.labels import without_doubtful
from keras_landslide.data.splits import Split
from keras_landslide.errors import LandslideError, exit_code, unknown_name
from keras_landslide.files.atomic import read_json
from keras_landslide.results.paired import Pair
from keras_landslide.results.reproduce import (
    QUICK,
    came_about,
    options_parser,
    other_settings,
    parsed,
    scored,
    split_of,
    trained,
    write_result,
)
from keras_landslide.scores import landslide_iou
from keras_landslide.settings import ALL, Settings, preset

if TYPE_CHECKING:
    from keras_landslide.training.runs import Run

REFERENCE = "preset"
DOUBTFUL = "doubtful_ignored"  # what only a neighbour's mask marks is neither landslide nor background
FLIPS = "flips"  # every image is scored in four mirror images, averaged
ALONE = "alone"  # the counts of the same run without mirror images
# Of scores; mirror images choose no threshold, and their time is not that of a training.
KEPT = ("images", "miou", "landslide", "groups", "per_image", "decision_threshold", ALONE, "minutes")
PAIR = Pair((REFERENCE, "try"), (REFERENCE, "try"))
TRIES: dict[str, dict] = {
    REFERENCE: {},
    "shorter": {"unfrozen_epochs": 12},
    "longer": {"unfrozen_epochs": 27},
    "slow": {"unfrozen_learning_rate": 3e-4},
    "larger": {"image_size": 256},
    "averaged": {"weight_averaging": 0.995},
    "strong": {"augmentation": "strong"},
    "negatives": {"negatives": ALL},
    DOUBTFUL: {},
    FLIPS: {},
    "native": {"sampling": "native", "zoom": 1.0},
    "native_1.5": {"sampling": "native", "zoom": 1.5},
    "native_2": {"sampling": "native", "zoom": 2.0},
}


def main(arguments=None) -> None:
    parser = options_parser("tries", __doc__, preset_name="table")
    parser.add_argument("--try", dest="names", nargs="+", default=list(TRIES), help="default: all of them")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="default: 0")
    options = parsed(parser, arguments)
    sys.exit(exit_code(lambda: run(options)))


def run(options: argparse.Namespace) -> None:
    """Train what is asked for and not there yet, write after each, and print all."""
    for name in options.names:
        if name not in TRIES:
            raise unknown_name("--try", name, TRIES)
    if options.seed:
        raise LandslideError("--seed is not for tries, which compare several; give --seeds.")
    path = Path(options.results) / "tries.json"
    found = read_json(path)["tries"] if path.exists() else {}
    check_same_preset(found, options, path)
    split = split_of(options, negatives=True)
    images = {sample.name for sample in split.subset("val")}
    if any(held["per_image"].keys() != images for seeds in found.values() for held in seeds.values()):
        raise LandslideError(f"{path}: was scored on other images than those of {split.title}; give other --results.")
    for name in dict.fromkeys([REFERENCE, *options.names]):
        for seed in map(str, options.seeds):
            if seed not in found.setdefault(name, {}):
                found[name][seed] = validated(name, int(seed), split, options)
                write_result(options, "tries", {"compared": compared(found), "tries": found})
    print("\n".join(PAIR.table(compared(found), "landslide IoU, validation")))


def settings_of(name: str, seed: int, options: argparse.Namespace) -> Settings:
    return preset(options.preset, seed=seed, **{**TRIES[name], **(QUICK if options.quick else {})})


def check_same_preset(found: dict[str, dict], options: argparse.Namespace, path: Path) -> None:
    """Raise `LandslideError` where a try that is there was made at other settings: it is not compared with these."""
    for name, seeds in found.items():
        for seed, held in seeds.items():
            differing = other_settings(settings_of(name, int(seed), options), held["settings"])
            if differing:
                raise LandslideError(
                    f"{path}: {name}, seed {seed}, was made with other {', '.join(differing)}; give other --results."
                )


def validated(name: str, seed: int, split: Split, options: argparse.Namespace) -> dict:
    """One training's validation scores, with all that is needed to judge and repeat it."""
    settings = settings_of(name, seed, options)
    shown = without_doubtful(split, bar("finding overlaps")) if name == DOUBTFUL else split
    run = trained(settings, shown, Path(options.out) / f"{REFERENCE if name == FLIPS else name}_{seed}")
    scores = scored_in_mirror_images(run, split) if name == FLIPS else read_json(run.scores)
    return {
        **came_about(run.folder, run.history),
        **{key: scores[key] for key in KEPT if key in scores},
        "settings": run.description.settings,
    }


def scored_in_mirror_images(run: "Run", split: Split) -> dict:
    """The run's validation scores with mirror images, their time, and its counts without them.

    They are compared with these, because the run need not be the one that stands there as the preset's.
    """
    started = time.monotonic()
    averaged = scored(run.best_weights, split, "val", average_flips=True)
    minutes = round((time.monotonic() - started) / 60, 1)
    return {**averaged, ALONE: read_json(run.scores)["per_image"], "minutes": minutes}


def compared(found: dict[str, dict]) -> dict[str, dict]:
    """Each try against the reference of the same seed by landslide IoU (`Pair.line`), name and seed to line."""
    lines = {}
    for name, seeds in found.items():
        for seed in seeds.keys() & found[REFERENCE].keys() if name != REFERENCE else ():
            one, other = found[REFERENCE][seed], seeds[seed]
            counts = other.get(ALONE, one["per_image"])
            line = PAIR.line(counts, other["per_image"], one["groups"], landslide_iou)
            lines[f"{name}, seed {seed}"] = line
    return dict(sorted(lines.items()))


if __name__ == "__main__":
    main()
