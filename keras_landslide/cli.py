"""The command line: arguments in, one call, print; no logic."""

import argparse
import contextlib
import dataclasses
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from .errors import LandslideError, exit_code
from .paper import INPUT_SIZE
from .settings import PRESETS, Settings, flag, preset

EXAMPLES = {
    "demo": "  keras-landslide demo\n  keras-landslide demo --out elsewhere --overwrite",
    "train": (
        "  keras-landslide train --experiment pspnet_mobilenet_v2 --preset cpu --data bijie --split paper510 "
        "--out runs/psp\n"
        "  keras-landslide train --experiment pspnet_resnet50 --data my_images --out runs/mine --frozen-epochs 10\n"
        "  keras-landslide train --experiment pspnet_mobilenet_v2 --preset cpu --data bijie --out runs/from_voc "
        "--init-weights runs/voc/best.weights.h5"
    ),
    "evaluate": (
        "  keras-landslide evaluate --weights runs/psp/best.weights.h5 --data bijie --split paper510 --subset test\n"
        "  keras-landslide evaluate --weights runs/psp/best.weights.h5 --data bijie --subset val --json scores.json"
    ),
    "models": "  keras-landslide models\n  keras-landslide models --image-size 352 --output-stride 16",
    "predict": "  keras-landslide predict --weights runs/psp/best.weights.h5 photo.png folder/ --out predictions",
}


class _Parser(argparse.ArgumentParser):
    """Argparse whose own errors read like all others: one line on standard error, exit code 2."""

    def error(self, message: str):
        raise LandslideError(f"{message} (see {self.prog} --help)")


def run() -> None:
    """The entry point `keras-landslide`."""
    sys.exit(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see `errors.exit_code`)."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)

    def call() -> None:
        options = _parser().parse_args(arguments)
        options.command(options)

    return exit_code(call)


