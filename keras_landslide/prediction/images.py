"""Images → masks at native size, overlays and a table."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..console import untracked
from ..data.voc import IMAGES, voc_root
from ..errors import LandslideError
from ..files.atomic import write_text
from ..files.checks import free_folder
from ..files.images import IMAGE_SUFFIXES, images_in, read_image, write_image
from ..pictures import overlay
from .predictor import Predictor


@dataclass(frozen=True)
class Prediction:
    """What was written for one image."""

    image: Path
    mask: Path
    overlay: Path
    width: int
    height: int
    landslide_pixels: int

    @property
    def landslide_share(self) -> float:
        return self.landslide_pixels / (self.width * self.height)


def find_images(paths: Sequence[Path | str]) -> list[Path]:
    """Images among files and folders, each once; of a folder in VOC's form those in `JPEGImages`.

    Raises `LandslideError` naming all that are missing or no images.
    """
    found: dict[Path, Path] = {}
    problems = []
    for path in map(Path, paths):
        if path.is_dir():
            root = voc_root(path)
            inside = images_in(root / IMAGES if root else path)
            if not inside:
                problems.append(f"{path}: holds no images")
        elif not path.is_file():
            problems.append(f"{path}: no such file or folder")
            continue
        elif path.suffix.lower() not in IMAGE_SUFFIXES:
            problems.append(f"{path}: is not an image; give {', '.join(IMAGE_SUFFIXES)}")
            continue
        else:
            inside = [path]
        for image in inside:
            found.setdefault(image.resolve(), image)
    if problems:
        raise LandslideError("Not all of the input can be used; mend or leave out:", files=problems)
    return list(found.values())


def output_names(images: Sequence[Path]) -> list[str]:
    """A name for each image's files: its stem, with as many of its folders before it as make it unique.

    >>> output_names([Path("a/x.png"), Path("b/x.png"), Path("b/y.png")])
    ['a_x', 'b_x', 'y']
    """
    names = [image.stem for image in images]
    for depth in range(1, 1 + max(len(image.resolve().parts) for image in images)):
        taken = Counter(name.lower() for name in names)  # some file systems ignore case
        if max(taken.values()) == 1:
            return names
        for number, image in enumerate(images):
            if taken[names[number].lower()] > 1:
                folders = image.resolve().parts[:-1][-depth:] if depth > 1 else (image.resolve().parent.name,)
                names[number] = "_".join([*(folder.strip("/") for folder in folders), image.stem])
    return [f"{name}_{number}" for number, name in enumerate(names)]


def predict(
    predictor: Predictor,
    paths: Sequence[Path | str],
    out: Path | str,
    *,
    overwrite: bool = False,
    track: Callable[..., Iterable] = untracked,
) -> list[Prediction]:
    """Write `masks/NAME.png` (0/255, native size), `overlays/NAME.png` and `predictions.csv` to the folder `out`.

    Raises `LandslideError` before anything is written if an image is unreadable or the folder cannot be used: every
    image is decoded once for that, and once more to be predicted, so that one at a time is in memory. `track` may show
    how far it is (`console.bar`).
    """
    images = find_images(paths)
    check_readable(images)
    folder = free_folder(out, overwrite=overwrite)
    done = [
        _predicted(predictor, path, folder, name)
        for path, name in track(list(zip(images, output_names(images), strict=True)))
    ]
    write_text(folder / "predictions.csv", _table(done, folder))
    return done


def _predicted(predictor: Predictor, path: Path, folder: Path, name: str) -> Prediction:
    image = read_image(path)
    landslide = predictor.classes(image) == 1
    mask, drawn = folder / "masks" / f"{name}.png", folder / "overlays" / f"{name}.png"
    write_image(mask, landslide.astype(np.uint8) * 255)
    write_image(drawn, overlay(image, landslide))
    height, width = landslide.shape
    return Prediction(path, mask, drawn, width, height, int(landslide.sum()))


def check_readable(images: Sequence[Path]) -> None:
    """Raise one `LandslideError` that names every unreadable image."""
    problems = []
    for path in images:
        try:
            read_image(path)
        except LandslideError as error:
            problems.append(str(error))
    if problems:
        raise LandslideError(f"{len(problems)} of {len(images)} images cannot be read:", files=problems)


def _table(predictions: Sequence[Prediction], folder: Path) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["image", "mask", "width", "height", "landslide_pixels", "landslide_share"])
    for made in predictions:
        mask = made.mask.relative_to(folder).as_posix()
        writer.writerow(
            [made.image, mask, made.width, made.height, made.landslide_pixels, f"{made.landslide_share:.6f}"]
        )
    return table.getvalue()
