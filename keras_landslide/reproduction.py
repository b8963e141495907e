"""A row of Table 5 from data to a file in `results/`: what the scripts in `experiments/` share."""

import argparse
import dataclasses
import datetime
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

from .comparison import report_lines
from .data.folder import check_samples, find_samples
from .data.splits import Split, split_samples
from .errors import exit_code
from .evaluation import evaluate
from .io import progress, read_json, write_json
from .models import load_model, read_description
from .paper import Row
from .paper import row as row_named
from .runs import read_history
from .settings import preset
from .training import train

QUICK = {"image_size": 64, "frozen_epochs": 1, "unfrozen_epochs": 1, "frozen_batch_size": 4, "unfrozen_batch_size": 4}
QUICK_SAMPLES = 8


def main(row: str, description: str, arguments=None) -> None:
    """Train the row called `row`, score its test part once, write `results/<row>.json`, and end the program.

    A finished run folder is scored without training again. `--quick` shows on a few images that the way is open, and
    wants an `--out` and a `--results` of its own. Exit codes are those of the command line.
    """
    options = _options(row, description, arguments)
    sys.exit(exit_code(lambda: _reproduce(row_named(row), options)))


def _options(row: str, description: str, arguments) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/bijie", help="the Bijie folder; default: %(default)s")
    parser.add_argument("--split", default="paper510", help="default: %(default)s")
    parser.add_argument("--preset", default="cpu", help="default: %(default)s")
    parser.add_argument("--out", default=f"runs/{row}", help="the run folder; default: %(default)s")
    parser.add_argument("--results", default="results", help="folder of the results file; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="a few images, two epochs, 64 px")
    options = parser.parse_args(arguments)
    if options.quick and (options.out == f"runs/{row}" or options.results == "results"):
        parser.error("--quick wants its own --out and --results, so that it replaces no real result")
    return options


def _reproduce(row: Row, options: argparse.Namespace) -> None:
    overrides = {"architecture": row.architecture, "backbone": row.backbone, "seed": options.seed}
    settings = preset(options.preset, **overrides, **(QUICK if options.quick else {}))
    split = checked_split(options)
    run_folder = Path(options.out)
    if not (run_folder / "scores.json").exists():
        train(settings, split, run_folder, overwrite=True, report=print)
    content = result(run_folder, split)
    print("\n".join(report_lines(content, row)))
    path = Path(options.results) / f"{row.name}.json"
    write_json(path, content)
    print(f"Result: {path}")


def checked_split(options: argparse.Namespace, *, classes: int = 2) -> Split:
    """The samples of `options.data`, checked, divided by `options.split`; a few of each part if `options.quick`."""
    samples = find_samples(options.data)
    with progress(len(samples), "checking files", "file") as bar:
        check_samples(samples, options.data, bar.update, classes=classes)
    split = split_samples(samples, options.split, seed=options.seed)
    if not options.quick:
        return split
    return dataclasses.replace(split, subsets={name: part[:QUICK_SAMPLES] for name, part in split.subsets.items()})


def result(run_folder: Path, split: Split) -> dict:
    """What `results/<row>.json` holds: the test scores and all that is needed to judge and repeat them."""
    weights = run_folder / "best.weights.h5"
    description = read_description(weights)
    validation = read_json(run_folder / "scores.json")
    samples = split.subset("test")
    with progress(len(samples), "scoring the test part") as bar:
        scores = evaluate(
            load_model(weights),
            samples,
            image_size=description["prediction_size"],
            split=split.name,
            subset="test",
            on_done=bar.update,
        )
    history = read_history(run_folder)
    return {
        **scores.to_json(),
        "settings": description["settings"],
        "seed": description["settings"]["seed"],
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

    names = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 2**30),
        "gpus": [device.name for device in tf.config.list_physical_devices("GPU")],
        "system": platform.system(),
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
