"""Files and folders that appear under their names only when complete; text, JSON, CSV."""

import csv
import errno
import io
import json
import logging
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import LandslideError

# What is not complete begins with the first; a folder's finished content on its way into place with the others.
WRITING, REPLACING, ADDING = ".writing-", ".replacing-", ".adding-"

log = logging.getLogger("keras_landslide")


def write_json(path: Path | str, content: object) -> None:
    """Write `content` as JSON, indented, small lists on one line each."""
    write_text(path, json_text(content))


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text."""
    with written_beside(Path(path)) as beside:
        beside.write_text(text, encoding="utf-8")


def read_json(path: Path | str) -> Any:
    """Read a JSON file; raises `LandslideError` if it is missing or damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise LandslideError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except ValueError as error:
        raise LandslideError(f"{path}: is not valid JSON ({error}).") from error


def csv_text(rows: Iterable[Sequence]) -> str:
    """The text of a CSV table, the head included.

    >>> csv_text([("name", "group"), ("a", "ridge, north")])
    'name,group\\na,"ridge, north"\\n'
    """
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(rows)
    return table.getvalue()


def json_text(content: object) -> str:
    """JSON in which a dictionary of more than plain values takes a line a key, and everything else one line.

    >>> print(json_text({"miou": 0.5, "per_image": {"a": [[1, 0], [0, 2]]}}))
    {
      "miou": 0.5,
      "per_image": {"a": [[1, 0], [0, 2]]}
    }
    <BLANKLINE>
    """
    return _json_lines(content, 0) + "\n"


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
    beside = path.with_name(f"{WRITING}{secrets.token_hex(4)}{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.touch(exist_ok=False)  # with the rights of any new file
    except OSError as error:
        raise LandslideError(f"{path}: cannot be written ({error.strerror or error}); choose another place.") from error
    try:
        yield beside
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

    What `path` holds under the same names is replaced; all else stays, or goes with `replace`. Where it was killed
    while it moved, `finish_moving` finds the new content complete and does the rest. Raises `LandslideError` where
    nothing can be written.
    """
    path = Path(path)
    if path.is_dir():
        _move(path)  # what a killed program left there, if nobody has looked yet (`finish_moving`)
    inside = path if path.is_dir() else path.parent  # not beside a folder that is there: it may be `.` or another disk
    token = secrets.token_hex(4)
    beside = inside / f"{WRITING}{token}"
    try:
        beside.mkdir(parents=True)
    except OSError as error:
        raise LandslideError(f"{path}: cannot be written ({error.strerror or error}); choose another place.") from error
    try:
        yield beside
        if path.is_dir():
            beside.rename(path / f"{REPLACING if replace else ADDING}{token}")  # from here on the new content counts
            _move(path)
        else:
            beside.rename(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def finish_moving(folder: Path) -> None:
    """Complete what a program was killed in the middle of: moving finished content into the place of the old.

    Says so in a warning. Content that was not finished when its program was killed does not count, and what was there
    before is whole; a warning says where it lies.
    """
    if not folder.is_dir():
        return
    if _move(folder):
        log.warning("%s: a program was killed while it put its results here; they are complete now.", folder)
    for left in sorted(folder.glob(f"{WRITING}*")):
        log.warning("%s: is of a program that was killed, or still writes; the files beside it are whole.", left)


def _move(folder: Path) -> bool:
    """Put finished content in `folder` into place; whether there was any. May be begun again wherever it stopped."""
    for new in folder.glob(f"{REPLACING}*"):
        for old in folder.iterdir():
            if old.name != new.name:
                _remove(old)
        new.rename(folder / new.name.replace(REPLACING, ADDING, 1))  # now nothing old is left
    finished = list(folder.glob(f"{ADDING}*"))
    for new in finished:
        for one in new.iterdir():
            _remove(folder / one.name)
            one.rename(folder / one.name)
        new.rmdir()
    return bool(finished)


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
