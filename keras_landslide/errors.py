"""The mistakes that a user can mend, and how mistakes and failures end a program."""

import difflib
import errno
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

# What the system says of a path that the user gave: not of a disk or a network that fails.
_PATH_MISTAKES = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP
}  # fmt: skip


class _WithFiles(Exception):
    """A message, and the files that are meant, one indented line each."""

    def __init__(self, message: str, files: Iterable[str] = ()):
        self.message = message
        self.files = list(files)
        super().__init__("\n  ".join([message, *self.files]))


class LandslideError(_WithFiles, ValueError):
    """A mistake in the input that the user can mend.

    Its text says what was received, what is allowed and the remedy. The command line prints it on one line and exits
    with code 2; `files` are listed below it, one indented line each.

    >>> print(LandslideError("2 masks have no image:", files=["a.png: no image", "b.png: no image"]))
    2 masks have no image:
      a.png: no image
      b.png: no image
    """


class NotANumber(_WithFiles, FloatingPointError):
    """The loss stopped being a finite number; `files` are those of the batch. The run failed: exit code 1."""


def unknown_name(kind: str, received: object, choices: Iterable[str]) -> LandslideError:
    """The error for a name that is not among `choices`: lists them, and the nearest one first.

    >>> print(unknown_name("backbone", "resnet5", ["vgg16", "resnet50"]))
    Unknown backbone 'resnet5'; did you mean 'resnet50'? Choose from: vgg16, resnet50.
    """
    choices = list(choices)
    near = difflib.get_close_matches(str(received), choices, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    return LandslideError(f"Unknown {kind} '{received}'{hint} Choose from: {', '.join(choices)}.")


def first_problem(error: "ValidationError") -> str:
    """What pydantic found wrong first, and where.

    >>> from pydantic import TypeAdapter, ValidationError
    >>> try:
    ...     TypeAdapter(dict[str, list[int]]).validate_python({"sides": [3, None]})
    ... except ValidationError as error:
    ...     print(first_problem(error))
    sides.1: Input should be a valid integer
    """
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]


def exit_code(call: Callable[[], object]) -> int:
    """Run `call` and return the program's exit code: 0 done, 1 the run failed, 2 a mistake to mend, 130 Ctrl-C.

    For all but 0 standard error has one line that begins `keras-landslide: `, followed by one indented line a file
    where several are meant.
    """
    try:
        call()
    except LandslideError as error:
        print(f"keras-landslide: {error}", file=sys.stderr)
        return 2
    except NotANumber as error:
        print(f"keras-landslide: {error}", file=sys.stderr)
        return 1
    except (FloatingPointError, OSError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno in _PATH_MISTAKES and error.filename is not None:
            print(f"keras-landslide: {error.filename}: {error.strerror}; mend the path or its rights.", file=sys.stderr)
            return 2
        print(f"keras-landslide: {' '.join(str(error).split()) or type(error).__name__}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("keras-landslide: stopped.", file=sys.stderr)
        return 130
    except SystemExit as stop:  # argparse after --help and --version
        return int(stop.code or 0)
    return 0
