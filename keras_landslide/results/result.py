"""What stands in `results/`: the result of a row as a typed value, and the probability maps beside it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from ..data.classes import MOST_PROBABLE
from ..errors import LandslideError, first_problem
from ..files.atomic import json_text, read_json
from ..files.images import read_grey, write_image
from ..paper import ROWS

MAPS = "probabilities"  # the folder of the maps, beside the files of the results

Count = Annotated[int, Field(ge=0)]
Matrix = tuple[tuple[Count, Count], tuple[Count, Count]]


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What was counted with one kind of labels: [[TN, FP], [FN, TP]] in pixels by image, and each image's group."""

    labels: str
    groups: dict[str, str]
    per_image: dict[str, Matrix]

    def __post_init__(self):
        lacking = sorted(self.per_image.keys() - self.groups.keys())
        if lacking or not self.per_image:
            raise ValueError(f"the group is not known of: {', '.join(lacking)}" if lacking else "no image")

    @property
    def counts(self) -> dict[str, np.ndarray]:
        """The matrix of every image, `(2, 2)` int64."""
        return {name: np.array(matrix, np.int64) for name, matrix in self.per_image.items()}

    @property
    def confusion(self) -> np.ndarray:
        """The sum over all images: every pixel counts once."""
        return np.sum(list(self.per_image.values()), axis=0)


@dataclass(frozen=True, kw_only=True)
class Negatives:
    """What was marked in images without landslide: fractions of images and of area, (marked, all) pixels by image."""

    images: Count
    false_alarms: float
    marked_area: float
    per_image: dict[str, tuple[Count, Count]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Decision(Scored):
    """The test part scored with one threshold: on original labels, completed ones, and images without landslide.

    `completed` and `negatives` are `None` where nobody counted them.
    """

    threshold: float = MOST_PROBABLE
    completed: Scored | None = None
    negatives: Negatives | None = None


@dataclass(frozen=True, kw_only=True)
class Result(Decision):
    """All that `results/<row>.json` holds of a row trained with one seed, and where it lies.

    The row itself is scored with the most probable class; `at_threshold` with the threshold of its weights, `None`
    where they have none. Files of earlier versions lack some fields, which are `None` then.
    """

    path: Path
    row: str
    seed: Count
    split: str
    settings: dict[str, Any]
    machine: dict[str, Any]
    versions: dict[str, str]
    date: str
    minutes: float
    history: list[dict[str, Any]]
    validation: dict[str, Any]
    at_threshold: Decision | None = None
    commit: str | None = None
    start: dict[str, Any] | None = None
    weights: dict[str, str] | None = None

    @property
    def decisions(self) -> list[Decision]:
        """The most probable class and, where there is one, the threshold."""
        return [self, *([self.at_threshold] if self.at_threshold else [])]

    @property
    def maps(self) -> Path:
        """The folder of its probability maps, which may not be there."""
        return map_folder(self.path.parent, self.row, self.seed)

    def probability(self, image: str) -> np.ndarray:
        """The probability of landslide of each pixel of `image`, `(H, W)` float32 (see `read_probability`)."""
        return read_probability(self.maps / f"{image}.png")


_RESULT = TypeAdapter(Result)


def result_name(row: str, seed: int) -> str:
    """What the files of a row and seed are called.

    >>> result_name("unet_vgg16", 0), result_name("unet_vgg16", 2)
    ('unet_vgg16', 'unet_vgg16_seed2')
    """
    return f"{row}_seed{seed}" if seed else row


def map_folder(results: Path | str, row: str, seed: int) -> Path:
    """Where the probability maps of a row and seed lie: one `NAME.png` an image of the test part."""
    return Path(results) / MAPS / result_name(row, seed)


def write_probability(path: Path | str, probability: np.ndarray) -> None:
    """Write probabilities, `(H, W)` float 0–1, as an 8-bit grey PNG of round(255 p)."""
    write_image(path, np.rint(255 * probability).astype(np.uint8))


def read_probability(path: Path | str) -> np.ndarray:
    """Read what `write_probability` wrote, `(H, W)` float32 0–1; raises `LandslideError` for other files."""
    stored = read_grey(path)
    if stored.dtype != np.uint8:
        raise LandslideError(f"{path}: holds {stored.dtype} values; a probability map has 8 bits. Make it anew.")
    return stored.astype(np.float32) / 255


def read_result(path: Path | str) -> Result:
    """The result in the file `<row>.json` or `<row>_seed<k>.json`.

    Raises `LandslideError` where it is missing, damaged, of an earlier version without groups, or of another seed than
    its name says.
    """
    path = Path(path)
    row, seed = _row_and_seed(path)
    content = read_json(path)
    if not isinstance(content, dict):
        raise _damaged(path, row, "it is no table of names and values")
    try:
        result = _RESULT.validate_json(json_text({**content, "path": str(path), "row": row}), strict=True)
    except ValidationError as error:
        raise _damaged(path, row, first_problem(error)) from error
    if result.seed != seed:
        raise _damaged(path, row, f"its name says seed {seed} and its content seed {result.seed}")
    return result


def read_results(folder: Path | str) -> dict[str, dict[int, Result]]:
    """The results of all rows in `folder`: row name to seed to result, rows in the paper's order, seeds ascending.

    Raises `LandslideError` where there is none, or one is damaged.
    """
    folder = Path(folder)
    found: dict[str, dict[int, Result]] = {}
    paths = {_row_and_seed(path): path for path in folder.glob("*.json")}
    for row in ROWS:
        seeds = sorted(seed for named, seed in paths if named == row)
        if seeds:
            found[row] = {seed: read_result(paths[row, seed]) for seed in seeds}
    if not found:
        raise LandslideError(
            f"{folder}: holds no result of a row, such as {next(iter(ROWS))}.json; python experiments/table5_ROW.py "
            "trains a row and writes it."
        )
    return found


def firsts(results: Mapping[str, Mapping[int, Result]]) -> dict[str, Result]:
    """Of every row the result of its smallest seed: the one that stands in tables and figures."""
    return {row: seeds[min(seeds)] for row, seeds in results.items()}


def _row_and_seed(path: Path) -> tuple[str, int]:
    row, seed = re.fullmatch(r"(.*?)(?:_seed(\d+))?", path.stem).groups()  # type: ignore[union-attr]  # always matches
    return row, int(seed or 0)


def _damaged(path: Path, row: str, why: str) -> LandslideError:
    return LandslideError(
        f"{path}: is damaged or of an earlier version ({why}); write it anew from the finished run: "
        f"python experiments/{f'table5_{row}' if row in ROWS else row}.py"
    )


def check_same_images(results: Sequence[Result]) -> None:
    """Raise `LandslideError` where two of `results` were scored on different images: they cannot be compared."""
    first = results[0]
    for other in results[1:]:
        if other.per_image.keys() != first.per_image.keys():
            raise LandslideError(
                f"{other.path}: was scored on other images ({other.split}) than {first.path} ({first.split}); keep "
                "results of different test images in different folders."
            )
