"""The command line: arguments in, one call, print; no logic."""

import argparse
import contextlib
import dataclasses
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from .errors import LandslideError, exit_code, unknown_name
from .paper import INPUT_SIZE
from .settings import AUGMENTATIONS, LABELS, PRESETS, Settings, flag, preset

SPLIT_NAMES = "auto (the folder's own lists if it is in VOC's form), voc, paper510, random510, bijie770 or county_split"
EXAMPLES = {
    "demo": "  keras-landslide demo\n  keras-landslide demo --out elsewhere --overwrite",
    "train": (
        "  keras-landslide train --experiment pspnet_mobilenet_v2 --preset cpu --data bijie --split paper510 "
        "--out runs/psp\n"
        "  keras-landslide train --experiment pspnet_resnet50 --data my_images --out runs/mine --frozen-epochs 10\n"
        "  keras-landslide train --preset cpu --data bijie --split paper510 --negatives all --out runs/with_negatives\n"
        "  keras-landslide train --preset cpu --data bijie --fold 2/5 --out runs/fold2\n"
        "  keras-landslide train --experiment pspnet_mobilenet_v2 --preset cpu --data bijie --out runs/from_voc "
        "--init-weights runs/voc/best.weights.h5"
    ),
    "evaluate": (
        "  keras-landslide evaluate --weights runs/psp/best.weights.h5 --data bijie --split paper510 --subset test\n"
        "  keras-landslide evaluate --weights runs/psp/best.weights.h5 --data bijie --subset val --json scores.json\n"
        "  keras-landslide evaluate --weights runs/psp/best.weights.h5 --data bijie --negatives\n"
        "  keras-landslide evaluate --weights runs/psp/best.weights.h5 --data bijie --labels both"
    ),
    "models": (
        "  keras-landslide models\n  keras-landslide models --image-size 352 --output-stride 16\n"
        "  keras-landslide models --plot figures"
    ),
    "export": (
        "  keras-landslide export --weights runs/psp/best.weights.h5 --format onnx --out exported\n"
        "  keras-landslide export --weights runs/psp/best.weights.h5 --format litert --image-size 473 --out phone"
    ),
    "augment": (
        "  keras-landslide augment --data bijie --split paper510 --count 2500 --out bijie2500\n"
        "  keras-landslide augment --data bijie --augmentation strong --contact-sheet strong.png\n"
        "  keras-landslide train --preset cpu --augmentation none --data bijie2500 --out runs/expanded"
    ),
    "prepare": (
        "  keras-landslide prepare bijie --split paper510 --json report.json\n"
        "  keras-landslide prepare downloaded.zip --out clean"
    ),
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
    _add_prepare(commands)
    _add_export(commands)
    _add_augment(commands)
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
    kind = _READ_AS.get(field.type, str)
    return {"type": kind, "metavar": "NAME" if kind is str else "N", **text}


def _number_or_none(text: str) -> float | None:
    return None if text == "none" else float(text)


def _count_or_word(text: str) -> int | str:
    return int(text) if text.lstrip("-").isdigit() else text  # Settings says which word is allowed


_READ_AS = {int: int, float: float, float | None: _number_or_none, int | str: _count_or_word}


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not possible; give 1 or more")
    return int(text)


def _add_split(parser, default: str | None) -> None:
    parser.add_argument(
        "--split", default=default, metavar="NAME", help=f"{SPLIT_NAMES}; default: {default or 'that of training'}"
    )
    parser.add_argument(
        "--labels",
        default="original",
        metavar="NAME",
        help="original (the masks as published) or completed (with the landslides that overlapping images of the same "
        f"subset show){', or both' if default is None else ''}; default: %(default)s",
    )
    parser.add_argument(
        "--fold",
        metavar="I/K",
        help="deal the split's images into K parts by shared ground: part I tests, the next validates, the rest train"
        + ("" if default else "; default: that of training, unless --split is given"),
    )


def _add_weights(parser) -> None:
    parser.add_argument(
        "--weights", required=True, metavar="FILE", help="a .weights.h5 that train wrote, or the name of a shipped one"
    )
    parser.add_argument(
        "--image-size", type=int, metavar="N", help="side of the model's input; default: what the weights say"
    )


def _add_flips(parser) -> None:
    parser.add_argument(
        "--average-flips", action="store_true", help="average over mirror images: better, four times slower"
    )


def _add_evaluate(commands) -> None:
    parser = _add(commands, "evaluate", "score weights against labels, as Tables 5 and 6 do", _evaluate)
    _add_weights(parser)
    _add_flips(parser)
    parser.add_argument("--data", required=True, metavar="FOLDER", help="as for train")
    _add_split(parser, None)
    parser.add_argument("--subset", default="test", metavar="NAME", help="train, val or test; default: %(default)s")
    parser.add_argument(
        "--negatives", action="store_true", help="also report what is marked in the subset's images without landslide"
    )
    parser.add_argument("--json", metavar="FILE", help="write the scores and the confusion matrix of every image")


def _add_predict(commands) -> None:
    parser = _add(commands, "predict", "mark landslides in images: masks, overlays and a table", _predict)
    _add_weights(parser)
    _add_flips(parser)
    parser.add_argument("images", nargs="+", metavar="IMAGE_OR_FOLDER")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where masks, overlays and the table go")
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that holds something")


def _add_export(commands) -> None:
    parser = _add(commands, "export", "write trained weights as SavedModel, ONNX, OpenVINO or LiteRT", _export)
    _add_weights(parser)
    parser.add_argument(
        "--format", required=True, metavar="NAME", help="savedmodel, onnx (both of any size), openvino or litert"
    )
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the model and its card go")
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that holds something")


def _add_augment(commands) -> None:
    parser = _add(
        commands, "augment", "write an expanded training set to disk, or a sheet of augmented samples", _augment
    )
    parser.add_argument("--data", required=True, metavar="FOLDER", help="as for train")
    _add_split(parser, "auto")
    parser.add_argument("--subset", default="train", metavar="NAME", help="train, val or test; default: %(default)s")
    parser.add_argument(
        "--augmentation", default="paper", metavar="NAME", help=f"{', '.join(AUGMENTATIONS)}; default: %(default)s"
    )
    parser.add_argument("--out", metavar="FOLDER", help="write image/, mask/ and groups.csv there, for train --data")
    parser.add_argument(
        "--count", type=_positive, default=2500, metavar="N", help="samples to write; default: %(default)s"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier set there")
    parser.add_argument("--contact-sheet", metavar="FILE", help="draw thirty samples as training sees them (.png)")
    parser.add_argument(
        "--image-size", type=int, default=INPUT_SIZE, metavar="N", help="of the sheet's samples; default: %(default)s"
    )
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")


def _add_prepare(commands) -> None:
    parser = _add(
        commands, "prepare", "report what is in a folder of images and masks, and write a clean copy", _prepare
    )
    parser.add_argument("folder", metavar="FOLDER_OR_ZIP", help="as for train, complete or not, or a zip archive of it")
    parser.add_argument("--split", metavar="NAME", help=f"the split to report: {SPLIT_NAMES}")
    parser.add_argument("--seed", type=int, default=0, help="of the split auto; default: %(default)s")
    parser.add_argument("--json", metavar="FILE", help="write the report as JSON")
    parser.add_argument(
        "--out", metavar="FOLDER", help="write a clean copy that train takes: masks 0/255, bad files left out"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier clean copy")


def _add_models(commands) -> None:
    parser = _add(commands, "models", "list architectures on backbones, with parameters and multiply-adds", _models)
    parser.add_argument("--image-size", type=int, default=INPUT_SIZE, metavar="N", help="default: %(default)s")
    parser.add_argument("--output-stride", type=int, default=8, metavar="N", help="8 or 16; default: %(default)s")
    parser.add_argument("--plot", metavar="FOLDER", help="draw the six rows of Table 3 as Figures 1 to 3 show them")
    parser.add_argument("--overwrite", action="store_true", help="plot into a folder that holds something")


def _demo(options) -> None:
    _load_tensorflow()
    from .demo import demo

    demo(options.out, seed=options.seed, overwrite=options.overwrite, report=_say)


def _train(options) -> None:
    settings = _settings(options)
    _load_tensorflow()
    from .comparison import landslide_iou
    from .io import read_json
    from .training import train, training_negatives

    with_negatives = settings.negatives != 0
    split = _split(options, options.split, options.fold, settings.seed, settings.classes, negatives=with_negatives)
    split = _with_labels(split, options.labels)
    negatives = len(training_negatives(settings, split)) or "no"
    _say(f"Split {split.title}: {split.counts}; {split.labels} labels, {negatives} negatives.")
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


def _split(
    options,
    name: str,
    fold: str | None,
    seed: int,
    classes: int = 2,
    *,
    negatives: bool,
    labels: Sequence[str] = LABELS,
):
    """The samples of `--data`, checked for a model of so many classes, and divided.

    With `negatives`, those without landslide too; `labels` are the choices for `--labels`.

    `labels` are the choices for `--labels`.
    """
    from .data.folder import check_samples, find_negatives, find_samples
    from .data.splits import split_samples
    from .io import progress

    if options.labels not in labels:
        raise unknown_name("labels", options.labels, labels)
    samples = find_samples(options.data)
    without = find_negatives(options.data) if negatives else []
    divided = split_samples(samples, name, fold=fold, seed=seed, negatives=without)
    with progress(len(samples) + len(without), "checking files", "file") as bar:
        check_samples([*samples, *without], options.data, bar.update, classes=classes)
    return divided


def _with_labels(split, labels: str):
    """The split with `labels`, behind a bar where overlaps have to be found."""
    from .data.labels import with_labels
    from .io import progress

    with progress(2 * sum(map(len, split.subsets.values())), "finding overlaps", "step") as bar:
        return with_labels(split, labels, bar.update)


def _evaluate(options) -> None:
    from .io import check_writable, progress, write_json

    if options.json:
        check_writable(Path(options.json).parent)
    description, size = _described(options)
    data = description["data"]
    trained_fold = None if options.split else data.get("fold")
    split = _split(
        options,
        options.split or data["split"],
        options.fold or trained_fold,
        description["settings"]["seed"],
        description["classes"],
        negatives=options.negatives,
        labels=(*LABELS, "both"),
    )
    samples = split.subset(options.subset)
    negatives = split.negative_subset(options.subset) if options.negatives else []
    only = dataclasses.replace(split, subsets={options.subset: samples})
    labels = LABELS if options.labels == "both" else (options.labels,)
    labellings = {name: _with_labels(only, name).subset(options.subset) for name in labels}
    from .comparison import report_lines
    from .evaluation import evaluate_labellings, false_alarms
    from .models import load_model
    from .paper import ROWS

    model = load_model(options.weights)
    _warn_of_training_images(samples, data["trained_on"], "images")
    _warn_of_initial_images(samples, description)
    _warn_of_training_images(negatives, data.get("negatives", []), "images without landslide")
    with progress(len(samples) + len(negatives), "evaluating") as bar:
        how = {"image_size": size, "average_flips": options.average_flips, "on_done": bar.update}
        evaluations = evaluate_labellings(model, labellings, split=split.title, subset=options.subset, **how)
        contents = [evaluation.to_json() for evaluation in evaluations]
        if negatives:
            contents[0]["negatives"] = false_alarms(model, negatives, **how).to_json()
    row = ROWS.get(f"{description['architecture']}_{description['backbone']}")
    _say("\n\n".join("\n".join(report_lines(content, row)) for content in contents))
    if options.json:
        write_json(options.json, contents[0] | {content["labels"]: content for content in contents[1:]})
        _say(f"Scores and the confusion matrix of every image: {options.json}")


def _warn_of_training_images(samples, trained_on: Sequence[str], what: str) -> None:
    seen = set(trained_on) & {sample.name for sample in samples}
    if seen:
        _say(f"{len(seen)} of these {len(samples)} {what} were trained on: the scores say nothing about new images.")


def _warn_of_initial_images(samples, description: dict) -> None:
    before = set(description.get("initial_data", {}).get("trained_on", ())) - set(description["data"]["trained_on"])
    seen = before & {sample.name for sample in samples}
    if seen:
        _say(
            f"{len(seen)} of these {len(samples)} images have names of images that the initial weights were trained on: "
            "if they are the same images, the scores say nothing about new ones."
        )


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


def _export(options) -> None:
    _, size = _described(options)
    from .data.synthetic import mountain_scene
    from .models.export import export_model

    _say("Converting, then comparing with Keras: up to two minutes.")
    with _standard_error_closed():  # the converters write there whatever they are told
        made = export_model(
            options.weights,
            options.format,
            options.out,
            images=[mountain_scene(0, (size, size)).image],
            image_size=size,
            overwrite=options.overwrite,
        )
    _say(f"Agrees with Keras to {made.difference:.0e} in its own runtime.")
    _say(f"Model: {made.model}\nHow to use it: {made.card}")


def _augment(options) -> None:
    from .io import check_image_path, free_folder, progress

    if not (options.out or options.contact_sheet):
        raise LandslideError("Nothing to do; give --out FOLDER, --contact-sheet FILE or both.")
    settings = Settings(augmentation=options.augmentation, image_size=options.image_size, seed=options.seed)
    recipe = {"augmentation": settings.augmentation, "seed": settings.seed}
    if options.contact_sheet:
        check_image_path(options.contact_sheet)
    if options.out:
        free_folder(options.out, overwrite=options.overwrite)
    samples = _split(options, options.split, options.fold, settings.seed, negatives=False).subset(options.subset)
    _load_tensorflow()
    from .expansion import contact_sheet, expand

    if options.contact_sheet:
        contact_sheet(samples, options.contact_sheet, image_size=settings.image_size, **recipe)
        _say(f"Thirty samples as training sees them: {options.contact_sheet}")
    if options.out:
        with progress(options.count, "augmenting") as bar:
            expand(samples, options.out, options.count, overwrite=options.overwrite, on_done=bar.update, **recipe)
        _say(f"{options.count} variants of {len(samples)} images: {options.out}")


def _prepare(options) -> None:
    from .data.archive import unpacked
    from .data.prepare import check_out, find_source, survey, write_clean_copy
    from .data.prepare_report import report_lines
    from .io import check_writable, progress, write_json

    if options.json:
        check_writable(Path(options.json).parent)
    if options.out:
        check_out(options.folder, options.out, overwrite=options.overwrite)
    with unpacked(options.folder) as folder:
        source = find_source(folder)
        with progress(source.steps, "looking", "step") as bar:
            report = survey(source, options.split, seed=options.seed, on_done=bar.update)
        content = {**report.to_json(options.split), "folder": options.folder}
        if options.out and report.pairs:
            write_clean_copy(report, options.out, content)
    _say("\n".join(report_lines(content)))
    if options.split and content["split"] is None:
        _say(f"None of the images of split {options.split} is here.")
    if options.json:
        write_json(options.json, content)
        _say(f"Report as JSON: {options.json}")
    if options.out:
        pairs = f"{len(report.pairs)} pairs and {len(report.negatives)} non-landslide images"
        _say(f"Clean copy of {pairs}: {options.out}" if report.pairs else "No clean copy: no pair can be used.")


def _models(options) -> None:
    from .io import free_folder

    if options.plot:
        free_folder(options.plot, overwrite=options.overwrite)
    _load_tensorflow()
    from .diagrams import draw_model, figure_name
    from .io import progress
    from .models import ARCHITECTURES, BACKBONES
    from .models.describe import catalogue
    from .paper import ROWS, TABLE_5

    pairs = [(architecture, backbone) for architecture in ARCHITECTURES for backbone in BACKBONES]
    drawn = {row.name for row in TABLE_5} if options.plot else set()
    with progress(len(pairs), "building", "model") as bar:

        def done(model) -> None:
            if model.name in drawn:
                draw_model(model, Path(options.plot) / figure_name(model))
            bar.update()

        entries = catalogue(pairs, options.image_size, options.output_stride, done)
    size, stride = options.image_size, options.output_stride
    _say(f"At {size}×{size} pixels, output stride {stride} (U-Net has none):\n")
    _say(f"{'model':28}{'parameters':>12}{'multiply-adds':>16}  row of Table 3")
    for entry in entries:
        name = f"{entry.architecture}_{entry.backbone}"
        parameters, adds = entry.cost.parameters / 1e6, entry.cost.multiply_adds / 1e9
        title = ROWS[name].title if name in ROWS else ""
        _say(f"{name:28}{parameters:10.2f} M{adds:12.1f} bn  {title}".rstrip())
    _say("\nImages of any size from 64 pixels a side, square or not.")
    if options.plot:
        _say(f"Figures 1 to 3 of the six rows: {options.plot}")


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
