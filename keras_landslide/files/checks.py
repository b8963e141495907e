"""May this path be written? Asked before any work begins."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from ..errors import LandslideError
from .atomic import finish_moving, read_json
from .images import IMAGE_SUFFIXES


def free_folder(path: Path | str, *, overwrite: bool = False) -> Path:
    """Check that `path` can become an output folder: writable, and empty or not there unless `overwrite`.

    Raises `LandslideError` otherwise. Nothing is made: the first file written makes the folder. What an earlier program
    left half moved there is moved first (`atomic.finish_moving`).
    """
    path = _folder(path)
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise LandslideError(f"{path}: exists and is not empty; add --overwrite or choose another --out.")
    return path


def free_names(folder: Path | str, names: Iterable[str], *, overwrite: bool = False) -> Path:
    """Check that files or folders of these names can be written to `folder`, where others may stand beside them.

    Raises `LandslideError` where one of them is there, unless `overwrite`, or nothing can be written.
    """
    folder = _folder(folder)
    there = [name for name in names if (folder / name).exists()]
    if there and not overwrite:
        raise LandslideError(f"{folder / there[0]}: exists; add --overwrite or choose another folder.")
    return folder


def _folder(path: Path | str) -> Path:
    """A folder that can be written to, or made, with nothing half moved in it; raises `LandslideError` otherwise."""
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise LandslideError(f"{path}: is a file; give a folder.")
    finish_moving(path)
    check_writable(path)
    return path


def continued(
    folder: Path | str, mark: str, made_of: dict, *, made_by: str, overwrite: bool = False, resume: bool = False
) -> bool:
    """Whether `folder` has results that are `made_of` this and are gone on with; nothing is written.

    `mark` is the JSON file in it that says what they are made of, and `made_by` the command that writes it. Raises
    `LandslideError` where the folder may not be used for them.
    """
    if overwrite and resume:
        raise LandslideError("Give --overwrite or --resume, not both.")
    folder = Path(folder)
    used = folder.is_dir() and any(folder.iterdir())
    if used and not (overwrite or resume):
        raise LandslideError(
            f"{folder}: exists and is not empty; add --overwrite, --resume to go on with it, or choose another --out."
        )
    if used and not (folder / mark).is_file():
        raise LandslideError(f"{folder}: was not made by {made_by} (no {mark}); choose another --out.")
    free_folder(folder, overwrite=overwrite or resume)
    if not (used and resume):
        return False
    held = read_json(folder / mark)
    if not isinstance(held, dict):
        raise LandslideError(f"{folder / mark}: is damaged; choose another --out, or --overwrite.")
    other = [name.replace("_", " ") for name in made_of if _told(held, name) != _told(made_of, name)]
    if other:
        raise LandslideError(
            f"{folder}: holds results of other {', '.join(other)}; choose another --out, or --overwrite."
        )
    return True


def identity(path: Path) -> list:
    """What tells a file from others and from what it was: where it lies, its bytes, when it was written."""
    found = path.stat()
    return [str(path.absolute()), found.st_size, found.st_mtime_ns]


def _told(made_of: dict, name: str) -> object:
    """A part of such a file as it is compared: of weights what is in the file, wherever it lies now."""
    value = made_of.get(name)
    return value.get("sha256") if name == "weights" and isinstance(value, dict) else value


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


def check_image_path(path: Path | str, *, overwrite: bool = False) -> None:
    """As `check_file`, for an image."""
    if Path(path).suffix.lower() not in IMAGE_SUFFIXES:
        raise LandslideError(f"{path}: is no image; give a name that ends in one of {', '.join(IMAGE_SUFFIXES)}.")
    check_file(path, overwrite=overwrite)


def check_file(path: Path | str, *, overwrite: bool = False) -> None:
    """Check that a file can be written at `path`, where there is none unless `overwrite`; leaves no trace.

    Raises `LandslideError` otherwise.
    """
    if Path(path).is_dir():
        raise LandslideError(f"{path}: is a folder; give the name of a file.")
    if Path(path).exists() and not overwrite:
        raise LandslideError(f"{path}: exists; add --overwrite or choose another name.")
    check_writable(Path(path).parent)


def check_made_by(path: Path | str, mark: str) -> None:
    """Check that a file can be written at `path`, where there is none or one made so before.

    `mark` stands near the beginning of what was made so: nothing else is ever overwritten. Raises `LandslideError`.
    """
    check_file(path, overwrite=True)
    if not Path(path).exists():
        return
    with Path(path).open("rb") as file:
        if mark.encode() not in file.read(1000):
            raise LandslideError(f"{path}: exists and was not made so before; choose another --out.")


def nearest_existing(path: Path | str) -> Path:
    """`path`, or the nearest folder above it that is there."""
    existing = Path(path).absolute()
    while not existing.exists() and existing != existing.parent:  # a drive that is not there has no folder above it
        existing = existing.parent
    return existing


def check_writable(path: Path | str) -> None:
    """Raise `LandslideError` if nothing can be created at or below the folder `path`; leaves no trace."""
    existing = nearest_existing(path)
    try:
        if not existing.is_dir():
            raise NotADirectoryError(20, "not a folder")
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise LandslideError(f"{path}: cannot be written ({error.strerror or error}); choose another place.") from error
