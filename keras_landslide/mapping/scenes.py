"""Scenes → landslides on a map."""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .. import __version__
from ..console import Track, untracked
from ..errors import LandslideError
from ..files.atomic import folder_written_beside, write_json
from ..files.checks import continued
from ..models.saving import StoredWeights
from ..runtimes.engines import check_runtime, converted, engine, fastest_runtime
from .bfloat16 import check_bfloat16
from .blocks import BLOCK, Block, Watch, predict_blocks, unwatched
from .cluster import Cluster, Share, Team, map_blocks, recipe_of, team
from .network import Network
from .plan import Job, Options, check_disk, planned
from .rasters import write_rasters
from .results import FINISHED, SUMMARY, Mapped, read_finished, write_results, write_summary

MADE_OF = "map.json"  # in a folder of maps: which scenes, weights and options they belong to
BLOCKS = ".blocks-"  # and in it the blocks of a scene that is not finished


def map_scenes(
    paths: Sequence[Path | str],
    out: Path | str,
    weights: Sequence[StoredWeights],
    options: Options,
    *,
    overwrite: bool = False,
    resume: bool = False,
    side: int = BLOCK,
    cluster: Cluster | None = None,
    report: Callable[[str], object] = lambda line: None,
    begin: Callable[[int, int], object] = lambda windows, done: None,
    watch: Watch = unwatched,
    track: Track = untracked,
) -> list[Mapped]:
    """Map every scene into a folder of `out` named after it, with a table of all of them.

    Each folder has `probability.tif` and `landslides.tif` (`rasters.write_rasters`), `outlines.gpkg` in the scene's CRS
    with a style for QGIS, `outlines.geojson` in WGS84, `preview.jpg` and `index.html`; it appears when all of it is
    there. Blocks of a scene that is not finished stay in `out`, and `resume` goes on with them; they have `side`
    pixels of the grid, and are made here or on a `cluster`. The opinions of several `weights` are averaged.

    Raises `LandslideError` before anything is written where a scene, the weights, the folder or the space on the disk
    are not fit for it.
    """
    check_runtime(options.runtime or fastest_runtime(), options.bfloat16)  # before a cluster is asked
    jobs = planned(paths, weights, options, side)
    folder = Path(out)
    made_of = {
        "scenes": [job.source for job in jobs],
        "weights": list(jobs[0].weights),
        "area": None if options.aoi is None else hashlib.sha256(Path(options.aoi).read_bytes()).hexdigest(),
        "options": options.to_json(),
    }
    goes_on = continued(folder, MADE_OF, made_of, made_by="map", overwrite=overwrite, resume=resume)
    if not goes_on:
        _check_spared(folder, [*paths, *(one.path for one in weights), *([options.aoi] if options.aoi else [])])
    todo = _todo(folder, jobs) if goes_on else jobs
    made = [block for job in todo for block in blocks_folder(folder, job).glob("*")]
    check_disk(folder, todo, sum(block.stat().st_size for block in made))
    network = None
    if todo and options.bfloat16:
        network = network_of(weights, todo[0].size, options, report)
        exact = dataclasses.replace(options, bfloat16=False)
        check_bfloat16(todo, network_of(weights, todo[0].size, exact, report), network, report)
    with _team(cluster, folder, todo, weights, report) as helpers:
        if todo and not helpers and not network:
            network = network_of(weights, todo[0].size, options, report)
        if not goes_on:
            _begin(folder, made_of)
        if helpers:
            _map_on(helpers, todo, folder, weights, report, begin, watch, track)
        elif network:
            begin(*_windows(folder, todo))
            for job in todo:
                _map(job, folder, network, watch, track)
    done = [read_finished(folder / job.name) for job in jobs]
    write_summary(folder, done)
    return done


def network_of(
    weights: Sequence[StoredWeights], size: int, options: Options, report: Callable[[str], object]
) -> Network:
    """What the blocks are predicted with."""
    runtime = options.runtime or fastest_runtime()
    runs = [engine(one, runtime, size, bfloat16=options.bfloat16, report=report) for one in weights]
    return Network(runs, size, options.average_flips, options.uncertainty)


def blocks_folder(folder: Path, job: Job) -> Path:
    """Where the blocks of a scene lie while it is not finished; those of other options lie elsewhere."""
    return folder / f"{BLOCKS}{job.name}-{job.stamp()}"


def missing(folder: Path, job: Job) -> list[Block]:
    """The blocks of a scene that are still to be made."""
    return [block for block in job.blocks if not (blocks_folder(folder, job) / block.name).is_file()]