def _parser() -> argparse.ArgumentParser:
    from . import __version__

    parser = _Parser(
        prog="keras-landslide",
        description="Landslides in satellite images: train, score and use U-Net, DeepLabv3+ and PSPNet.",
        epilog="Start with: keras-landslide demo",
    )
    parser.add_argument("--version", action="version", version=f"keras-landslide {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)
    _add_demo(commands)
    _add_train(commands)
    _add_evaluate(commands)
    _add_predict(commands)
    _add_models(commands)
    return parser


def _add(commands, name: str, text: str, call) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"examples:\n{EXAMPLES[name]}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=call)
    return parser


def _add_demo(commands) -> None:
    parser = _add(
        commands, "demo", "the main job on built-in synthetic scenes, about three minutes on two cores", _demo
    )
    parser.add_argument("--out", default="keras-landslide-demo", metavar="FOLDER", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the scenes and the training; default: %(default)s")
    parser.add_argument("--overwrite", action="store_true", help="replace the results of an earlier demo")


def _add_train(commands) -> None:
    parser = _add(commands, "train", "train a model in two phases and write a run folder", _train)
    parser.add_argument(
        "--data",
        required=True,
        metavar="FOLDER",
        help="landslide/image and landslide/mask, or image and mask, or JPEGImages and SegmentationClass (VOC's form)",
    )
    parser.add_argument("--out", required=True, metavar="FOLDER", help="the run folder")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier run there")
    parser.add_argument("--experiment", metavar="ROW", help="a row of Table 3, such as pspnet_mobilenet_v2")
    parser.add_argument(
        "--preset",
        default="paper",
        help=f"{' or '.join(PRESETS)}; single settings below override it; default: %(default)s",
    )
    _add_split(parser, "auto")
    group = parser.add_argument_group("settings", "the defaults are the paper's (Table 4)")
    for field in dataclasses.fields(Settings):
        group.add_argument(flag(field.name), default=None, **_argument(field))


def _argument(field: dataclasses.Field) -> dict:
    """How argparse reads a setting, from its type."""
    default = " ".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
    text = {"help": f"{field.metadata['help']}; default: {str(default).lower()}"}
    if field.type is bool:
        return {"action": argparse.BooleanOptionalAction, **text}
    if isinstance(field.default, tuple):
        return {"type": float, "nargs": "+", "metavar": "WEIGHT", **text}
    kind = field.type if field.type in (int, float, str) else _number_or_none if "float" in str(field.type) else str
    return {"type": kind, "metavar": "NAME" if kind is str else "N", **text}


def _number_or_none(text: str) -> float | None:
    return None if text == "none" else float(text)


def _add_split(parser, default: str | None) -> None:
    text = "auto (the folder's own lists if it is in VOC's form), voc, paper510, random510, bijie770 or county_split"
    parser.add_argument(
        "--split", default=default, metavar="NAME", help=f"{text}; default: {default or 'that of training'}"
    )
    parser.add_argument("--labels", default="original", metavar="NAME", help="original: the masks as published")


def _add_weights(parser) -> None:
    parser.add_argument(
        "--weights", required=True, metavar="FILE", help="a .weights.h5 that train wrote, or the name of a shipped one"
    )
    parser.add_argument(
        "--image-size", type=int, metavar="N", help="side of the model's input; default: what the weights say"
    )
    parser.add_argument(
        "--average-flips", action="store_true", help="average over mirror images: better, four times slower"
    )


def _add_evaluate(commands) -> None:
    parser = _add(commands, "evaluate", "score weights against labels, as Tables 5 and 6 do", _evaluate)
    _add_weights(parser)
    parser.add_argument("--data", required=True, metavar="FOLDER", help="as for train")
    _add_split(parser, None)
    parser.add_argument("--subset", default="test", metavar="NAME", help="train, val or test; default: %(default)s")
    parser.add_argument("--json", metavar="FILE", help="write the scores and the confusion matrix of every image")


def _add_predict(commands) -> None:
    parser = _add(commands, "predict", "mark landslides in images: masks, overlays and a table", _predict)
    _add_weights(parser)
    parser.add_argument("images", nargs="+", metavar="IMAGE_OR_FOLDER")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where masks, overlays and the table go")
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that holds something")


def _add_models(commands) -> None:
    parser = _add(commands, "models", "list architectures on backbones, with parameters and multiply-adds", _models)
    parser.add_argument("--image-size", type=int, default=INPUT_SIZE, metavar="N", help="default: %(default)s")
    parser.add_argument("--output-stride", type=int, default=8, metavar="N", help="8 or 16; default: %(default)s")


def _demo(options) -> None:
    _load_tensorflow()
    from .demo import demo

    demo(options.out, seed=options.seed, overwrite=options.overwrite, report=_say)


def _train(options) -> None:
    settings = _settings(options)
    _load_tensorflow()
    from .comparison import landslide_iou
    from .io import read_json
    from .training import train

    split = _split(options, options.split, settings.seed, settings.classes)
    _say(f"Split {split.name}: {split.counts}; {options.labels} labels, no negatives.")
    for name, (ours, paper) in settings.departures_from_paper().items():
        _say(f"  departs from the paper: {name} {ours} (paper: {paper})")
    finished = train(settings, split, options.out, overwrite=options.overwrite, report=_say)
    scores = read_json(finished.scores)
    landslide = f" (landslide IoU {landslide_iou(scores['confusion']):.4f})" if settings.classes == 2 else ""
    _say(
        f"Best validation mIoU {finished.best['val_miou']:.4f} at epoch {finished.best['epoch']}; at native size "
        f"{scores['miou']:.4f}{landslide}."
    )
    _say(f"Best weights: {finished.best_weights}\nCurves: {finished.curves}")


def _settings(options) -> Settings:
    from .paper import row

    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(Settings)}
    given = {name: value for name, value in given.items() if value is not None}
    if "class_weights" in given:
        given["class_weights"] = tuple(given["class_weights"])
    if options.experiment:
        chosen = row(options.experiment)
        given = {"architecture": chosen.architecture, "backbone": chosen.backbone, **given}
    return preset(options.preset, **given)


def _split(options, name: str, seed: int, classes: int):
    """The samples of `--data`, checked for a model of so many classes, and divided."""
    from .data.folder import check_samples, find_samples
    from .data.splits import split_samples
    from .errors import unknown_name
    from .io import progress
    from .settings import LABELS

    if options.labels not in LABELS:
        raise unknown_name("labels", options.labels, LABELS)
    samples = find_samples(options.data)
    divided = split_samples(samples, name, seed=seed)
    with progress(len(samples), "checking files", "file") as bar:
        check_samples(samples, options.data, bar.update, classes=classes)
    return divided


def _evaluate(options) -> None:
    from .io import check_writable, progress, write_json

    if options.json:
        check_writable(Path(options.json).parent)
    description, size = _described(options)
    data = description["data"]
    split = _split(options, options.split or data["split"], description["settings"]["seed"], description["classes"])
    samples = split.subset(options.subset)
    from .comparison import report_lines
    from .evaluation import evaluate
    from .models import load_model
    from .paper import ROWS

    model = load_model(options.weights)
    names = {sample.name for sample in samples}
    seen = set(data["trained_on"]) & names
    if seen:
        _say(f"{len(seen)} of these {len(samples)} images were trained on: the scores say nothing about new images.")
    before = set(description.get("initial_data", {}).get("trained_on", ())) & names - seen
    if before:
        _say(
            f"{len(before)} of these {len(samples)} images have names of images that the initial weights were trained "
            "on: if they are the same images, the scores say nothing about new ones."
        )
    with progress(len(samples), "evaluating") as bar:
        scores = evaluate(
            model,
            samples,
            image_size=size,
            split=split.name,
            subset=options.subset,
            average_flips=options.average_flips,
            on_done=bar.update,
        ).to_json()
    _say("\n".join(report_lines(scores, ROWS.get(f"{description['architecture']}_{description['backbone']}"))))
    if options.json:
        write_json(options.json, scores)
        _say(f"Scores and the confusion matrix of every image: {options.json}")


def _predict(options) -> None:
    from .prediction import find_images

    images = find_images(options.images)
    description, size = _described(options)
    from .evaluation import class_names
    from .io import progress
    from .models import load_model
    from .prediction import predict

    model = load_model(options.weights)
    with progress(len(images), "predicting") as bar:
        made = predict(
            model,
            images,
            options.out,
            image_size=size,
            average_flips=options.average_flips,
            overwrite=options.overwrite,
            on_done=bar.update,
        )
    share = sum(one.landslide_pixels for one in made) / sum(one.width * one.height for one in made)
    _say(f"{len(made)} images, {100 * share:.1f} % of their pixels marked as {class_names(description['classes'])[1]}.")
    _say(f"Masks, overlays and predictions.csv: {options.out}")


def _models(options) -> None:
    _load_tensorflow()
    from .io import progress
    from .models import ARCHITECTURES, BACKBONES
    from .models.describe import catalogue
    from .paper import ROWS

    pairs = [(architecture, backbone) for architecture in ARCHITECTURES for backbone in BACKBONES]
    with progress(len(pairs), "building", "model") as bar:
        entries = catalogue(pairs, options.image_size, options.output_stride, bar.update)
    size, stride = options.image_size, options.output_stride
    _say(f"At {size}×{size} pixels, output stride {stride} (U-Net has none):\n")
    _say(f"{'model':28}{'parameters':>12}{'multiply-adds':>16}  row of Table 3")
    for entry in entries:
        name = f"{entry.architecture}_{entry.backbone}"
        parameters, adds = entry.cost.parameters / 1e6, entry.cost.multiply_adds / 1e9
        title = ROWS[name].title if name in ROWS else ""
        _say(f"{name:28}{parameters:10.2f} M{adds:12.1f} bn  {title}".rstrip())
    _say("\nImages of any size from 64 pixels a side, square or not.")


def _described(options) -> tuple[dict, int]:
    """What the weights say of themselves, and the input size to use."""
    _load_tensorflow()
    from .models import read_description
    from .models.saving import weights_file

    options.weights = weights_file(options.weights)
    description = read_description(options.weights)
    size = options.image_size or description["prediction_size"]
    if size < 64:
        raise LandslideError(f"--image-size {size} is not possible; give 64 or more.")
    return description, size


def _say(line: str) -> None:
    """Print above a bar, if one is there."""
    from tqdm import tqdm

    tqdm.write(line)


def _load_tensorflow() -> None:
    """Import TensorFlow without its notices about what the machine lacks, and let it keep its memory."""
    from .memory import keep_freed_memory

    keep_freed_memory()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _standard_error_closed():
        import tensorflow  # noqa: F401


@contextlib.contextmanager
def _standard_error_closed() -> Iterator[None]:
    """TensorFlow's C++ side writes to the file descriptor before its log level counts."""
    saved = os.dup(2)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
