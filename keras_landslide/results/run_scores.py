"""The parts of a run's page that show how good it is: scores with intervals, Table 5, pictures with their errors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..data.classes import MOST_PROBABLE
from ..data.letterbox import Letterbox
from ..files.images import jpeg
from ..markup import Content, Element, element, folded, picture, section, table
from ..paper import CITATION, TEST_IMAGES, Row
from ..pictures import ERRORS, LABEL, errors_drawn
from ..scores import confusion_matrix, interval, of_class, of_means
from .report import interval_text
from .run_record import Scores

PICTURES = 6  # of the worst images, and of the best
PICTURE_SIDE = 480  # pixels of an embedded picture's longer side: sharp at the size at which the page shows it
TERRAIN = (74, 90, 64)  # RGB, behind the outline in the legend
CLASS_SCORES = {"precision": "precision", "recall": "recall", "iou": "IoU", "f1": "F1"}
MEAN_SCORES = {"miou": "mIoU", "mean_recall": "recall", "mean_precision": "precision"}  # in the order of Table 5


@dataclass(frozen=True)
class Predicted:
    """An image to be drawn: `(H, W, 3)` uint8 RGB, its classes, and those that the weights find, `(H, W)` uint8."""

    image: np.ndarray
    truth: np.ndarray
    found: np.ndarray


def percent(fraction: float, digits: int = 2) -> str:
    """In per cent, by default with as many digits as the paper; a dash for a score that does not exist.

    >>> percent(0.5), percent(0.5, 0), percent(float("nan"))
    ('50.00', '50', '–')
    """
    return "–" if np.isnan(fraction) else f"{100 * fraction:.{digits}f}"


def interval_of(scores: Scores, score: Callable[[np.ndarray], float]) -> str:
    """The 95 % interval of a pooled score, per cent."""
    return interval_text(*interval(scores.counts, scores.groups, score))


def validation_section(scores: Scores) -> Element:
    """Scores by class with their intervals, the confusion matrix, and every image."""
    explained = (
        f"{len(scores.per_image)} images with {scores.labels} labels, all pixels at native size pooled. The best epoch "
        "was chosen by these images: on new ones expect a little less. In brackets the 95 % interval over "
        f"{scores.ground} groups of images that share ground."
    )
    rows: list[list[Content]] = [
        [name, *(_with_interval(scores, of_class(score, number)) for score in CLASS_SCORES)]
        for number, name in enumerate(scores.class_names)
    ]
    by_class = table("Scores by class (%)", ["class", *CLASS_SCORES.values()], rows)
    texts = [element("p", text) for text in (explained, *_decision(scores))]
    return section("Validation scores", *texts, by_class, _confusion(scores), _all_images(scores))


def _decision(scores: Scores) -> list[str]:
    """What the decision threshold of the weights does, where they have one."""
    threshold = scores.decision_threshold
    if threshold is None:
        return []
    before, after = (percent(threshold.iou_at(value), 1) for value in (MOST_PROBABLE, threshold.chosen))
    return [
        f"These are the scores of the more probable class. The weights' decision threshold is {threshold.chosen:g}: "
        f"with it {scores.score_name} is {after} % over these images and {threshold.negatives} without landslide, "
        f"without it {before} %."
    ]


def _with_interval(scores: Scores, score: Callable[[np.ndarray], float]) -> Element:
    """A pooled score and its interval in per cent, or a dash where it does not exist."""
    value = score(scores.confusion)
    if np.isnan(value):
        return element("span", percent(value))
    return element("span", f"{percent(value)} ", element("small", f"({interval_of(scores, score)})"))


def _confusion(scores: Scores) -> Element:
    rows = [
        [f"is {name}", *(f"{count:,}" for count in line)]
        for name, line in zip(scores.class_names, scores.confusion.tolist(), strict=True)
    ]
    head = ["pixels", *(f"marked as {name}" for name in scores.class_names)]
    return folded("Confusion matrix", table("Pixels of all images together", head, rows))


def _all_images(scores: Scores) -> Element:
    caption = f"Lowest {scores.score_name} first; found: share of the labelled pixels; right: share of the marked ones"
    rows = []
    for name in scores.ranked():
        shares = (scores.of_image(name), *_found_and_right(scores, name))
        rows.append([name, scores.groups[name], *(percent(share, 1) for share in shares)])
    head = ["image", "group", f"{scores.score_name} (%)", "found (%)", "right (%)"]
    return folded("Every image", table(caption, head, rows))


def _found_and_right(scores: Scores, name: str) -> tuple[float, float]:
    """What share of an image's labelled pixels was found, and what share of its marked ones is right; NaN of none.

    Of more than two classes, those of all but the background together.
    """
    confusion = np.array(scores.per_image[name])
    right = np.trace(confusion[1:, 1:])
    with np.errstate(invalid="ignore"):
        return right / confusion[1:].sum(), right / confusion[:, 1:].sum()


def paper_section(scores: Scores, row: Row | None, weights: str) -> Element:
    """The means of Table 5 beside the paper's; `weights` is the path to the weights that have these scores."""
    title = "Beside the paper"
    if row is None or row.miou is None or len(scores.class_names) != 2:
        return section(title, element("p", "The paper has no figures for this model and these classes."))
    ours = [_with_interval(scores, of_means(score)) for score in MEAN_SCORES]
    theirs = [f"{figure:.2f}" for figure in (row.miou, row.recall, row.precision)]
    rows: list[list[Content]] = [
        [f"this run, {len(scores.per_image)} validation images", *ours],
        [f"{row.title}, the paper, {TEST_IMAGES} test images", *theirs],
    ]
    warning = (
        "The two lines are of different images with different labels. This run's are validation images, by which its "
        f"best epoch was chosen; the paper's {TEST_IMAGES} test images have labels of their own, which are not public "
        f"({CITATION}). For one last score there is the test part: "
    )
    command = f"keras-landslide evaluate --weights {weights} --data FOLDER --subset test"
    compared = table("Table 5 (%, means of the two classes)", ["model", *MEAN_SCORES.values()], rows)
    return section(title, compared, element("p", warning, element("code", command)))


