"""The blocks of scenes on several processes or machines, by way of Dask: a block is a task, and makes one file.

Only files on a shared file system go between those who make blocks and the one who puts them together. Whatever becomes
of a worker, a block is there or is made again.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..errors import LandslideError
from .blocks import Block, Watch, windows_of
from .extra import INSTALL_BOTH, check_dask
from .raster import Scene
from .worker import Recipe, Work, appears, look, make_block

if TYPE_CHECKING:
    from distributed import Client, Future

    from ..models.saving import StoredWeights
    from .plan import Job, Options

FILES = ".shared-"  # begins the folder, in a folder of maps, of what workers need
ANSWERS = 10  # seconds for a scheduler to answer
ARRIVES = 90  # seconds for a worker's file to be seen here: some file systems remember long what was not there
LOGGERS = ("distributed", "distributed.client", "distributed.gc", "tornado", "tornado.application", "asyncio")
IGNORE_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"


@dataclass(frozen=True)
class Cluster:
    """Who makes blocks: so many `workers`, processes on this machine, or those of a Dask `scheduler` at an address.

    The scheduler's workers see scenes and results under the same paths. A script that asks for `workers` needs
    `if __name__ == "__main__":`, because each of them reads it. Raises `LandslideError` unless one of the two is given.
    """

    workers: int | None = None
    scheduler: str | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise LandslideError(f"--workers {self.workers} is not possible; give 1 or more.")
        if bool(self.workers) == bool(self.scheduler):
            raise LandslideError("Give --workers or --scheduler, not both.")


@dataclass(frozen=True)
class Team:
    """A cluster that is there: whom to ask, a folder of files that all workers see, and in how many threads each of
    them computes; `None` for as many as Dask gave it."""

    client: Client
    files: Path
    threads: int | None


@dataclass(frozen=True)
class Share:
    """The blocks of a scene that are still to be made, and the folder where they go."""

    job: Job
    folder: Path
    todo: list[Block]


@contextmanager
def team(cluster: Cluster, folder: Path, scenes: Sequence[Scene], blocks: int) -> Iterator[Team]:
    """Those who make `blocks` blocks of `scenes` for the folder of maps `folder`, each of them checked.

    Raises `LandslideError` where Dask is not installed, the scheduler does not answer or has no workers, or a worker
    does not see the folder, cannot write there, cannot open a scene, or has another version of this package.
    """
    check_dask()
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        if cluster.scheduler:
            threads = None
            client = stack.enter_context(_asked(cluster.scheduler))
        else:
            count = min(cluster.workers or 1, max(blocks, 1))
            threads = max(1, _cores() // count)
            client = stack.enter_context(_started(count))
        files = stack.enter_context(_shared(folder.absolute()))
        _check_workers(client, files, [_anywhere(scene).path for scene in scenes])
        yield Team(client, files, threads)


def recipe_of(
    weights: Sequence[StoredWeights],
    runtime: str,
    size: int,
    options: Options,
    files: Path,
    report: Callable[[str], object],
) -> Recipe:
    """Lay all that a network is made of in the folder `files`: workers need no file of their own, and convert none."""
    from ..runtimes.engines import converted

    cache, copies = files / "converted", []
    for number, one in enumerate(weights):
        copies.append(str(shutil.copyfile(one.path, files / f"{number}-{one.path.name}")))
        made = converted(one, runtime, size, report=report)
        if made is not None:
            shutil.copytree(made.parent, cache / made.parent.name, dirs_exist_ok=True)
    how = options.average_flips, options.uncertainty, options.bfloat16
    return Recipe(tuple(copies), str(cache), runtime, size, *how)


def map_blocks(
    team: Team, recipe: Recipe, shares: Sequence[Share], *, watch: Watch, finish: Callable[[Job], object]
) -> None:
    """Have every block of `shares` made; `finish` is called with each scene as soon as all of its blocks are there.

    `watch` is told how many windows a finished block had. Raises what went wrong in a worker, and `LandslideError` for
    a block that ended its worker again and again, for one that is not seen here, and where the scheduler is lost.
    Blocks that are finished stay, whatever happens.
    """
    from distributed import as_completed

    for share in shares:
        if not share.todo:
            finish(share.job)
    left = [len(share.todo) for share in shares]
    asked: dict[Future, tuple[int, Block]] = {}
    try:
        for number, share in enumerate(shares):
            asked |= _ask(team, recipe, share, number)
        for future in as_completed(list(asked), loop=team.client.loop):
            number, block = asked[future]
            share = shares[number]
            _check_made(future, share, block)
            watch(windows_of(block, share.job.grid, recipe.size))
            left[number] -= 1
            if not left[number]:
                finish(share.job)
    finally:
        team.client.cancel(list(asked))


def _itself(work: Work) -> Work:
    return work


def _ask(team: Team, recipe: Recipe, share: Share, number: int) -> dict[Future, tuple[int, Block]]:
    """A task for each block of the scene with this number; earlier scenes come first.

    What they have in common is the result of one more task, because an area may be large. Unlike data that is only
    handed out, it is made again where the worker that has it dies.
    """
    job = share.job
    work = Work(_anywhere(job.scene), job.grid, str(share.folder.absolute()), str(team.files), recipe, team.threads)
    common = team.client.submit(_itself, work, pure=False, priority=-number)
    futures = team.client.map(make_block, share.todo, work=common, pure=False, priority=-number)
    return {future: (number, block) for future, block in zip(futures, share.todo, strict=True)}


def _check_made(future: Future, share: Share, block: Block) -> None:
    """Raise what a worker raised, or what became of it."""
    from distributed import KilledWorker

    where = f"{share.job.scene.path}: the block at row {block.rows.start} and column {block.columns.start}"
    try:
        host = future.result()
    except KilledWorker as error:
        raise LandslideError(
            f"{where} ended its worker {error.allowed_failures + 1} times, which happens where memory runs out; give "
            "fewer --workers or workers with more memory, and go on with --resume."
        ) from error
    except CancelledError as error:
        raise LandslideError("The connection to the Dask scheduler was lost; go on with --resume.") from error
    if not appears(share.folder / block.name, ARRIVES):
        raise LandslideError(
            f"{where} was made on {host} and is not in {share.folder.parent} here; choose an --out on a file system "
            "that all workers have under this path."
        )


def _check_workers(client: Client, files: Path, paths: Sequence[str]) -> None:
    """Raise `LandslideError` for the first worker that cannot make blocks of these scenes."""
    answers = client.run(look, str(files), tuple(paths), on_error="return")
    for address, answer in answers.items():
        if isinstance(answer, LandslideError):
            raise answer
        if isinstance(answer, Exception):
            raise LandslideError(
                f"The worker at {address} cannot run keras-landslide ({_line(answer)}); install it there: "
                f"{INSTALL_BOTH}"
            )
        if answer != __version__:
            raise LandslideError(
                f"The worker at {address} has keras-landslide {answer}, and this is {__version__}; install one version."
            )


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def _asked(address: str) -> Iterator[Client]:
    """The cluster of a scheduler that is running."""
    from distributed import Client

    try:
        client = Client(address, timeout=ANSWERS, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise LandslideError(
            f"{address}: no Dask scheduler answers there; give the address that `dask scheduler` prints, such as "
            "tcp://host:8786."
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=ANSWERS)
        except TimeoutError as error:
            raise LandslideError(f"{address}: has no workers; start some with: dask worker {address}") from error
        yield client


@contextmanager
def _started(count: int) -> Iterator[Client]:
    """A cluster of `count` processes on this machine.

    Each has one thread for tasks and all the memory there is, as a single process would: Dask's own limit would pause a
    worker for good whose network is large.
    """
    import dask
    from distributed import Client, LocalCluster

    settings = {
        "distributed.scheduler.worker-saturation": 1.0,  # a worker that dies then has one task, which is to blame
        "distributed.deploy.lost-worker-timeout": "1 day",  # one that is slow to begin anew is not given up after 15 s
        "distributed.worker.preload": [IGNORE_INTERRUPTS],  # Ctrl-C is for the client, which ends them
        "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED": "critical",
        # set to anything, it has glibc hand every map of a network back to the system, and ask for it again
        "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    }
    how = {"threads_per_worker": 1, "processes": True, "memory_limit": 0, "dashboard_address": "127.0.0.1:0"}
    with (
        dask.config.set(settings),
        LocalCluster(n_workers=count, silence_logs=logging.CRITICAL, **how) as local,
        Client(local, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def _shared(folder: Path) -> Iterator[Path]:
    """A folder in `folder` whose name nobody can know who does not see it; those of killed programs go."""
    for left in folder.glob(f"{FILES}*"):
        shutil.rmtree(left, ignore_errors=True)
    files = folder / f"{FILES}{secrets.token_hex(8)}"
    files.mkdir(parents=True)
    try:
        yield files
    finally:
        shutil.rmtree(files, ignore_errors=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask without its log: what goes wrong is said here, once."""
    import distributed  # noqa: F401  # sets the levels of its loggers

    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _anywhere(scene: Scene) -> Scene:
    """The scene under a path that holds in any folder; GDAL's own paths are no files, and stay as they are."""
    path = Path(scene.path)
    return dataclasses.replace(scene, path=str(path.absolute())) if path.exists() else scene


def _cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
