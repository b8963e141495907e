"""On what a training runs: the machine, the versions of what computes, the commit of this package."""

import datetime
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import tensorflow as tf

from .compute import on_jax, processor

PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python-headless")


def circumstances() -> dict:
    """What a run's `settings.json` and a file in `results/` say of it: `date`, `machine`, `versions`, `commit`."""
    return {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": {name: metadata.version(name) for name in (*PACKAGES, *(["jax"] if on_jax() else []))},
        "commit": commit(),
    }


def machine() -> dict:
    """What this runs on: processor, cores, memory in GB, accelerators."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return {
        "processor": processor().get("model name") or platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 2**30),
        "gpus": [device.name for device in tf.config.list_physical_devices("GPU")],
        "system": platform.system(),
    }


def commit() -> str | None:
    """The git commit of this package, with `-dirty` where its files differ; `None` where it is no checkout."""
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():
        return None
    command = ["git", "describe", "--always", "--exclude=*", "--abbrev=40", "--dirty"]
    try:
        return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):  # no git here, or the folder is another user's
        return None
