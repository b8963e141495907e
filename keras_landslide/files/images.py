"""Pixels and image files: RGB in memory, whatever is on disk."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ..errors import LandslideError
from .atomic import written_beside

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
            opaque = image.mode == "RGBX" or (image.mode == "RGBA" and transparency(np.array(image)) is None)
            mode, kept = image.mode, opaque or image.mode in INDEXED_MODES
            stored = np.array(image.convert("RGB") if opaque else image) if kept else None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the system's; Pillow's own have no number
            raise LandslideError(f"{path}: cannot be read ({error.strerror}).") from error
        raise LandslideError(f"{path}: is not a readable image; replace or remove the file.") from error
    if stored is None:
        raise LandslideError(f"{path}: a mask has a palette, 8-bit grey values or RGB, this file is {mode}.")
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


def jpeg(image: np.ndarray, quality: int = 88) -> bytes:
    """`(H, W, 3)` uint8 RGB as a JPEG whose colours have the resolution of its brightness: thin lines keep theirs."""
    how = (cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), how)[1].tobytes()


def by_stem(folder: Path, problems: list[str]) -> dict[str, Path]:
    """The image files of `folder` by name without suffix; a name that comes twice is added to `problems`."""
    found: dict[str, Path] = {}
    for path in images_in(folder):
        if path.stem in found:
            problems.append(f"{path}: has the same name as {found[path.stem].name}")
        found.setdefault(path.stem, path)
    return found


def images_in(folder: Path) -> list[Path]:
    """The image files of `folder`, sorted; hidden files are left out."""
    found = sorted(
        path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )
    for path in found:
        check_name(path)
    return found


def check_name(path: Path) -> None:
    """Raise `LandslideError` for a path whose bytes are those of another encoding: no table could name it."""
    if str(path) != str(path).encode(errors="ignore").decode():
        raise LandslideError(f"{str(path)!a}: the name is not valid text; rename it.")
