"""What a person at the screen sees of long work."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from tqdm import tqdm

Item = TypeVar("Item")
Track = Callable[..., Iterable]  # `untracked`, or what `bar` gives


SHOWN = {"leave": False, "dynamic_ncols": True, "disable": None}  # of every bar: none where there is no screen


def progress(length: int, description: str, unit: str = "image", done: int = 0) -> "tqdm":
    """A tqdm bar on standard error with time left, as a context manager; none where that is not a screen.

    `done` is how much of `length` was done before; it does not count for the speed.
    """
    from tqdm import tqdm

    return tqdm(total=length, desc=description, unit=unit, initial=done, **SHOWN)


def untracked(items: Iterable[Item], total: int | None = None) -> Iterable[Item]:
    """`items` as they are: how a function goes through them that nobody watches."""
    return items


def bar(description: str, unit: str = "image") -> Track:
    """`untracked` for a screen: the function goes through its items behind a bar as in `progress`.

    Of items whose number is not known, `total` says it.
    """

    from tqdm import tqdm

    return lambda items, total=None: tqdm(items, total=total, desc=description, unit=unit, **SHOWN)


def say(line: str) -> None:
    """Print above a bar, if one is there."""
    from tqdm import tqdm

    tqdm.write(line)


def load_tensorflow() -> None:
    """Import TensorFlow without its notices about what the machine lacks."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with standard_error_closed():
        import tensorflow  # noqa: F401


@contextlib.contextmanager
def standard_error_closed() -> Iterator[None]:
    """TensorFlow's C++ side writes to the file descriptor before its log level counts."""
    saved = os.dup(2)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
