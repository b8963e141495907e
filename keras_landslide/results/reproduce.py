"""From data to a file in `results/`: what the scripts in `experiments/` share, and a row of Table 5."""

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..console import bar, load_tensorflow
from ..data.classes import MOST_PROBABLE
from ..data.dataset import labelled, load_split
from ..data.sample import Sample
from ..data.splits import Split
from ..errors import LandslideError, exit_code
from ..evaluation import FalseAlarms, Keep, evaluate, evaluate_thresholds, false_alarms_at
from ..files.atomic import folder_written_beside, read_json, write_json
from ..paper import Row
from ..paper import row as row_named
from ..prediction.predictor import Predictor
from ..settings import COMPUTING, MAX_SEED, PRECISIONS, Settings, preset
from .report import report_lines
from .result import map_folder, result_name, write_probability

if TYPE_CHECKING:
    from ..training.runs import Run

# The same few images as they are, often enough that the loss falls, and in few epochs: each writes all weights.
QUICK = {
    "image_size": 64,
    "samples_per_epoch": 16,
    "frozen_epochs": 1,
    "unfrozen_epochs": 3,
    "frozen_batch_size": 4,
    "unfrozen_batch_size": 4,
    "augmentation": "none",
}
# Two trainings with the backbone frozen: compiling the gradient of all of it would take longer than everything else.
QUICK_PAIR = {**QUICK, "frozen_epochs": 4, "unfrozen_epochs": 0}
QUICK_SAMPLES = 8
# What a result repeats of a run's scores.json; a file that does not know one of them lacks it.
VALIDATION = ("images", "miou", "landslide", "background", "confusion", "decision_threshold")


def main(row: str, description: str, arguments=None) -> None:
    """Train the row called `row`, score its test part once, write `results/<row>.json`, and end the program.

    Further seeds are written to `<row>_seed<k>.json`; the probability maps of the test part stand beside them (see
    `result.map_folder`). A run that was stopped goes on; a finished one is scored without training again. `--quick`
    shows on a few images that the way is open, and wants an `--out` and a `--results` of its own. Exit codes are those
    of the command line.
    """
    parser = options_parser(row, description, preset_name="table")
    parser.add_argument("--precision", choices=PRECISIONS, help="default: the preset's")
    options = parsed(parser, arguments)
    changes = {"precision": options.precision} if options.precision else {}
    sys.exit(exit_code(lambda: reproduced(row_named(row), row, options, **changes)))