def picture_sections(scores: Scores, predicted: Mapping[str, Predicted], without: str | None) -> list[Element]:
    """The worst and the best images, or a sentence on why they are missing (see `report_page`)."""
    if without is not None:
        return [section("Worst and best images", element("p", f"No pictures. {without}", class_="note"))]
    worst, best = scores.worst_and_best(PICTURES)
    parts = {"Worst validation images": worst, "Best validation images": best}
    return [
        section(
            title,
            _legend(),
            element("div", *(_figure(scores, name, predicted[name]) for name in names), class_="gallery"),
        )
        for title, names in parts.items()
        if names
    ]


def _legend() -> Element:
    lines = [
        element("li", element("span", style=f"border-color: rgb{colour}; background: rgb{inside}"), text)
        for text, colour in ERRORS.items()
        for inside in (TERRAIN if colour == LABEL else colour,)
    ]
    return element("ul", *lines, class_="legend")


def _figure(scores: Scores, name: str, predicted: Predicted) -> Element:
    """An image as it is, and with its errors drawn."""
    height, width = predicted.image.shape[:2]
    box = Letterbox(height, width, PICTURE_SIDE)
    image = box.image_in(predicted.image)[box.inside]
    truth, found = (box.labels_in(classes)[box.inside] for classes in (predicted.truth, predicted.found))
    score = f"{scores.score_name} {percent(scores.of_image(name), 1)} %"
    share_found, share_right = _found_and_right(scores, name)
    marks = "nothing marked" if np.isnan(share_right) else f"{percent(share_right, 1)} % of the marks right"
    shares = f"{percent(share_found, 1)} % of the label found, {marks}"
    pair = element(
        "div",
        picture(jpeg(image), "image/jpeg", f"{name} as it is"),
        picture(jpeg(errors_drawn(image, truth, found)), "image/jpeg", f"{name} with its errors: {score}, {shares}"),
        class_="pair",
    )
    caption = element("figcaption", element("b", f"{name}: {score}"), f"; {shares}")
    caption.extend(_drawn_otherwise(scores, name, predicted))
    return element("figure", pair, caption)


def _drawn_otherwise(scores: Scores, name: str, predicted: Predicted) -> list[Element]:
    """A word where what is drawn is not what was scored: another machine rounds otherwise."""
    drawn = confusion_matrix(predicted.truth, predicted.found, len(scores.class_names))
    if drawn.tolist() == scores.per_image[name]:
        return []
    return [element("span", f"; {percent(scores.score(drawn), 1)} % as predicted again for this page")]
