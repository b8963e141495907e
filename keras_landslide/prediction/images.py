"""Images → masks at native size, overlays and a table."""

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..console import Track, untracked
from ..data.voc import IMAGES, voc_root
from ..errors import LandslideError
from ..files.atomic import csv_text, write_json, write_text
from ..files.checks import continued, identity
from ..files.images import IMAGE_SUFFIXES, check_name, images_in, read_grey, read_image, write_image
from ..pictures import overlay
from .predictor import Predictor, warn_of_shrinking

MADE_OF = "predict.json"  # in a folder of predictions: which images and weights they belong to
INSIDE = ("masks", "overlays")  # folders in it


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
            check_name(path)
            inside = [path]
        for image in inside:
            found.setdefault(image.resolve(), image)
    if problems:
        raise LandslideError("Not all of the input can be used; mend or leave out:", files=problems)
    return list(found.values())


def output_names(images: Sequence[Path]) -> list[str]:
    """A name for each image's files: its stem, with as many of its folders before it as make it unique.

    Images of one folder that differ in their suffixes alone have those in their names.

    >>> output_names([Path("a/x.png"), Path("b/x.png"), Path("b/y.png"), Path("b/y.jpg")])
    ['a_x', 'b_x', 'y_png', 'y_jpg']
    """
    beside = Counter((image.resolve().parent, image.stem.lower()) for image in images)
    alike = [beside[image.resolve().parent, image.stem.lower()] > 1 for image in images]
    own = [image.stem + image.suffix.replace(".", "_") * several for image, several in zip(images, alike, strict=True)]
    names = own.copy()
    for depth in range(1, 1 + max(len(image.resolve().parts) for image in images)):
        taken = Counter(name.lower() for name in names)  # some file systems ignore case
        if max(taken.values()) == 1:
            return names
        for number, image in enumerate(images):
            if taken[names[number].lower()] > 1:
                folders = image.resolve().parts[:-1][-depth:] if depth > 1 else (image.resolve().parent.name,)
                names[number] = "_".join([*(folder.strip("/") for folder in folders), own[number]])
    return [f"{name}_{number}" for number, name in enumerate(names)]


def predict(
    predictor: Predictor,
    paths: Sequence[Path | str],
    out: Path | str = "predictions",
    *,
    weights: dict | None = None,
    overwrite: bool = False,
    resume: bool = False,
    track: Track = untracked,
) -> list[Prediction]:
    """Write `masks/NAME.png` (0/255, native size), `overlays/NAME.png` and `predictions.csv` to the folder `out`.

    Raises `LandslideError` before anything is written if an image is unreadable or the folder cannot be used: every
    image is decoded once for that, and once more to be predicted, so that one at a time is in memory. `predict.json` in
    the folder says of which images and weights it is (`weights` as `StoredWeights.stamp` gives them). With `overwrite`
    a folder that has this file is replaced; with `resume` images whose files are there already are left as they are.
    `track` may show how far it is (`console.bar`).

    Example, with weights of the package:
        >>> import tempfile
        >>> from keras_landslide import load_model
        >>> from keras_landslide.data.synthetic import mountain_scene
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_image(folder / "photo.png", mountain_scene(1, (96, 128)).image)
        >>> predictor = Predictor.of(load_model("pspnet_mobilenet_v2"))
        >>> (prediction,) = predict(predictor, [folder / "photo.png"], folder / "predictions")
        >>> prediction.mask.relative_to(folder).as_posix(), prediction.width, prediction.height
        ('predictions/masks/photo.png', 128, 96)
    """
    images, folder = find_images(paths), Path(out)
    if not images:
        raise LandslideError("There is no image to predict; give files or folders.")
    made = {(folder / inside).resolve() for inside in INSIDE}
    for image in images:
        if made & set(image.resolve().parents):
            raise LandslideError(f"{image}: is what predict made in {folder}; choose another --out.")
    made_of = _made_of(predictor, images, weights)
    goes_on = continued(folder, MADE_OF, made_of, made_by="predict", overwrite=overwrite, resume=resume)
    warn_of_shrinking(predictor, check_readable(images))
    if not goes_on:
        _begin(folder, made_of)
    done = [
        _found(path, folder, name) or _predicted(predictor, path, folder, name)
        for path, name in track(list(zip(images, output_names(images), strict=True)))
    ]
    write_text(folder / "predictions.csv", _table(done, folder))
    return done


def _made_of(predictor: Predictor, images: Sequence[Path], weights: dict | None) -> dict:
    """The content of `predict.json`: all that the masks depend on."""
    return {"weights": weights, **predictor.to_json(), "images": [identity(path) for path in images]}


def _begin(folder: Path, made_of: dict) -> None:
    """Mark `folder` as one of predictions that are `made_of` this; those of an earlier run go."""
    (folder / "predictions.csv").unlink(missing_ok=True)
    for inside in INSIDE:
        shutil.rmtree(folder / inside, ignore_errors=True)
    write_json(folder / MADE_OF, made_of)


def _found(path: Path, folder: Path, name: str) -> Prediction | None:
    """What an earlier run, which was stopped, wrote for an image; `None` where it had not come to it."""
    mask, drawn = _files(folder, name)
    if not (mask.is_file() and drawn.is_file()):
        return None
    landslide = read_grey(mask) > 0
    return Prediction(path, mask, drawn, landslide.shape[1], landslide.shape[0], int(landslide.sum()))


def _predicted(predictor: Predictor, path: Path, folder: Path, name: str) -> Prediction:
    image = read_image(path)
    landslide = predictor.classes(image) == 1
    mask, drawn = _files(folder, name)
    write_image(mask, landslide.astype(np.uint8) * 255)
    write_image(drawn, overlay(image, landslide))
    height, width = landslide.shape
    return Prediction(path, mask, drawn, width, height, int(landslide.sum()))


def _files(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / "masks" / f"{name}.png", folder / "overlays" / f"{name}.png"


def check_readable(images: Sequence[Path]) -> list[tuple[int, int]]:
    """Height and width of every image; raises one `LandslideError` that names all that are unreadable."""
    problems, sizes = [], []
    for path in images:
        try:
            sizes.append(read_image(path).shape[:2])
        except LandslideError as error:
            problems.append(str(error))
    if problems:
        raise LandslideError(f"{len(problems)} of {len(images)} images cannot be read:", files=problems)
    return sizes


def _table(predictions: Sequence[Prediction], folder: Path) -> str:
    head = ("image", "mask", "width", "height", "landslide_pixels", "landslide_share")
    lines = (
        (
            made.image,
            made.mask.relative_to(folder).as_posix(),
            made.width,
            made.height,
            made.landslide_pixels,
            f"{made.landslide_share:.6f}",
        )
        for made in predictions
    )
    return csv_text([head, *lines])