def options_parser(
    name: str, description: str, *, split: str = "paper510", preset_name: str = "cpu"
) -> argparse.ArgumentParser:
    """The options of every experiment; its run folder is `runs/<name>`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/bijie", help="the Bijie folder; default: %(default)s")
    parser.add_argument("--split", default=split, help="default: %(default)s")
    parser.add_argument("--preset", default=preset_name, help="default: %(default)s")
    text = "the run folder; default: %(default)s, and %(default)s_seedK for a seed other than 0"
    parser.add_argument("--out", default=f"runs/{name}", help=text)
    parser.add_argument("--results", default="results", help="folder of the results file; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="0 or more; default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="a few images, a few epochs, 64 px")
    return parser


def parsed(parser: argparse.ArgumentParser, arguments=None) -> argparse.Namespace:
    """The options given; ends the program where `--quick` would write to the folders of real results."""
    options = parser.parse_args(arguments)
    if options.quick and any(getattr(options, name) == parser.get_default(name) for name in ("out", "results")):
        parser.error("--quick wants its own --out and --results, so that it replaces no real result")
    if not 0 <= options.seed <= MAX_SEED:
        parser.error(f"--seed {options.seed} is not possible; give 0 to {MAX_SEED}")
    if options.out == parser.get_default("out"):
        options.out = result_name(options.out, options.seed)
    return options


def paired_parser(
    name: str, description: str, *, epochs: int | None = None, image_size: int | None = None, **more
) -> argparse.ArgumentParser:
    """`options_parser` (`more`) for two trainings that are compared; `None` for epochs and image size of the preset."""
    parser = options_parser(name, description, **more)
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


def reproduced(row: Row, name: str, options: argparse.Namespace, *, average_flips: bool = False, **changes) -> None:
    """Train `row` at the preset with `changes` of its settings, score its test part once, write `<name>.json` and maps.

    With `average_flips` the probabilities of an image and its mirror images are averaged in that score.
    """
    chosen = {"architecture": row.architecture, "backbone": row.backbone, "seed": options.seed, **changes}
    settings = preset(options.preset, **{**chosen, **(QUICK if options.quick else {})})
    split = split_of(options, negatives=True)
    tested = dataclasses.replace(split, subsets={"test": split.subset("test")})
    completed = labelled(tested, "completed")
    trained(settings, split, Path(options.out))
    maps = map_folder(options.results, name, options.seed)
    content = result(Path(options.out), tested, completed, maps=maps, average_flips=average_flips)
    print("\n".join(report_lines(content, row)))
    write_result(options, name, content)


def other_settings(settings: Settings, held: dict, *free: str) -> list[str]:
    """The settings that a stored training, `held`, had otherwise than `settings`, but for those that are `free`.

    How a machine gets through the same work is no difference, nor is the precision, for which `auto` is resolved.
    """
    wanted = settings.to_json()
    known = wanted.keys() & held.keys() - {"precision", *COMPUTING, *free}
    return sorted(name for name in known if wanted[name] != held[name])


def write_result(options: argparse.Namespace, name: str, content: dict) -> None:
    """Write `<name>.json`, or `<name>_seed<k>.json` of a seed other than 0, to the folder of results, and say where."""
    path = Path(options.results) / f"{result_name(name, options.seed)}.json"
    write_json(path, content)
    print(f"Result: {path}")


def split_of(options: argparse.Namespace, *, negatives: bool = False) -> Split:
    """The split that the options of an experiment name, `few` of it with `--quick`."""
    split = load_split(options.data, options.split, seed=options.seed, negatives=negatives)
    return few(split) if options.quick else split


def few(split: Split, order: Callable[[Sample], object] = lambda sample: sample.name) -> Split:
    """The first samples of each subset in this order, and the first negatives, for `--quick`."""
    subsets = {name: sorted(part, key=order)[:QUICK_SAMPLES] for name, part in split.subsets.items()}
    negatives = {name: part[:QUICK_SAMPLES] for name, part in split.negatives.items()}
    return dataclasses.replace(split, subsets=subsets, negatives=negatives)


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


def result(
    run_folder: Path,
    split: Split,
    *other_labels: Split,
    maps: Path | None = None,
    weights_file: Path | None = None,
    average_flips: bool = False,
) -> dict:
    """What `results/<row>.json` holds: the test scores and all that is needed to judge and repeat them.

    The scores are those of the most probable class. Those on `other_labels`, splits with the same test images, stand
    under the name of their labels; what is marked in the split's negatives, if it has any, under `negatives`; all of
    it with the threshold of the weights, where they have one, under `at_threshold`. Every image is predicted once.
    `maps` is the folder for the probability maps of all of these images; one that is there is replaced. What is scored
    are the run's best weights, or those made of them in `weights_file`, with `average_flips` in mirror images, too.
    """
    load_tensorflow()
    from ..models.loading import rebuilt
    from ..models.saving import read_weights
    from ..training.runs import read_history

    weights = read_weights(weights_file or run_folder / "best.weights.h5")
    settings, start = weights.description.settings, weights.description.start
    predictor = Predictor.of(rebuilt(weights), average_flips=average_flips)
    validation = read_json(run_folder / "scores.json")
    with folder_written_beside(maps, replace=True) if maps else contextlib.nullcontext() as beside:
        faithful, *with_threshold = _decisions(predictor, (split, *other_labels), beside and _written_to(beside))
    return {
        **faithful,
        **({"at_threshold": with_threshold[0]} if with_threshold else {}),
        "weights": weights.stamp(),
        **dataclasses.replace(predictor, threshold=MOST_PROBABLE).to_json(),
        "start": start and {"weights": start.weights, "random_layers": start.random_layers},
        "settings": settings,
        "seed": settings["seed"],
        **came_about(run_folder, read_history(run_folder)),
        "validation": {key: validation[key] for key in VALIDATION if key in validation},
    }


def scored(weights: Path, split: Split, subset: str, *, average_flips: bool) -> dict:
    """A part of `split` scored with these weights by the most probable class, as `evaluate --json` writes it."""
    load_tensorflow()
    from ..models import load_model

    predictor = Predictor.of(load_model(weights), average_flips=average_flips, threshold=MOST_PROBABLE)
    track = bar("scoring mirror images" if average_flips else "scoring")
    return evaluate(predictor, split.subset(subset), split=split.title, subset=subset, track=track).to_json()


def came_about(run_folder: Path, history: list[dict]) -> dict:
    """How a training with this history came about: `circumstances` in which it was begun, minutes, history."""
    from ..training.circumstances import circumstances

    said = read_json(run_folder / "settings.json")
    return {
        **{name: said.get(name, now) for name, now in circumstances().items()},  # what files of earlier versions lack
        "minutes": round(sum(line["seconds"] for line in history) / 60, 1),
        "history": history,
    }


def _written_to(maps: Path) -> Keep:
    """What writes the probability of landslide of an image to the folder `maps`."""
    return lambda name, probabilities: write_probability(maps / f"{name}.png", probabilities[..., 1])


def _decisions(predictor: Predictor, splits: Sequence[Split], keep: Keep | None) -> list[dict]:
    """The scores of the test part by the most probable class and, where the weights have one, by their threshold."""
    thresholds = [MOST_PROBABLE]
    if predictor.threshold != MOST_PROBABLE:
        thresholds.append(predictor.threshold)
    labellings = {split.labels: split.subset("test") for split in splits}
    track = bar("scoring the test part")
    evaluations = evaluate_thresholds(
        predictor, labellings, thresholds, split=splits[0].title, subset="test", track=track, keep=keep
    )
    negatives = splits[0].negatives["test"]
    track = bar("looking for false alarms")
    alarms = false_alarms_at(predictor, negatives, thresholds, track=track, keep=keep)
    return [
        {
            "threshold": threshold,
            **scores.to_json(),
            **{other.labels: other.to_json() for other in others},
            **({"negatives": _with_counts(found)} if negatives else {}),
        }
        for threshold, (scores, *others), found in zip(thresholds, evaluations, alarms, strict=True)
    ]


def _with_counts(found: FalseAlarms) -> dict:
    """The block `negatives` of `evaluate --json`, and what was marked in each image."""
    return {**found.to_json(), "groups": found.groups, "per_image": found.per_image}
