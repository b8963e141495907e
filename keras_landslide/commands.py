"""What each command does: one call, and what is printed of it. Heavy imports wait until a command needs them."""

import contextlib
import dataclasses
import importlib.util
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from .errors import LandslideError, unknown_name
from .settings import COMPUTING, LABELS, Settings, flag, preset


def demo(options) -> None:
    _load_tensorflow()
    from .demo import demo

    demo(options.out, seed=options.seed, overwrite=options.overwrite, report=_say)


def train(options) -> None:
    if options.resume:
        _check_nothing_else(options)
    elif not (options.data and options.out):
        missing = ", ".join(name for name in ("--data", "--out") if not getattr(options, name[2:]))
        raise LandslideError(f"the following arguments are required: {missing} (see keras-landslide train --help)")
    else:
        _check_labels(options.labels, LABELS)
    if options.tensorboard and not importlib.util.find_spec("tensorboard"):
        raise LandslideError("--tensorboard needs TensorBoard, which is not installed: pip install tensorboard.")
    settings, seeds = (None, ()) if options.resume else (_settings(options), _seeds(options))
    _load_tensorflow()
    from .data.dataset import Source
    from .training.jobs import Job, do_job

    if options.resume:
        job = _resumed_job(options)
    else:
        source = Source(options.data, options.split, options.fold, options.labels)
        job = Job(settings, source, Path(options.out), seeds)
    how = {"overwrite": options.overwrite, "tensorboard": options.tensorboard, "report": _say}
    do_job(job, resume=bool(options.resume), **how)


def _resumed_job(options):
    from .training.jobs import read_job

    job = read_job(options.resume)
    others = {name: getattr(options, name) for name in COMPUTING if getattr(options, name) is not None}
    source = dataclasses.replace(job.source, folder=options.data or job.source.folder)
    return dataclasses.replace(job, settings=dataclasses.replace(job.settings, **others), source=source)


_OF_A_NEW_RUN = (("split", "auto"), ("preset", "paper"), ("labels", "original"), ("overwrite", False))


def _check_nothing_else(options) -> None:
    """A run is resumed as it was started; where the data is now and how the machine computes may be told anew."""
    names = [field.name for field in dataclasses.fields(Settings) if field.name not in COMPUTING]
    given = [name for name in (*names, "out", "experiment", "fold", "seeds") if getattr(options, name) is not None]
    given += [name for name, default in _OF_A_NEW_RUN if getattr(options, name) != default]
    if given:
        raise LandslideError(
            f"--resume goes on as {options.resume} was started; leave out {', '.join(map(flag, given))}."
        )


def _seeds(options) -> tuple[int, ...]:
    seeds = tuple(options.seeds or ())
    if seeds and (len(set(seeds)) < 2 or len(set(seeds)) < len(seeds) or min(seeds) < 0):
        raise LandslideError(f"--seeds {' '.join(map(str, seeds))} is not possible; give two or more different ones.")
    if seeds and options.seed is not None:
        raise LandslideError("Give --seed or --seeds, not both.")
    return seeds


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


def _check_labels(name: str, choices: Sequence[str]) -> None:
    if name not in choices:
        raise unknown_name("labels", name, choices)


def evaluate(options) -> None:
    from .console import progress
    from .data.dataset import labelled, load_split
    from .files.atomic import write_json
    from .files.checks import check_file

    if options.json:
        check_file(options.json)
    description, size = _described(options)
    data = description["data"]
    _check_labels(options.labels, (*LABELS, "both"))
    split = load_split(
        options.data,
        options.split or data["split"],
        fold=options.fold or (None if options.split else data.get("fold")),
        seed=description["settings"]["seed"],
        classes=description["classes"],
        negatives=options.negatives,
    )
    samples = split.subset(options.subset)
    negatives = split.negative_subset(options.subset) if options.negatives else []
    only = dataclasses.replace(split, subsets={options.subset: samples})
    labels = LABELS if options.labels == "both" else (options.labels,)
    labellings = {name: labelled(only, name).subset(options.subset) for name in labels}
    from .evaluation import evaluate_labellings, false_alarms
    from .models import load_model
    from .paper import ROWS
    from .results.report import report_lines

    model = load_model(options.weights)
    _warn_of_training_images(samples, data["trained_on"], "images")
    _warn_of_training_ground(samples, data)
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


