"""A zip archive from anywhere, unpacked without trusting it."""

import errno
import lzma
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ...errors import LandslideError
from ...files.images import IMAGE_SUFFIXES
from ..layouts import GROUPS

MAX_BYTES = 16 * 2**30  # unpacked; Bijie has less than one
MAX_FILES = 200_000
BOMB_BYTES = 2**30  # an archive that unpacks to more than this
BOMB_RATIO = 100  # and grows more than so many times is refused: photographs hardly shrink
DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError,
    UnicodeDecodeError,  # a name that is not in the encoding that it says
)  # fmt: skip


@contextmanager
def unpacked(path: Path | str) -> Iterator[Path]:
    """The folder `path` itself, or what the zip archive `path` holds, in a temporary folder until the block ends."""
    if not Path(path).is_file():
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="keras-landslide-") as folder:
        yield unpack_images(path, folder)


def unpack_images(archive: Path | str, target: Path | str) -> Path:
    """Unpack images and tables of groups of a zip archive into the folder `target`; return the folder that holds all.

    Raises `LandslideError` before anything is written if the file is no zip archive, a name leads out of `target`, an
    entry is a link or encrypted, or it unpacks to more than is reasonable or than there is room for; and for entries
    that are damaged. No entry can become larger than it says: zipfile stops there.
    """
    target = Path(target)
    try:
        with zipfile.ZipFile(archive) as file:
            members = _checked(file.infolist(), archive, target)
            for member in members:
                file.extract(member, target)
    except OSError as error:
        # the unpacker's own are a place in the archive that cannot be; the disk's have another number or name a file
        if error.errno not in (None, errno.EINVAL) or error.filename is not None:
            raise
        raise LandslideError(f"{archive}: is damaged ({error}); fetch it again.") from error
    except DAMAGED as error:
        raise LandslideError(f"{archive}: is damaged or not a zip archive ({error}); fetch it again.") from error
    return _innermost(target)


def _checked(members: list[zipfile.ZipInfo], archive: Path | str, target: Path) -> list[zipfile.ZipInfo]:
    """The files wanted among `members`, all of which are looked at first."""
    problems = [f"{member.filename}: {problem}" for member in members if (problem := _problem(member))]
    if problems:
        raise LandslideError(f"{archive}: is not safe to unpack:", files=problems)
    images = [member for member in members if _wanted(PurePosixPath(member.filename))]
    total, packed = sum(member.file_size for member in images), Path(archive).stat().st_size
    if len(images) > MAX_FILES or total > MAX_BYTES or total > max(BOMB_BYTES, BOMB_RATIO * packed):
        raise LandslideError(
            f"{archive}: would unpack to {len(images)} images of {total / 2**30:.1f} GB from {packed / 2**30:.2f} GB, "
            "more than a data set of images should; unpack it yourself if you trust it, and give the folder."
        )
    room = shutil.disk_usage(target).free
    if total > room:
        raise LandslideError(
            f"{archive}: needs {total / 2**30:.1f} GB, {target} has {room / 2**30:.1f} GB left; set TMPDIR to a folder "
            "with more room."
        )
    if not images:
        raise LandslideError(f"{archive}: holds no images ({', '.join(IMAGE_SUFFIXES)}).")
    return images


def _wanted(path: PurePosixPath) -> bool:
    return (path.suffix.lower() in IMAGE_SUFFIXES or path.name == GROUPS) and "__MACOSX" not in path.parts


def _problem(member: zipfile.ZipInfo) -> str | None:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
        return "leads out of the folder"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link"
    if member.flag_bits & 1:
        return "is encrypted"
    return None


def _innermost(folder: Path) -> Path:
    """Down through folders that hold one folder and nothing else, but never past `landslide` or `image`."""
    while len(inside := list(folder.iterdir())) == 1 and inside[0].name not in ("landslide", "non-landslide", "image"):
        if not inside[0].is_dir():
            break
        folder = inside[0]
    return folder
