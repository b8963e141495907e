"""What a weights file says of itself: format 2, typed and checked; format 1 is read as such."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from ..data.classes import CLASS_NAMES, MOST_PROBABLE, class_names
from ..errors import LandslideError, first_problem
from ..paper import INPUT_SIZE, row_name
from ..settings import SMALLEST_INPUT
from .backbones import NORMALISATIONS, backbone_named

FORMAT = 2

Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class Scale:
    """Metres a pixel: of the model's input at prediction, and of the images that it was trained on as they were."""

    prediction: Positive
    training: Positive


@dataclass(frozen=True)
class Bands:
    """The bands of an image in their order; a network gets each less its mean, divided by its standard deviation."""

    names: tuple[str, ...]
    mean: tuple[float, ...]
    standard_deviation: tuple[Positive, ...]


@dataclass(frozen=True)
class Data:
    """What a model was trained on: names of images and of negatives, and the groups of the ground that they show."""

    split: str
    trained_on: tuple[str, ...]
    fold: str | None = None
    labels: str = "original"
    groups: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()


@dataclass(frozen=True)
class Start:
    """Where the initial weights came from: `imagenet`, `none` or a file, and the layers that began from random.

    `random_layers` is `None` where a file of format 1 does not tell. `data` is what the initial weights were trained
    on, with all that those had started from in turn.
    """

    weights: str
    random_layers: tuple[str, ...] | None
    data: Data | None = None


@dataclass(frozen=True)
class Description:
    """All that a weights file says of itself.

    Args:
        architecture: of `build_model`, as are backbone, output stride and rates.
        class_names: one a class, the background first.
        prediction_size: side of the square input in pixels when predicting.
        scale: `None` where every image was squeezed to one size, so that a pixel has no length.
        threshold: of two classes, the probability above which a pixel is landslide; 0.5 is the most probable class.
        bands: `None` for those of the backbone's rule.
        start: `None` where nobody noted it.
        settings: those of the training, as `Settings.to_json` gives them.
        data: `None` where nobody noted it.
        scores: the line of the history that belongs to these weights.
        licence: the terms under which the weights may be used, a sentence; empty where nobody set any.

    Example:
        >>> Description("pspnet", "mobilenet_v2").bands.names
        ('red', 'green', 'blue')
    """

    architecture: str
    backbone: str
    class_names: Annotated[tuple[str, ...], Field(min_length=2)] = CLASS_NAMES
    output_stride: int = 8
    rates: tuple[int, ...] | None = None
    prediction_size: Annotated[int, Field(ge=SMALLEST_INPUT)] = INPUT_SIZE
    scale: Scale | None = None
    threshold: Annotated[float, Field(gt=0, lt=1)] = MOST_PROBABLE
    bands: Bands | None = None
    start: Start | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    data: Data | None = None
    scores: dict[str, Any] = field(default_factory=dict)
    licence: str = ""

    def __post_init__(self):
        if self.bands is None:
            object.__setattr__(self, "bands", bands_of(self.backbone))

    @property
    def classes(self) -> int:
        return len(self.class_names)

    @property
    def name(self) -> str:
        """The row, such as `pspnet_mobilenet_v2`."""
        return row_name(self.architecture, self.backbone)

    def to_json(self) -> dict:
        """Plain values, with the format's number."""
        return {"format": FORMAT, **dataclasses.asdict(self)}


_DESCRIPTION = TypeAdapter(Description)


def bands_of(backbone: str) -> Bands:
    """Red, green and blue with the statistics by which the backbone's rule normalises them."""
    mean, deviation, _ = NORMALISATIONS[backbone_named(backbone).normalisation]
    return Bands(("red", "green", "blue"), mean, deviation)


def parsed(text: str, path: Path | str) -> Description:
    """The description in `text`, JSON of format 1 or 2; `path` is the file of which errors speak.

    Raises `LandslideError` for text that is damaged, of a later format, or of bands that no backbone here takes.
    """
    try:
        content = json.loads(text)
        number = content.get("format", 1)
    except (ValueError, AttributeError, TypeError) as error:
        raise _damaged(path, "it is no JSON of this package") from error
    if number not in (1, FORMAT):
        raise LandslideError(
            f"{path}: what it says of itself has format {number}, and this version of keras-landslide reads up to "
            f"{FORMAT}; update with pip install --upgrade keras-landslide."
        )
    try:
        content = _upgraded(content) if number == 1 else content
        description = _DESCRIPTION.validate_json(json.dumps(content), strict=True)
        here = bands_of(description.backbone)
    except ValidationError as error:
        raise _damaged(path, first_problem(error)) from error
    except KeyError as error:
        raise _damaged(path, f"{error.args[0]} is missing") from error
    except (TypeError, AttributeError, LandslideError) as error:
        raise _damaged(path, str(error).rstrip(".")) from error
    if description.bands != here:
        raise LandslideError(
            f"{path}: is for the bands {', '.join(description.bands.names)} with statistics of their own; this version "
            f"takes red, green and blue as {description.backbone} has them."
        )
    return description


def _damaged(path: Path | str, why: str) -> LandslideError:
    return LandslideError(f"{path}: what it says of itself is damaged ({why}); copy it again or train again.")


def _upgraded(old: dict) -> dict:
    """The content of format 1 as that of format 2."""
    settings, data = old.get("settings", {}), old.get("data")
    started = settings.get("init_weights") or settings.get("backbone_weights") or "none"
    start = {"weights": started, "random_layers": None, "data": old.get("initial_data")} if settings else None
    same = ("architecture", "backbone", "output_stride")
    return {
        **{name: old[name] for name in same},
        **{name: old[name] for name in ("rates", "prediction_size") if name in old},
        "class_names": class_names(old["classes"]),
        "settings": settings,
        "data": data,
        "start": start,
        "scores": old.get("scores", {}),
    }
