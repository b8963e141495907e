"""The command line: what each command takes, and where it goes."""

import argparse
import dataclasses
import importlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import LandslideError, exit_code
from ..paper import INPUT_SIZE, ROWS
from ..settings import (
    AUGMENTATIONS,
    GROWTH,
    OVERLAP,
    PRESET_MEANINGS,
    SECTIONS,
    SHIPPED_WEIGHTS,
    SPLITS,
    STATES,
    Settings,
    flag,
)
from .arguments import (
    add_decision,
    add_split,
    add_subset,
    add_weights,
    count_or_word,
    listed,
    number_or_none,
    positive,
    probability,
    seed,
)
from .examples import EXAMPLES
from .map_arguments import add_map_arguments

MAP = "mark landslides in georeferenced scenes of any size: rasters, outlines, a page"
FORMAT_MEANINGS = {
    "savedmodel": "TensorFlow's, for images of any size",
    "onnx": "for ONNX Runtime and many others, for images of any size",
    "openvino": "for Intel and AMD processors, one size",
    "litert": "for phones and small boards, one size",
    "deepness": "ONNX for the QGIS plugin Deepness, tiles of one size",
}


class _Parser(argparse.ArgumentParser):
    """Argparse whose own errors read like all others: one line on standard error, exit code 2."""

    def error(self, message: str):
        raise LandslideError(f"{message} (see {self.prog} --help)")


