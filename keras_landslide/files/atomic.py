"""Files and folders that appear under their names only when complete; text, JSON."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import LandslideError


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
