"""From data to a file in `results/`: what the scripts in `experiments/` share, and a row of Table 5."""

import argparse
import dataclasses
import datetime
import os
import platform
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from ..console import bar, load_tensorflow
from ..data.dataset import load_split
from ..data.sample import Sample
from ..data.splits import Split
from ..errors import LandslideError, exit_code
from ..evaluation import evaluate_labellings
from ..files.atomic import read_json, write_json
from ..paper import Row
from ..paper import row as row_named
from ..prediction.predictor import Predictor
from ..settings import Settings, preset
from .report import report_lines

if TYPE_CHECKING:
    from ..training.runs import Run

# The same few images as they are, often enough that the loss falls.
QUICK = {
    "image_size": 64,
    "frozen_epochs": 1,
    "unfrozen_epochs": 6,
    "frozen_batch_size": 4,
    "unfrozen_batch_size": 4,
    "augmentation": "none",
}
# Two trainings with the backbone frozen: compiling the gradient of all of it would take longer than everything else.
QUICK_PAIR = {**QUICK, "frozen_epochs": 4, "unfrozen_epochs": 0, "samples_per_epoch": 16}
QUICK_SAMPLES = 8


def main(row: str, description: str, arguments=None) -> None:
    """Train the row called `row`, score its test part once, write `results/<row>.json`, and end the program.

    A run that was stopped goes on; a
    finished one is scored without training again. `--quick` shows on a few images that the way is open, and
    wants an `--out` and a `--results` of its own. Exit codes are those of the command line.
    """
    options = parsed(options_parser(row, description), arguments)
    sys.exit(exit_code(lambda: _reproduce(row_named(row), options)))


def options_parser(name: str, description: str, *, split: str = "paper510") -> argparse.ArgumentParser:
    """The options of every experiment; its run folder is `runs/<name>`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/bijie", help="the Bijie folder; default: %(default)s")
    parser.add_argument("--split", default=split, help="default: %(default)s")
    parser.add_argument("--preset", default="cpu", help="default: %(default)s")
    parser.add_argument("--out", default=f"runs/{name}", help="the run folder; default: %(default)s")
    parser.add_argument("--results", default="results", help="folder of the results file; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="a few images, a few epochs, 64 px")
    return parser


def parsed(parser: argparse.ArgumentParser, arguments=None) -> argparse.Namespace:
    """The options given; ends the program where `--quick` would write to the folders of real results."""
    options = parser.parse_args(arguments)
    if options.quick and any(getattr(options, name) == parser.get_default(name) for name in ("out", "results")):
        parser.error("--quick wants its own --out and --results, so that it replaces no real result")
    return options


def paired_parser(
    name: str, description: str, *, split: str = "paper510", epochs: int | None = 10, image_size: int | None = 192
) -> argparse.ArgumentParser:
    """`options_parser` for two trainings that are compared; `None` for the epochs and image size of the preset."""
    parser = options_parser(name, description, split=split)
    text = "the first tenth frozen; default: " + ("%(default)s" if epochs else "the preset's")
    parser.add_argument("--epochs", type=int, default=epochs, help=text)
    text = "default: " + ("%(default)s" if image_size else "the preset's")
    parser.add_argument("--image-size", type=int, default=image_size, help=text)
    return parser


def paired_settings(options: argparse.Namespace) -> Settings:
    """The settings of both trainings, from the options of `paired_parser`."""
    chosen = {} if options.image_size is None else {"image_size": options.image_size}
    if options.epochs is not None:
        if options.epochs < 2:
            raise LandslideError(f"--epochs {options.epochs} is not possible; give 2 or more.")
        frozen = max(1, options.epochs // 10)
        chosen |= {"frozen_epochs": frozen, "unfrozen_epochs": options.epochs - frozen}
    if options.quick:
        chosen |= QUICK_PAIR
    return preset(options.preset, seed=options.seed, **chosen)


def _reproduce(row: Row, options: argparse.Namespace) -> None:
    overrides = {"architecture": row.architecture, "backbone": row.backbone, "seed": options.seed}
    settings = preset(options.preset, **overrides, **(QUICK if options.quick else {}))
    split = load_split(options.data, options.split, seed=options.seed)
    content = trained_result(settings, few(split) if options.quick else split, Path(options.out))
    print("\n".join(report_lines(content, row)))
    write_result(options, row.name, content)


def write_result(options: argparse.Namespace, name: str, content: dict) -> None:
    """Write `<name>.json` to the folder of results, and say where."""
    path = Path(options.results) / f"{name}.json"
    write_json(path, content)
    print(f"Result: {path}")


def few(split: Split, order: Callable[[Sample], object] = lambda sample: sample.name) -> Split:
    """The first samples of each subset in this order, for `--quick`."""
    subsets = {name: sorted(part, key=order)[:QUICK_SAMPLES] for name, part in split.subsets.items()}
    return dataclasses.replace(split, subsets=subsets)


def trained_result(settings: Settings, split: Split, run_folder: Path, scored_on: Sequence[Split] = ()) -> dict:
    """Train, or go on with what `run_folder` holds of the run of these settings, and score the test part once.

    `scored_on` has the same test images, labelled as they are to be scored; `split` itself by default (see `result`).
    Raises `LandslideError` where the folder holds the run of other settings, labels or training images.
    """
    trained(settings, split, run_folder)
    return result(run_folder, *(scored_on or (split,)))


def trained(settings: Settings, split: Split, run_folder: Path | str, *, overwrite: bool = False) -> "Run":
    """The run of these settings in `run_folder`, trained from where it is; with `overwrite` from its start.

    TensorFlow is loaded only now, so that `--help` and mistakes in the command take no time.
    """
    load_tensorflow()
    from ..training.fit import train
    from ..training.plan import planned

    return train(planned(settings, split, run_folder, overwrite=overwrite, resume=not overwrite), report=print)


def result(run_folder: Path, split: Split, *other_labels: Split) -> dict:
    """What `results/<row>.json` holds: the test scores and all that is needed to judge and repeat them.

    The scores on `other_labels`, splits with the same test images, stand under the name of their labels.
    """
    load_tensorflow()
    from ..models.loading import rebuilt
    from ..models.saving import read_weights
    from ..training.runs import read_history

    weights = read_weights(run_folder / "best.weights.h5")
    settings = weights.description.settings
    predictor = Predictor.of(rebuilt(weights))
    validation = read_json(run_folder / "scores.json")
    scores, *others = evaluate_labellings(
        predictor,
        {labelled.labels: labelled.subset("test") for labelled in (split, *other_labels)},
        split=split.title,
        subset="test",
        track=bar("scoring the test part"),
    )
    history = read_history(run_folder)
    return {
        **scores.to_json(),
        **{other.labels: other.to_json() for other in others},
        "weights": weights.stamp(),
        **predictor.to_json(),
        "settings": settings,
        "seed": settings["seed"],
        "machine": machine(),
        "versions": {
            name: metadata.version(name) for name in ("tensorflow", "keras", "numpy", "opencv-python-headless")
        },
        "date": datetime.date.today().isoformat(),
        "minutes": round(sum(line["seconds"] for line in history) / 60, 1),
        "validation": {key: validation[key] for key in ("images", "miou", "landslide", "background", "confusion")},
        "history": history,
    }


def machine() -> dict:
    """What this runs on: processor, cores, memory in GB, accelerators."""
    import tensorflow as tf

    from ..training.compute import processor

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return {
        "processor": processor().get("model name") or platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 2**30),
        "gpus": [device.name for device in tf.config.list_physical_devices("GPU")],
        "system": platform.system(),
    }
