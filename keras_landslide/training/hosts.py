"""Training on several hosts: JAX joins their processes, and each reads its own part of every batch.

What is trained is what one process would train: the same global batches, losses and statistics over all of a batch,
the same weights everywhere. Process 0 alone writes the run folder.
"""

import atexit
import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from ..data.sample import Sample
from ..errors import LandslideError
from ..settings import Settings
from .compute import check_batches, on_jax

# What `keras.distribution.initialize` reads.
ADDRESSES, PROCESSES, PROCESS = (
    f"KERAS_DISTRIBUTION_{name}" for name in ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID")
)
# Settings that may differ from host to host.
OF_A_HOST = ("backbone_weights", "init_weights", "num_workers")


@dataclass(frozen=True)
class Hosts:
    """This process and how many train together; `joined` says whether the environment asks for it."""

    process: int = 0
    processes: int = 1
    joined: bool = False

    @property
    def shard(self) -> tuple[int, int]:
        """Which part of every batch this process reads: (number, of how many)."""
        return self.process, self.processes

    @property
    def writes(self) -> bool:
        """Whether this process writes the run folder and reports."""
        return self.process == 0

    def folder(self, out: Path | str) -> Path:
        """The run folder `out`; for a process that does not write it, a folder of its own until it ends."""
        if self.writes:
            return Path(out)
        own = Path(tempfile.mkdtemp(prefix="keras-landslide-"))
        atexit.register(shutil.rmtree, own, ignore_errors=True)
        return own

    def join(self, settings: Settings, *samples: Sequence[Sample]) -> None:
        """Wait for the other processes, and check that all train the same with `samples`.

        Raises `LandslideError` if they cannot be reached, have other settings or images, or if the batches cannot be
        dealt out evenly over their devices. Nothing may have been computed with JAX before.
        """
        if self.joined:
            _connect()
            _check_devices(settings)
            _check_agreement(settings, samples)

    def scope(self) -> contextlib.AbstractContextManager:
        """Within it models are built, compiled and trained as the same on all devices, each with its part of a batch.

        Outside of it each process works alone, as for the scores of the finished model.
        """
        if not self.joined:
            return contextlib.nullcontext()
        # Keras would have every process read every batch and throw away the parts of the others.
        return keras.distribution.DataParallel(auto_shard_dataset=False).scope()

    def __str__(self) -> str:
        import jax

        return f"{self.processes} processes with {jax.device_count()} devices"


def hosts() -> Hosts:
    """What the environment says; raises `LandslideError` where it says only half, or what cannot be.

    >>> hosts()
    Hosts(process=0, processes=1, joined=False)
    """
    given = {name: os.environ[name] for name in (ADDRESSES, PROCESSES, PROCESS) if os.environ.get(name)}
    if not given:
        return Hosts()
    missing = [name for name in (ADDRESSES, PROCESSES, PROCESS) if name not in given]
    if missing:
        raise LandslideError(
            f"{' and '.join(given)} set, {' and '.join(missing)} not; set all three to train on several hosts, or none."
        )
    if not on_jax():
        raise LandslideError(
            f"Several hosts train together with KERAS_BACKEND=jax alone, this is {keras.backend.backend()}; set it, or "
            f"unset {', '.join(given)}."
        )
    _check_addresses(given[ADDRESSES], given[PROCESSES])
    processes = _number(PROCESSES, given[PROCESSES], 1, None)
    return Hosts(_number(PROCESS, given[PROCESS], 0, processes - 1), processes, joined=True)


def _number(name: str, text: str, least: int, most: int | None) -> int:
    if not text.isdecimal() or int(text) < least or (most is not None and int(text) > most):
        allowed = f"{least} to {most}" if most is not None else f"{least} or more"
        raise LandslideError(f"{name}={text} is not possible; give a whole number, {allowed}.")
    return int(text)


def _check_addresses(text: str, processes: str) -> None:
    addresses = text.split(",")
    if not all(address.rpartition(":")[0] and address.rpartition(":")[2].isdecimal() for address in addresses):
        raise LandslideError(f"{ADDRESSES}={text} is not possible; give HOST:PORT of process 0, such as 10.0.0.1:1234.")
    if len(addresses) > 1 and str(len(addresses)) != processes:
        raise LandslideError(
            f"{ADDRESSES} has {len(addresses)} addresses, {PROCESSES} is {processes}; give one for each process, or "
            "that of process 0 alone."
        )


def _connect() -> None:
    import jax

    if jax.distributed.is_initialized():
        return
    try:
        keras.distribution.initialize()
    except RuntimeError as error:
        reason = str(error).strip().split("\n")[0]
        raise LandslideError(
            f"The processes of {ADDRESSES}={os.environ[ADDRESSES]} did not come together ({reason}); start all of them "
            "within five minutes, with an address that every host can reach, before anything else uses JAX."
        ) from error


def _check_devices(settings: Settings) -> None:
    import jax

    devices = jax.device_count()
    if len(set(Counter(device.process_index for device in jax.devices()).values())) > 1:
        raise LandslideError(f"The processes have unequal numbers of devices, {devices} in all; give each the same.")
    check_batches(settings, devices)


def _check_agreement(settings: Settings, samples: Sequence[Sequence[Sample]]) -> None:
    """All processes compare what they are about to train; each sees the same, so all stop or none."""
    from jax.experimental.multihost_utils import process_allgather

    digest = np.frombuffer(_digest(settings, samples), np.uint8)
    digests = np.reshape(process_allgather(digest), (-1, digest.size))
    others = [str(number) for number in range(len(digests)) if not np.array_equal(digests[number], digests[0])]
    if others:
        raise LandslideError(
            f"Other settings, images or labels than in process 0: process {', '.join(others)}; give all of them the "
            "same command and the same data."
        )


def _digest(settings: Settings, samples: Sequence[Sequence[Sample]]) -> bytes:
    """What tells one training from another: settings, names of the images, and the masks that complete their labels."""
    same = {name: value for name, value in settings.to_json().items() if name not in OF_A_HOST}
    named = [[[sample.name, [one.mask.name for one in sample.neighbours]] for sample in part] for part in samples]
    return hashlib.sha256(json.dumps([same, named], sort_keys=True).encode()).digest()
