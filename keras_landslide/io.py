"""Images in RGB, JSON, and files that appear under their names only when complete."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

from .errors import LandslideError

if TYPE_CHECKING:
    from tqdm import tqdm

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
TIFF = (".tif", ".tiff")
INDEXED_MODES = ("1", "L", "P", "RGB")  # Pillow's names of what a mask of class numbers can be stored as


def read_image(path: Path | str) -> np.ndarray:
    """Read an image file as RGB, `(H, W, 3)` uint8, as it is stored: not turned by an EXIF tag, which masks lack too.

    Transparency is left out. Raises `LandslideError` if the file is missing, cannot be decoded, has more than 8 bits a
    band, or is a TIFF with a fourth band (OpenCV itself returns `None`, BGR, and turned, dark or multiplied pixels).
    """
    stored = read_stored(path)
    if stored.dtype != np.uint8:
        raise LandslideError(
            f"{path}: holds {stored.dtype} values; store 8 bits a band, scaled as you would look at it."
        )
    if stored.ndim == 3 and stored.shape[2] > 3 and Path(path).suffix.lower() in TIFF and stored[..., 3].min() < 255:
        raise LandslideError(f"{path}: has {stored.shape[2]} bands; store red, green and blue alone.")
    if stored.ndim == 2 or stored.shape[2] < 3:
        return cv2.cvtColor(stored.reshape(*stored.shape[:2], -1)[..., 0], cv2.COLOR_GRAY2RGB)
    return cv2.cvtColor(np.ascontiguousarray(stored[..., :3]), cv2.COLOR_BGR2RGB)


def read_grey(path: Path | str) -> np.ndarray:
    """Read a single-channel image such as a mask as stored, `(H, W)` uint8 or uint16; colour files are refused."""
    grey = read_stored(path)
    if not np.issubdtype(grey.dtype, np.unsignedinteger):
        raise LandslideError(f"{path}: holds {grey.dtype} values; a mask has whole numbers from 0.")
    if transparency(grey) is not None:
        raise LandslideError(f"{path}: is transparent in places; a mask has one channel.")
    if grey.ndim == 3 and grey.shape[2] >= 3 and (np.ptp(grey[..., :3], axis=2) == 0).all():
        grey = grey[..., 0]
    if grey.ndim != 2:
        raise LandslideError(f"{path}: a mask must have one channel, this file has {grey.shape[2]}.")
    return grey


def read_stored(path: Path | str) -> np.ndarray:
    """Read an image file as it is stored: `(H, W)` or `(H, W, channels)` in BGR order, of whatever dtype."""
    return _decode(path, cv2.IMREAD_UNCHANGED)


def transparency(stored: np.ndarray) -> np.ndarray | None:
    """The last of two or four channels, `(H, W)`, where it differs from pixel to pixel; `None` elsewhere."""
    if stored.ndim == 3 and stored.shape[2] in (2, 4) and np.ptp(stored[..., -1]) > 0:
        return stored[..., -1]
    return None


def read_indexed(path: Path | str) -> np.ndarray:
    """Read a mask as stored: a palette's indices or grey values, `(H, W)` uint8, or colours, `(H, W, 3)` uint8 RGB.

    Pillow reads it, because OpenCV and TensorFlow put a palette's colours in the place of its indices.
    """
    try:
        with Image.open(path) as image:
            if image.mode == "RGBX" or (image.mode == "RGBA" and transparency(np.array(image)) is None):
                image = image.convert("RGB")
            stored = np.array(image) if image.mode in INDEXED_MODES else None
    except FileNotFoundError as error:
        raise LandslideError(f"{path}: cannot be read ({error.strerror}).") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise LandslideError(f"{path}: is not a readable image; replace or remove the file.") from error
    if stored is None:
        raise LandslideError(f"{path}: a mask has a palette, 8-bit grey values or RGB, this file is {image.mode}.")
    return stored.astype(np.uint8)


def _decode(path: Path | str, flags: int) -> np.ndarray:
    try:
        encoded = np.fromfile(path, np.uint8)  # unlike cv2.imread, takes any file name on every system
    except OSError as error:
        raise LandslideError(f"{path}: cannot be read ({error.strerror or error}).") from error
    try:
        image = cv2.imdecode(encoded, flags) if encoded.size else None
    except cv2.error as error:  # a header that promises more than a thousand million pixels
        raise LandslideError(f"{path}: is damaged or too large to be an image of this kind.") from error
    if image is None:
        raise LandslideError(f"{path}: is not a readable image; replace or remove the file.")
    return image


def write_image(path: Path | str, image: np.ndarray) -> None:
    """Write `(H, W, 3)` uint8 RGB or `(H, W)` uint8 grey to `path`; the suffix says the format."""
    path = Path(path)
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    encoded = cv2.imencode(path.suffix, image)[1]
    with written_beside(path) as beside:
        beside.write_bytes(encoded.tobytes())


def write_json(path: Path | str, content: object) -> None:
    """Write `content` as JSON, indented, small lists on one line each."""
    write_text(path, json_text(content))


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text."""
    with written_beside(Path(path)) as beside:
        beside.write_text(text, encoding="utf-8")


