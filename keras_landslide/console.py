"""What a person at the screen sees of long work."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqdm import tqdm


def progress(length: int, description: str, unit: str = "image", done: int = 0) -> "tqdm":
    """A tqdm bar on standard error with time left, as a context manager; none where that is not a screen.

    `done` is how much of `length` was done before; it does not count for the speed.
    """
    from tqdm import tqdm

    return tqdm(total=length, desc=description, unit=unit, initial=done, leave=False, dynamic_ncols=True, disable=None)