def finished(folder: Path, job: Job) -> bool:
    return (folder / job.name / FINISHED).is_file()


def _todo(folder: Path, jobs: Sequence[Job]) -> list[Job]:
    """The scenes without results in a folder that is gone on with."""
    for job in jobs:
        if finished(folder, job):  # it may have been killed before its blocks went
            shutil.rmtree(blocks_folder(folder, job), ignore_errors=True)
    return [job for job in jobs if not finished(folder, job)]


@contextmanager
def _team(
    cluster: Cluster | None,
    folder: Path,
    todo: Sequence[Job],
    weights: Sequence[StoredWeights],
    report: Callable[[str], object],
) -> Iterator[Team | None]:
    """Those of a cluster, if there is one, and scenes for them."""
    if cluster is None or not todo:
        yield None
        return
    for one in weights:  # what cannot be converted is told before earlier results go
        converted(one, todo[0].options.runtime or fastest_runtime(), todo[0].size, report=report)
    blocks = sum(len(missing(folder, job)) for job in todo)
    with team(cluster, folder, [job.scene for job in todo], blocks) as found:
        yield found


def _windows(folder: Path, todo: Sequence[Job]) -> tuple[int, int]:
    """How many windows scenes have, and how many of those are in blocks that are there."""
    total = sum(job.windows_of(job.blocks) for job in todo)
    return total, total - sum(job.windows_of(missing(folder, job)) for job in todo)


def _map_on(
    helpers: Team,
    todo: Sequence[Job],
    folder: Path,
    weights: Sequence[StoredWeights],
    report: Callable[[str], object],
    begin: Callable[[int, int], object],
    watch: Watch,
    track: Track,
) -> None:
    """Scenes from their first missing block to their folders of results; the blocks are made on a cluster."""
    options, size = todo[0].options, todo[0].size
    recipe = recipe_of(weights, options.runtime or fastest_runtime(), size, options, helpers.files, report)
    begin(*_windows(folder, todo))
    shares = [Share(job, blocks_folder(folder, job), missing(folder, job)) for job in todo]
    map_blocks(helpers, recipe, shares, watch=watch, finish=lambda job: assemble(job, folder, track))


def _map(job: Job, folder: Path, network: Network, watch: Watch, track: Track) -> None:
    """A scene from its first missing block to its folder of results."""
    todo = missing(folder, job)
    if todo:
        predict_blocks(todo, job.scene, job.grid, network, blocks_folder(folder, job), watch)
    assemble(job, folder, track)


def assemble(job: Job, folder: Path, track: Track = untracked) -> None:
    """Make the results of a scene all of whose blocks are there; then the blocks go."""
    predictions = blocks_folder(folder, job)
    tags = {
        "SOFTWARE": f"keras-landslide {__version__}",
        "WEIGHTS_SHA256": ",".join(job.weights),
        "THRESHOLD": f"{job.threshold:g}",
        "RESOLUTION_METRES": "" if job.gsd is None else f"{job.gsd:g}",
    }
    with folder_written_beside(folder / job.name) as beside:
        counts = write_rasters(
            job.sheet,
            predictions,
            beside,
            kinds=job.kinds,
            threshold=job.threshold,
            tags=tags,
            side=job.side,
            track=track,
        )
        write_results(job, beside, counts)
    shutil.rmtree(predictions)


def _earlier(folder: Path) -> list[Path]:
    """What an earlier run left in `folder`: results of scenes, and blocks of those that are not finished."""
    there = folder.glob("*") if folder.is_dir() else ()
    return [old for old in there if old.name.startswith(BLOCKS) or (old / FINISHED).is_file()]


def _check_spared(folder: Path, paths: Sequence[Path | str]) -> None:
    """Raise `LandslideError` where one of `paths`, which are to be read, lies in what would be removed."""
    for old in _earlier(folder):
        for path in paths:
            if old.resolve() in Path(path).resolve().parents:
                raise LandslideError(f"{path}: lies in {old}, which --overwrite removes; choose another --out.")


def _begin(folder: Path, made_of: dict) -> None:
    """Mark `folder` as one of maps that are `made_of` this; those of an earlier run go."""
    for old in _earlier(folder):
        # renamed first: half removed, results would still count as finished
        shutil.rmtree(old.rename(folder / f"{BLOCKS}{secrets.token_hex(8)}"))
    (folder / SUMMARY).unlink(missing_ok=True)
    write_json(folder / MADE_OF, made_of)