def read_json(path: Path | str) -> object:
    """Read a JSON file; raises `LandslideError` if it is missing or damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise LandslideError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except ValueError as error:
        raise LandslideError(f"{path}: is not valid JSON ({error}).") from error


def json_text(content: object, indent: int = 0) -> str:
    """JSON in which a dictionary of more than plain values takes a line a key, and everything else one line.

    >>> print(json_text({"miou": 0.5, "per_image": {"a": [[1, 0], [0, 2]]}}))
    {
      "miou": 0.5,
      "per_image": {"a": [[1, 0], [0, 2]]}
    }
    <BLANKLINE>
    """
    text = _json_lines(content, indent)
    return text + "\n" if indent == 0 else text


def _json_lines(content: object, indent: int) -> str:
    one_line = json.dumps(content, ensure_ascii=False)
    if not isinstance(content, dict) or (indent > 0 and len(one_line) + indent <= 110):
        return one_line
    inner = " " * (indent + 2)
    lines = [f"{inner}{json.dumps(str(key))}: {_json_lines(value, indent + 2)}" for key, value in content.items()]
    return "{\n" + ",\n".join(lines) + "\n" + " " * indent + "}"


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it to `path` when the block ends well, else remove it.

    A reader therefore never sees half a file, whatever kills the writer. Raises `LandslideError` where the folder
    cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-", suffix=path.name)
    except OSError as error:
        raise LandslideError(f"{path}: cannot be written ({error.strerror or error}); choose another place.") from error
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        beside.chmod(0o666 & ~_umask())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def check_space(path: Path, size: int) -> None:
    """Raise `OSError` if `size` bytes cannot be written to the file `path`, which is there to be written."""
    try:
        if hasattr(os, "posix_fallocate"):
            with path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        elif shutil.disk_usage(path.parent).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}: {size / 1e6:.0f} MB", str(path.parent)) from error


@contextmanager
def folder_written_beside(path: Path | str, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder whose content moves into the folder `path` when the block ends well, else is removed.

    What `path` holds under the same names is replaced; all else stays, or goes with `replace`. Raises `LandslideError`
    where nothing can be written.
    """
    path = Path(path)
    inside = path if path.is_dir() else path.parent  # not beside a folder that is there: it may be `.` or another disk
    try:
        inside.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=inside, prefix=".writing-"))
    except OSError as error:
        raise LandslideError(f"{path}: cannot be written ({error.strerror or error}); choose another place.") from error
    try:
        yield beside
        path.mkdir(exist_ok=True)
        made = {one.name for one in beside.iterdir()}
        for one in path.iterdir():
            if one.name != beside.name and (replace or one.name in made):  # by name: one may be relative, one absolute
                shutil.rmtree(one) if one.is_dir() and not one.is_symlink() else one.unlink()
        for name in made:
            (beside / name).replace(path / name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def free_folder(path: Path | str, *, overwrite: bool = False) -> Path:
    """Check that `path` can become an output folder: writable, and empty or not there unless `overwrite`.

    Raises `LandslideError` otherwise. Nothing is made: the first file written makes the folder.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise LandslideError(f"{path}: is a file; give a folder.")
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise LandslideError(f"{path}: exists and is not empty; add --overwrite or choose another --out.")
    check_writable(path)
    return path


def check_copy(source: Path | str, out: Path | str, made_by: str, *, overwrite: bool = False) -> None:
    """Check that a folder made from the data in `source` can be written to `out`, which is free or made so before.

    `made_by` is the file in it that says so: nothing else is ever overwritten. Raises `LandslideError` otherwise.
    """
    inside, outside = Path(out).resolve(), Path(source).resolve()
    if inside == outside or inside in outside.parents or outside in inside.parents:
        raise LandslideError(f"{out}: is in the way of {source} itself; choose another --out.")
    free_folder(out, overwrite=overwrite)
    if Path(out).is_dir() and any(Path(out).iterdir()) and not (Path(out) / made_by).is_file():
        raise LandslideError(f"{out}: holds something else than what was made so before; choose another --out.")


def check_image_path(path: Path | str) -> None:
    """Raise `LandslideError` if no image file can be written at `path`; leaves no trace."""
    if Path(path).suffix.lower() not in IMAGE_SUFFIXES:
        raise LandslideError(f"{path}: is no image; give a name that ends in one of {', '.join(IMAGE_SUFFIXES)}.")
    check_file(path)


def check_file(path: Path | str) -> None:
    """Raise `LandslideError` if no file can be written at `path`; leaves no trace."""
    if Path(path).is_dir():
        raise LandslideError(f"{path}: is a folder; give the name of a file.")
    check_writable(Path(path).parent)


def check_writable(path: Path | str) -> None:
    """Raise `LandslideError` if nothing can be created at or below the folder `path`; leaves no trace."""
    existing = Path(path).absolute()
    while not existing.exists():
        existing = existing.parent
    try:
        if not existing.is_dir():
            raise NotADirectoryError(20, "not a folder")
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise LandslideError(f"{path}: cannot be written ({error.strerror or error}); choose another place.") from error


def progress(length: int, description: str, unit: str = "image", done: int = 0) -> "tqdm":
    """A tqdm bar on standard error with time left, as a context manager; none where that is not a screen.

    `done` is how much of `length` was done before; it does not count for the speed.
    """
    from tqdm import tqdm

    return tqdm(total=length, desc=description, unit=unit, initial=done, leave=False, dynamic_ncols=True, disable=None)
