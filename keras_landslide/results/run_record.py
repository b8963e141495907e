"""What the files of a run folder say of a training, read and checked; needs neither weights nor data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from ..data.classes import class_names
from ..errors import LandslideError, first_problem
from ..files.atomic import read_json
from ..scores import landslide_iou, mean_iou
from ..settings import ARCHITECTURES, BACKBONES, Settings

Count = Annotated[int, Field(ge=0)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class Epoch:
    """A line of `history.csv`; losses and mIoUs as fractions. Lines did not always have the last two."""

    epoch: int
    phase: str
    seconds: Finite
    loss: Finite
    miou: Finite
    val_loss: Finite
    val_miou: Finite
    learning_rate: Finite | None = None
    precision: str | None = None


@dataclass(frozen=True)
class Threshold:
    """The landslide IoU, a fraction, at each decision threshold, over images with and without landslide."""

    chosen: Finite
    images: Count
    negatives: Count
    landslide_iou: dict[str, Finite]

    def iou_at(self, threshold: float) -> float:
        return self.landslide_iou[str(threshold)]


@dataclass(frozen=True)
class Scores:
    """`scores.json`: the counts of every validation image, `[[TN, FP], [FN, TP]]` for two classes, and its group."""

    labels: str
    per_image: Annotated[dict[str, list[list[Count]]], Field(min_length=1)]
    groups: dict[str, str]
    class_names: tuple[str, ...] = ()
    decision_threshold: Threshold | None = None

    def __post_init__(self):
        if not self.class_names:  # files of earlier versions lack them
            object.__setattr__(self, "class_names", class_names(len(next(iter(self.per_image.values())))))
        shape = (len(self.class_names),) * 2
        for name, confusion in self.per_image.items():
            if {len(line) for line in confusion} != {shape[1]} or len(confusion) != shape[0]:
                raise ValueError(f"the counts of {name} are not those of {shape[0]} classes")
            if name not in self.groups:
                raise ValueError(f"the group of {name} is missing")

    @property
    def counts(self) -> dict[str, np.ndarray]:
        """The confusion matrix of each image, `(classes, classes)` int64."""
        return {name: np.array(confusion) for name, confusion in self.per_image.items()}

    @property
    def confusion(self) -> np.ndarray:
        """Their sum: every pixel counts once."""
        return np.sum(list(self.counts.values()), axis=0)

    @property
    def ground(self) -> int:
        """The number of groups: images of one group show the same ground."""
        return len({self.groups[name] for name in self.per_image})

    @property
    def score(self) -> Callable[[np.ndarray], float]:
        """By which images are told good from bad: of two classes the IoU of the second, else the mean over classes."""
        return landslide_iou if len(self.class_names) == 2 else mean_iou

    @property
    def score_name(self) -> str:
        return f"{self.class_names[1]} IoU" if len(self.class_names) == 2 else "mIoU"

    def of_image(self, name: str) -> float:
        """The score of one image, a fraction; NaN where there is neither label nor mark."""
        return self.score(np.array(self.per_image[name]))

    def ranked(self) -> list[str]:
        """The images that have a score, the lowest first."""
        scores = {name: self.of_image(name) for name in self.per_image}
        return sorted((name for name in scores if not np.isnan(scores[name])), key=lambda name: (scores[name], name))

    def worst_and_best(self, count: int) -> tuple[list[str], list[str]]:
        """Up to `count` images with the lowest scores, and as many with the highest, the most extreme first.

        No image is in both; of an odd number the one in the middle is with the worst.
        """
        ranked = self.ranked()
        worst = ranked[: min(count, (len(ranked) + 1) // 2)]
        return worst, ranked[len(worst) :][-count:][::-1]


@dataclass(frozen=True)
class Weights:
    """What the best weights say of themselves (`Description.to_json`), and the SHA-256 of their file."""

    description: dict[str, Any]
    sha256: str


@dataclass(frozen=True)
class Images:
    """Where the images of a training were, `None` where a program gave them, and how they were divided."""

    split: str
    fold: str | None = None
    labels: str = "original"
    folder: str | None = None


@dataclass(frozen=True)
class RunSettings:
    """`settings.json`; what it does not know of images, machine and versions is `None` or empty."""

    settings: Settings
    images: Images | None = None
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunRecord:
    """All that a run folder says; without `scores` the run is not finished, without history it has no epoch yet.

    `files` has the size of each in bytes.
    """

    folder: Path
    said: RunSettings
    images: Images | None
    history: tuple[Epoch, ...]
    scores: Scores | None
    weights: Weights | None
    files: dict[str, int]

    @property
    def settings(self) -> Settings:
        return self.said.settings

    @property
    def title(self) -> str:
        """Such as `PSPNet (MobileNetV2)`."""
        return f"{ARCHITECTURES[self.settings.architecture]} ({BACKBONES[self.settings.backbone]})"

    @property
    def epochs_planned(self) -> int:
        return self.settings.frozen_epochs + self.settings.unfrozen_epochs

    @property
    def best(self) -> Epoch:
        """That of the best weights: the highest validation mIoU, the earlier of equals."""
        return max(self.history, key=lambda epoch: epoch.val_miou)

    @property
    def minutes(self) -> float:
        return sum(epoch.seconds for epoch in self.history) / 60


def read_settings(folder: Path | str) -> RunSettings:
    """What `settings.json` in the run folder says; raises `LandslideError` where there is no run, or it is damaged."""
    folder = Path(folder)
    path = folder / "settings.json"
    if not folder.is_dir():
        raise LandslideError(f"{folder}: no such folder; give the folder of a run that train wrote.")
    seeds = sorted(found.parent.name for found in folder.glob("seed_*/settings.json"))
    if not path.is_file() and seeds:
        raise LandslideError(f"{folder}: holds a run for each of several seeds; give one of them: {', '.join(seeds)}.")
    if not path.is_file():
        raise LandslideError(f"{folder}: holds no run (no settings.json); give the folder of a run that train wrote.")
    content = _checked(dict[str, Any], read_json(path), path)
    known = {name: content[name] for name in ("machine", "versions") if name in content}
    return _checked(RunSettings, {**known, "images": content.get("data"), "settings": _settings(content, path)}, path)


def _settings(content: dict[str, Any], path: Path) -> Settings:
    try:
        return Settings.from_json(content["settings"])
    except (LandslideError, TypeError, KeyError) as error:
        raise _damaged(path, f"settings: {error}") from error


def read_scores(path: Path) -> Scores:
    """What `scores.json` says; raises `LandslideError` where it is damaged."""
    return _checked(Scores, read_json(path), path)


def checked_history(lines: Sequence[dict], path: Path) -> tuple[Epoch, ...]:
    """The lines of `history.csv`, at `path`; raises `LandslideError` where they are damaged."""
    return _checked(tuple[Epoch, ...], lines, path)


def _checked(kind: Any, content: Any, path: Path) -> Any:
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        raise _damaged(path, first_problem(error)) from error


def _damaged(path: Path, why: str) -> LandslideError:
    return LandslideError(
        f"{path}: is damaged or of another version ({why.rstrip('.')}); copy it again or train again."
    )