def run() -> None:
    """The entry point `keras-landslide`."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what it says of bad files, we say
    sys.exit(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see `errors.exit_code`)."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)

    def call() -> None:
        options = _parser().parse_args(arguments)
        getattr(importlib.import_module(f".{options.command}", __package__), options.command)(options)

    return exit_code(call)


def _parser() -> argparse.ArgumentParser:
    from .. import __version__

    parser = _Parser(
        prog="keras-landslide",
        description="Landslides in satellite images: train, score and use U-Net, DeepLabv3+ and PSPNet.",
        epilog="Start with: keras-landslide demo",
    )
    parser.add_argument("--version", action="version", version=f"keras-landslide {__version__}")
    parsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)
    _add_demo(parsers)
    _add_train(parsers)
    _add_evaluate(parsers)
    _add_report(parsers)
    _add_predict(parsers)
    add_map_arguments(_add(parsers, "map", MAP))
    _add_compare(parsers)
    _add_prepare(parsers)
    _add_export(parsers)
    _add_augment(parsers)
    _add_models(parsers)
    _add_tables(parsers)
    _add_figures(parsers)
    return parser


def _add(parsers, name: str, text: str, more: str = "") -> argparse.ArgumentParser:
    """A parser for the function `name` of the file `name` beside this, which is read when the command is given.

    `text` is what the command does, and its own help goes on with `more`.
    """
    parser = parsers.add_parser(
        name,
        help=text,
        description=f"{text}{more}",
        epilog=f"examples:\n{EXAMPLES[name]}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=name)
    return parser


def _add_demo(parsers) -> None:
    parser = _add(parsers, "demo", "the main job on built-in synthetic scenes, two to six minutes on two cores")
    parser.add_argument(
        "--out", metavar="FOLDER", help="default: keras-landslide-demo, with --scene keras-landslide-scene"
    )
    parser.add_argument(
        "--scene", action="store_true", help="train nothing: paint a georeferenced scene and map it, half a minute"
    )
    parser.add_argument("--seed", type=seed, default=0, help="of the scenes and the training; default: %(default)s")
    parser.add_argument("--overwrite", action="store_true", help="replace the results of an earlier demo")


def _add_train(parsers) -> None:
    parser = _add(parsers, "train", "train a model in two phases and write a run folder")
    run = parser.add_argument_group("run", "where it goes, and how it goes on")
    run.add_argument("--out", metavar="FOLDER", help="the run folder")
    run.add_argument("--overwrite", action="store_true", help="replace an earlier run there, of all its seeds")
    run.add_argument(
        "--resume",
        metavar="FOLDER",
        help="go on with the run in this folder where it was stopped; its settings and data are remembered "
        "(--data, where the data has moved, --devices, --jit, --precision float32 and --tensorboard may be given)",
    )
    run.add_argument(
        "--finish",
        action="store_true",
        help="with --resume: train no more, score the best weights that the run has and end it",
    )
    run.add_argument(
        "--seeds",
        type=seed,
        nargs="+",
        metavar="N",
        help="one run for each in FOLDER/seed_N, and mean ± standard deviation of their validation scores; with split "
        "auto each deals its own split",
    )
    run.add_argument("--tensorboard", action="store_true", help="also write logs for TensorBoard to FOLDER/tensorboard")
    run.add_argument("--experiment", metavar="ROW", help=f"a row of Table 3: {', '.join(ROWS)}")
    run.add_argument(
        "--preset",
        metavar="NAME",
        help=listed("where all settings start; those given below come on top", PRESET_MEANINGS, "paper"),
    )
    data = parser.add_argument_group("data", SECTIONS["data"])
    data.add_argument(
        "--data",
        metavar="FOLDER",
        help="landslide/image and landslide/mask, or image and mask, or JPEGImages and SegmentationClass (VOC's form)",
    )
    add_split(data, "auto")
    groups = {"data": data} | {
        name: parser.add_argument_group(name, text) for name, text in SECTIONS.items() if name != "data"
    }
    for field in dataclasses.fields(Settings):
        # not there where it is not given: `none` is a value
        groups[field.metadata["group"]].add_argument(flag(field.name), default=argparse.SUPPRESS, **_argument(field))
    # nothing has a default here: a run that goes on must be able to tell what was given
    parser.set_defaults(split=None, labels=None)


def _argument(field: dataclasses.Field) -> dict:
    """How argparse reads a setting, from its type."""
    default = " ".join(map(str, field.default)) if isinstance(field.default, tuple) else str(field.default).lower()
    help_text = field.metadata["help"]
    if field.metadata["choices"]:
        return {"metavar": "NAME", "help": listed(help_text, field.metadata["choices"], default)}
    text = {"help": f"{help_text}; default: {default}"}
    if field.type is bool:
        return {"action": argparse.BooleanOptionalAction, **text}
    if isinstance(field.default, tuple):
        return {"type": float, "nargs": "+", "metavar": "WEIGHT", **text}
    kind = _READ_AS.get(field.type, str)
    return {"type": kind, "metavar": "NAME" if kind is str else "N", **text}


_READ_AS: dict[Any, Callable] = {int: int, float: float, float | None: number_or_none, int | str: count_or_word}


def _add_evaluate(parsers) -> None:
    parser = _add(parsers, "evaluate", "score weights against labels, as Tables 5 and 6 do")
    add_weights(parser)
    add_decision(parser)
    parser.add_argument("--data", required=True, metavar="FOLDER", help="as for train")
    add_split(parser, None)
    add_subset(parser, "test")
    parser.add_argument(
        "--negatives", action="store_true", help="also report what is marked in the subset's images without landslide"
    )
    parser.add_argument("--json", metavar="FILE", help="write the scores and the confusion matrix of every image")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE of --json")


def _add_report(parsers) -> None:
    parser = _add(parsers, "report", "write a page about a training run: curves, scores, its worst and best images")
    parser.add_argument("folder", metavar="RUN_FOLDER", help="that train wrote; the run may still go on")
    parser.add_argument(
        "--data", metavar="FOLDER", help="the images it was trained on; default: where they were when it began"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="one HTML file that needs no other; an earlier report there is replaced, nothing else ever; default: "
        "report.html in the run folder",
    )


def _add_predict(parsers) -> None:
    parser = _add(parsers, "predict", "mark landslides in images: masks, overlays and a table")
    add_weights(parser, SHIPPED_WEIGHTS)
    add_decision(parser)
    parser.add_argument("images", nargs="+", metavar="IMAGE_OR_FOLDER")
    parser.add_argument(
        "--out",
        default="predictions",
        metavar="FOLDER",
        help="where masks, overlays and the table go; default: %(default)s",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace earlier predictions there")
    parser.add_argument("--resume", action="store_true", help="go on with predictions there that were stopped")


def _add_compare(parsers) -> None:
    states = "\n".join(f"  {state:10} {meaning}" for state, meaning in STATES.items())
    more = (
        f"\n\nOutlines that overlap, from one to the next, count as one landslide, which is\n{states}\n"
        "What only one of the two scenes shows counts as new or gone, so give outlines of the same ground."
    )
    parser = _add(parsers, "compare", "tell new, grown and unchanged landslides from outlines of two dates", more)
    parser.add_argument("before", metavar="BEFORE", help="a GeoPackage with the outlines of the earlier date")
    parser.add_argument(
        "after", metavar="AFTER", help="of the later date, of the same ground, in the same CRS or another"
    )
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where changes.csv and changes.gpkg go")
    parser.add_argument(
        "--growth",
        type=probability,
        default=GROWTH,
        metavar="SHARE",
        help="of the earlier area, by which it has changed when it counts as grown or shrunk; default: %(default)s",
    )
    parser.add_argument(
        "--overlap",
        type=probability,
        default=OVERLAP,
        metavar="SHARE",
        help="of the smaller outline, that two must have in common to overlap; default: %(default)s",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace earlier files of these names there")


def _add_export(parsers) -> None:
    parser = _add(parsers, "export", "write trained weights as SavedModel, ONNX, OpenVINO or LiteRT, or for QGIS")
    add_weights(parser)
    parser.add_argument("--format", required=True, metavar="NAME", help=listed("of the file", FORMAT_MEANINGS, None))
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the model and its card go")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier export to the same format there")


def _add_augment(parsers) -> None:
    parser = _add(parsers, "augment", "write an expanded training set to disk, or a sheet of augmented samples")
    parser.add_argument("--data", required=True, metavar="FOLDER", help="as for train")
    add_split(parser, "auto")
    add_subset(parser, "train")
    parser.add_argument(
        "--augmentation",
        default="paper",
        metavar="NAME",
        help=listed("how images are varied", AUGMENTATIONS, "paper"),
    )
    parser.add_argument("--out", metavar="FOLDER", help="write image/, mask/ and groups.csv there, for train --data")
    parser.add_argument(
        "--count", type=positive, default=2500, metavar="N", help="samples to write; default: %(default)s"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier set there")
    parser.add_argument("--contact-sheet", metavar="FILE", help="draw thirty samples as training sees them (.png)")
    parser.add_argument(
        "--image-size", type=int, default=INPUT_SIZE, metavar="N", help="of the sheet's samples; default: %(default)s"
    )
    parser.add_argument("--seed", type=seed, default=0, help="default: %(default)s")


def _add_prepare(parsers) -> None:
    parser = _add(parsers, "prepare", "report what is in a folder of images and masks, and write a clean copy")
    parser.add_argument(
        "folder",
        metavar="FOLDER_OR_ZIP",
        help="landslide/image and landslide/mask, or image and mask, complete or not; or a zip archive of it",
    )
    parser.add_argument("--split", metavar="NAME", help=listed("the split to report", SPLITS, None))
    parser.add_argument("--seed", type=seed, default=0, help="of the split auto; default: %(default)s")
    parser.add_argument("--json", metavar="FILE", help="write the report as JSON")
    parser.add_argument(
        "--out", metavar="FOLDER", help="write a clean copy that train takes: masks 0/255, bad files left out"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier clean copy")


def _add_models(parsers) -> None:
    parser = _add(parsers, "models", "list architectures on backbones, with parameters and multiply-adds")
    parser.add_argument("--image-size", type=int, default=INPUT_SIZE, metavar="N", help="default: %(default)s")
    parser.add_argument("--output-stride", type=int, default=8, choices=[8, 16], help="default: %(default)s")
    parser.add_argument("--plot", metavar="FOLDER", help="draw the six rows of Table 3 as Figures 1 to 3 show them")
    parser.add_argument("--overwrite", action="store_true", help="replace figures of an earlier --plot there")


def _add_results(parser) -> None:
    parser.add_argument(
        "--results", default="results", metavar="FOLDER", help="what experiments wrote; default: %(default)s"
    )


def _add_tables(parsers) -> None:
    parser = _add(parsers, "tables", "Tables 5 and 6 and what else the results of the rows say, without a model")
    _add_results(parser)
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        help="the images that were scored; without them outlines and found landslides stay empty",
    )
    parser.add_argument(
        "--out", metavar="FOLDER", help="write each table as Markdown, CSV and LaTeX there, instead of printing it"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace earlier tables there")


def _add_figures(parsers) -> None:
    parser = _add(parsers, "figures", "Figures 4 to 6, curves and the worst test images, without a model")
    _add_results(parser)
    parser.add_argument("--data", required=True, metavar="FOLDER", help="the images that were scored")
    parser.add_argument(
        "--out", default="figures", metavar="FOLDER", help="where each figure goes as PNG and PDF; default: %(default)s"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace earlier figures there")
