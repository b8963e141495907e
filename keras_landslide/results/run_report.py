"""The page about a training run: one file of HTML with everything in it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ..markup import Content, Element, element, facts, folded, page, picture, section, table
from ..paper import ROWS, row_name
from ..pictures import curves_figure, svg_text
from ..settings import LABELS, SECTIONS, SPLITS, Settings
from .run_record import RunRecord
from .run_scores import Predicted, interval_of, paper_section, percent, picture_sections, validation_section

MADE_BY = "keras-landslide report"  # stands in every page: such a file may be replaced


START = "Start of the weights"


def report_page(record: RunRecord, predicted: Mapping[str, Predicted], without_pictures: str | None) -> str:
    """The page, HTML, which loads nothing from anywhere and runs no script.

    `predicted` has the images that `Scores.worst_and_best` names, or none; then `without_pictures` says why.
    """
    title, scores = f"Training run: {record.title}", record.scores
    sections = [_training(record)] if record.history else []
    if scores:
        row = ROWS.get(row_name(record.settings.architecture, record.settings.backbone))
        sections += [validation_section(scores), paper_section(scores, row, f"{record.folder}/best.weights.h5")]
        sections += picture_sections(scores, predicted, without_pictures)
    sections += [_data(record), *_start(record), *_settings(record.settings), *_machine(record), _files(record)]
    return page(title, *_heading(record, title), *sections, made_by=MADE_BY)


def _heading(record: RunRecord, title: str) -> list[Element]:
    where = element("p", element("code", str(record.folder)), f", seed {record.settings.seed}", class_="quiet")
    figures = [
        element("div", element("dt", name), element("dd", value, element("small", more)))
        for name, value, more in _key_figures(record)
    ]
    made = [element("h1", title), where]
    if record.scores is None:
        made.append(_unfinished(record))
    return [*made, element("dl", *figures, class_="figures")] if figures else made


def _unfinished(record: RunRecord) -> Element:
    command: tuple = "it goes on with ", element("code", f"keras-landslide train --resume {record.folder}")
    if record.said.images is None:  # a program gave them, and the command line does not know them
        command = ("it goes on when the program that began it is started again.",)
    return element(
        "p",
        f"This run is not finished: {len(record.history)} of up to {record.epochs_planned} epochs are done. Scores and "
        "pictures come with the last. Where it was stopped, ",
        *command,
        class_="note",
    )


def _key_figures(record: RunRecord) -> list[tuple[str, str, str]]:
    """What a reader asks for first: name, value, and a little more."""
    figures, scores = [], record.scores
    if scores:
        value = f"{percent(scores.score(scores.confusion))} %"
        figures.append((f"{scores.score_name}, validation", value, f"{interval_of(scores, scores.score)} (95 %)"))
    if record.history:
        best, done, planned = record.best, len(record.history), record.epochs_planned
        figures += [
            ("Best epoch", f"{best.epoch} of {done}", f"up to {planned} were planned" if done < planned else ""),
            ("Training", _duration(record.minutes), f"{60 * record.minutes / done:.0f} seconds an epoch on average"),
        ]
    return figures


def _duration(minutes: float) -> str:
    """
    >>> _duration(12.3), _duration(200)
    ('12 minutes', '3.3 hours')
    """
    return f"{minutes / 60:.1f} hours" if minutes > 90 else f"{minutes:.0f} minutes"


def _training(record: RunRecord) -> Element:
    best, settings = record.best, record.settings
    svg = svg_text(curves_figure([dataclasses.asdict(epoch) for epoch in record.history]))
    alt = (
        f"Loss and mIoU of training and validation over {len(record.history)} epochs; the best validation mIoU is "
        f"{best.val_miou:.3f}, at epoch {best.epoch}."
    )
    caption = (
        f"Planned were up to {settings.frozen_epochs} epochs with the backbone frozen and {settings.unfrozen_epochs} "
        "with everything trained. The mIoU of the curves is of the model's square input; scores are of the images at "
        "their own size."
    )
    curves = picture(svg.encode(), "image/svg+xml", alt, class_="chart")
    return section(
        "Training",
        element("figure", element("div", curves, class_="scroll"), element("figcaption", caption)),
        _epochs(record),
    )


def _epochs(record: RunRecord) -> Element:
    head = ["epoch", "phase", "precision", "learning rate", "loss", "mIoU (%)"]
    head += ["validation loss", "validation mIoU (%)", "seconds"]
    rows = [
        [
            f"{epoch.epoch} (best)" if epoch is record.best else str(epoch.epoch),
            epoch.phase,
            epoch.precision or "–",
            "–" if epoch.learning_rate is None else f"{epoch.learning_rate:.2g}",
            f"{epoch.loss:.4f}",
            percent(epoch.miou),
            f"{epoch.val_loss:.4f}",
            percent(epoch.val_miou),
            f"{epoch.seconds:.0f}",
        ]
        for epoch in record.history
    ]
    return folded("Every epoch", table("Training and validation by epoch", head, rows))


def _data(record: RunRecord) -> Element:
    """Where the images come from and how they are divided; what the training knew of them is in the weights."""
    images, scores = record.images, record.scores
    trained = record.weights.description["data"] if record.weights else None
    lines: list[tuple[str, Content]] = []
    if images:
        lines.append(("folder", element("code", images.folder) if images.folder else "not noted"))
        lines.append(("split", _with_meaning(images.split, SPLITS) + (f", fold {images.fold}" if images.fold else "")))
        lines.append(("labels", _with_meaning(images.labels, LABELS)))
    if trained:
        count, groups = len(trained["trained_on"]), len(trained["groups"])
        lines.append(("training", f"{count} images in {groups} groups that share ground"))
        lines.append(("negatives", f"{len(trained['negatives'])} images without landslide, trained on as well"))
    if scores:
        lines.append(("validation", f"{len(scores.per_image)} images in {scores.ground} groups that share ground"))
    return section("Data", facts(lines))


def _start(record: RunRecord) -> list[Element]:
    """Where the weights began; nothing where nobody noted it."""
    start = record.weights.description["start"] if record.weights else None
    if start is None:
        return []
    lines: list[tuple[str, Content]] = [("weights", element("code", start["weights"]))]
    if start["data"]:
        lines.append(("trained on", f"{len(start['data']['trained_on'])} images, split {start['data']['split']}"))
    names = start["random_layers"]
    if names is None:
        return [section(START, facts([*lines, ("from random", "not noted")]))]
    layers = folded(f"{len(names)} layers that began from random", element("p", element("code", ", ".join(names))))
    return [section(START, facts(lines), layers)]


def _settings(settings: Settings) -> list[Element]:
    """What departs from the paper, and all settings."""
    fields = {field.name: field.metadata for field in dataclasses.fields(Settings)}
    departures: list[list[Content]] = [
        [element("code", name), said(ours), said(paper), _prose(fields[name]["help"])]
        for name, (ours, paper) in settings.departures_from_paper().items()
    ]
    head = ["setting", "this run", "the paper", "what it is"]
    groups = [
        table(
            f"{group}: {text}",
            ["setting", "value", "what it is"],
            [
                [element("code", name), _with_meaning(getattr(settings, name), field["choices"]), _prose(field["help"])]
                for name, field in fields.items()
                if field["group"] == group
            ],
        )
        for group, text in SECTIONS.items()
    ]
    return [
        section("Departures from the paper", table("Settings that are not the paper's", head, departures)),
        section("Settings", folded(f"All {len(fields)} settings", *groups)),
    ]


def _prose(text: str) -> Element:
    """A cell that is wide enough to read."""
    return element("div", text, class_="prose")


def _machine(record: RunRecord) -> list[Element]:
    """Where the run says on what it was trained."""
    about = [(name.replace("_", " "), said(value)) for name, value in record.said.machine.items()]
    versions = ", ".join(f"{name} {version}" for name, version in record.said.versions.items())
    lines = [*about, ("versions", versions)] if versions else about
    return [section("Machine", facts(lines))] if lines else []


def _files(record: RunRecord) -> Element:
    rows: Sequence[Sequence[Content]] = [
        [element("code", name), f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"]
        for name, size in record.files.items()
    ]
    made: list[Content] = [table("In the run folder", ["file", "size"], rows)]
    if record.weights:
        made.append(element("p", "SHA-256 of best.weights.h5: ", element("code", record.weights.sha256)))
        command = f"keras-landslide predict --weights {record.folder}/best.weights.h5 IMAGE_OR_FOLDER"
        made.append(element("p", "Mark landslides in other images: ", element("code", command)))
    return section("Files", *made)


def said(value: Any) -> str:
    """A value of a setting in words.

    >>> said(None), said(True), said((1.0, 2.0)), said(1e-05), said([])
    ('none', 'yes', '1.0, 2.0', '1e-05', 'none')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value)) or None
    return "none" if value is None else str(value)


def _with_meaning(value: Any, meanings: Mapping[str, str]) -> str:
    """A value, and what it means where that is known.

    >>> _with_meaning("cosine", {"cosine": "falls to zero"}), _with_meaning(3, {})
    ('cosine (falls to zero)', '3')
    """
    meaning = meanings.get(str(value))
    return f"{said(value)} ({meaning})" if meaning else said(value)