def _warn_of_training_ground(samples, data: dict) -> None:
    groups, names = set(data.get("groups", ())), set(data["trained_on"])
    seen = [sample for sample in samples if sample.group in groups and sample.name not in names]
    if seen:
        _say(
            f"{len(seen)} of these {len(samples)} images show ground that was trained on, in other images or variants: "
            "the scores flatter."
        )


def _warn_of_initial_images(samples, description: dict) -> None:
    before = set(description.get("initial_data", {}).get("trained_on", ())) - set(description["data"]["trained_on"])
    seen = before & {sample.name for sample in samples}
    if seen:
        _say(
            f"{len(seen)} of these {len(samples)} images have names of images that the initial weights were trained "
            "on: if they are the same images, the scores say nothing about new ones."
        )


def predict(options) -> None:
    _load_tensorflow()
    from .prediction.images import find_images

    images = find_images(options.images)
    description, size = _described(options)
    from .console import progress
    from .data.classes import class_names
    from .models import load_model
    from .prediction.images import predict

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


def export(options) -> None:
    _, size = _described(options)
    from .data.synthetic import mountain_scene
    from .runtimes.export import export_model

    with _standard_error_closed():  # the converters write there whatever they are told
        made = export_model(
            options.weights,
            options.format,
            options.out,
            images=[mountain_scene(0, (size, size)).image],
            image_size=size,
            overwrite=options.overwrite,
            report=_say,
        )
    _say(f"Agrees with Keras to {made.difference:.0e} in its own runtime.")
    _say(f"Model: {made.model}\nHow to use it: {made.card}")


def augment(options) -> None:
    from .console import progress
    from .data.dataset import labelled, load_split
    from .data.layouts import EXPANDED
    from .files.checks import check_copy, check_image_path

    if not (options.out or options.contact_sheet):
        raise LandslideError("Nothing to do; give --out FOLDER, --contact-sheet FILE or both.")
    _check_labels(options.labels, LABELS)
    settings = Settings(augmentation=options.augmentation, image_size=options.image_size, seed=options.seed)
    recipe = {"augmentation": settings.augmentation, "seed": settings.seed}
    if options.contact_sheet:
        check_image_path(options.contact_sheet)
    if options.out:
        check_copy(options.data, options.out, EXPANDED, overwrite=options.overwrite)
    split = load_split(options.data, options.split, fold=options.fold, seed=settings.seed)
    only = dataclasses.replace(split, subsets={options.subset: split.subset(options.subset)})
    samples = labelled(only, options.labels).subset(options.subset)
    _load_tensorflow()
    from .data.expansion import contact_sheet, expand

    if options.contact_sheet:
        contact_sheet(samples, options.contact_sheet, image_size=settings.image_size, **recipe)
        _say(f"Thirty samples as training sees them: {options.contact_sheet}")
    if options.out:
        with progress(options.count, "augmenting") as bar:
            expand(samples, options.out, options.count, on_done=bar.update, **recipe)
        _say(f"{options.count} variants of {len(samples)} images: {options.out}")


def prepare(options) -> None:
    from .console import progress
    from .data.prepare.archive import unpacked
    from .data.prepare.copy import write_clean_copy
    from .data.prepare.report import report_lines
    from .data.prepare.survey import REPORT_NAME, find_source, survey
    from .files.atomic import write_json
    from .files.checks import check_copy, check_file

    if options.json:
        check_file(options.json)
    if options.out:
        check_copy(options.folder, options.out, REPORT_NAME, overwrite=options.overwrite)
    with unpacked(options.folder) as folder:
        source = find_source(folder, called=options.folder)
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


def models(options) -> None:
    from .files.checks import free_folder

    if options.plot:
        free_folder(options.plot, overwrite=options.overwrite)
    _load_tensorflow()
    from .console import progress
    from .models import ARCHITECTURES, BACKBONES
    from .models.costs import catalogue
    from .paper import ROWS, TABLE_5
    from .results.diagrams import draw_model, figure_name

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
    from .models.loading import weights_file

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
    from .training.allocator import keep_freed_memory

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
