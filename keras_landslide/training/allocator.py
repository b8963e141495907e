"""Keep freed memory for the next step instead of handing it back to the system after every operation."""

import ctypes
import sys

# The numbers of glibc's mallopt parameters (malloc.h).
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8


def keep_freed_memory() -> bool:
    """Tell glibc's allocator to reuse large blocks; returns whether it could.

    TensorFlow on a CPU takes every activation from `malloc`. By default blocks over 32 MB are mapped and unmapped each
    time, so that the system clears every page anew: on some processors a good quarter of a training step's time, on
    others nothing (measured by `benchmarks/train_step.py`, in `docs/measurements.md`). Call it before the first step;
    the process then keeps its peak memory until it ends. Elsewhere than on Linux with glibc it does nothing.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = {_MMAP_MAX: 0, _TRIM_THRESHOLD: -1, _TOP_PAD: 256 << 20, _ARENA_MAX: 1}
    return all([mallopt(parameter, value) for parameter, value in wanted.items()])
