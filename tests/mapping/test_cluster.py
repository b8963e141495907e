"""Blocks of scenes on a Dask cluster."""

import dataclasses
import functools
import importlib.util
import logging
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rasterio")
pytest.importorskip("distributed")

import dask
import rasterio
from distributed import LocalCluster

from keras_landslide.cli import main
from keras_landslide.errors import LandslideError
from keras_landslide.mapping import cluster, scenes, worker
from keras_landslide.mapping.blocks import Block
from keras_landslide.mapping.cluster import Cluster
from keras_landslide.mapping.plan import Options
from keras_landslide.mapping.raster import open_scene
from keras_landslide.models.loading import weights_file
from keras_landslide.models.saving import StoredWeights, read_weights
from tests.clustered import SIZE, Bright
from tests.conftest import ROOT, make_images
from tests.scenes import write_scene

SIDE = 50  # of blocks: 4 × 3 of them in a scene
HEIGHT, WIDTH = 150, 170
METRES = 0.8  # a pixel, which is left as it is


@pytest.fixture(scope="module")
def weights() -> StoredWeights:
    """What the shipped weights say of themselves, but for a small input."""
    stored = read_weights(weights_file("pspnet_mobilenet_v2"))
    return dataclasses.replace(stored, description=dataclasses.replace(stored.description, prediction_size=SIZE))


def written(path: Path, seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> Path:
    """A scene of smooth shapes with a corner of no data."""
    pixels = np.maximum(make_images(height, width, seed=seed)[0].astype(np.uint8), 1)
    pixels[:40, :60] = 0
    return write_scene(path, pixels, nodata=0)


@pytest.fixture
def scene(tmp_path) -> Path:
    return written(tmp_path / "scene.tif")


@pytest.fixture
def running():
    """The address of a cluster of one worker with four threads, which live in this process."""
    with LocalCluster(
        n_workers=1, threads_per_worker=4, processes=False, protocol="tcp://", dashboard_address=None,
        silence_logs=logging.CRITICAL,
    ) as local:  # fmt: skip
        yield local.scheduler_address


@pytest.fixture
def bright(monkeypatch):
    """Have everybody predict with a `Bright` network, of which this sets the fields."""

    def use(**fields) -> None:
        recipe = Bright(**fields)
        monkeypatch.setattr(scenes, "recipe_of", lambda *_: recipe)
        monkeypatch.setattr(scenes, "converted", lambda *_, **__: None)
        monkeypatch.setattr(scenes, "network_of", lambda *_: Bright().network(1))

    use()
    return use


@pytest.fixture
def mapped(weights, bright):
    """`map_scenes` in small blocks."""
    return functools.partial(scenes.map_scenes, weights=[weights], options=Options(gsd=METRES), side=SIDE)


@pytest.fixture
def in_this_process(monkeypatch):
    """Nobody waits for files, and nothing is remembered of an earlier test."""
    monkeypatch.setattr(worker, "LOOKS", 0.1)
    worker._checked.cache_clear()
    worker._network.cache_clear()


def probability(folder: Path) -> np.ndarray:
    with rasterio.open(folder / "probability.tif") as file:
        return file.read(1).astype(int)


def assert_equal_to(folder: Path, wanted: Path) -> None:
    """To one grey level."""
    found, other = probability(folder), probability(wanted)
    assert len(np.unique(other)) > 20
    assert np.abs(found - other).max() <= 1
    assert np.array_equal(found == 255, other == 255)


def finished_blocks(out: Path) -> list[Path]:
    """Those of scenes that are not finished."""
    return list(out.glob(".blocks-*/[0-9]*.npy"))


def test_a_running_cluster_maps_scenes_as_one_process_does(mapped, running, tmp_path, in_this_process):
    both = [written(tmp_path / "a.tif", seed=1), written(tmp_path / "b.tif", seed=2, width=110)]
    mapped(both, tmp_path / "alone", side=2048)
    seen: list[int] = []
    totals: list[int] = []
    done = mapped(
        both,
        tmp_path / "together",
        cluster=Cluster(scheduler=running),
        begin=lambda *windows: totals.extend(windows),
        watch=seen.append,
    )
    assert [one.scene for one in done] == [str(path) for path in both]
    for name in ("a", "b"):
        assert_equal_to(tmp_path / "together" / name, tmp_path / "alone" / name)
    assert len(seen) == 12 + 9
    assert totals == [sum(seen), 0]
    assert not list((tmp_path / "together").glob(".*"))


def test_blocks_that_are_there_are_not_made_again(mapped, scene, running, tmp_path, in_this_process, monkeypatch):
    out = tmp_path / "out"

    def stop(*_) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(scenes, "assemble", stop)
        with pytest.raises(KeyboardInterrupt):
            mapped([scene], out, cluster=Cluster(scheduler=running))
    changed = next(path for path in finished_blocks(out) if path.name == "50_100.npy")
    np.save(changed, np.full_like(np.load(changed), 7))
    finished_blocks(out)[0].unlink() if finished_blocks(out)[0] != changed else finished_blocks(out)[1].unlink()
    mapped([scene], out, cluster=Cluster(scheduler=running), resume=True)
    assert (probability(out / "scene")[50:100, 100:150] == 7).all()
    assert (probability(out / "scene") != 7).any()


def test_a_block_that_a_dead_worker_wrote_is_not_made_again(scene, tmp_path):
    """Dask hands such a task out anew, because nobody told it that the block is there."""
    opened = open_scene(scene)
    work = worker.Work(opened, None, str(tmp_path), str(tmp_path / "nowhere"), None, 1)
    block = Block(slice(0, 50), slice(0, 50))
    (tmp_path / block.name).write_bytes(b"written")
    assert worker.make_block(block, work)
    assert (tmp_path / block.name).read_bytes() == b"written"


def test_a_damaged_scene_is_one_sentence_and_finished_blocks_stay(mapped, running, tmp_path, in_this_process):
    scene = written(tmp_path / "scene.tif", height=400)
    scene.write_bytes(scene.read_bytes()[:-60_000])
    with pytest.raises(LandslideError, match="is damaged or not all there") as raised:
        mapped([scene], tmp_path / "out", cluster=Cluster(scheduler=running))
    assert str(raised.value).count("\n") == 0
    assert finished_blocks(tmp_path / "out")


def test_an_address_where_nobody_answers_is_one_sentence(scene, fails, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "ANSWERS", 1)
    out = tmp_path / "out"
    for address in ("tcp://127.0.0.1:9", "nonsense://host", "tcp://127.0.0.1"):
        error = fails("map", scene, "--gsd", METRES, "--out", out, "--scheduler", address)
        assert error.splitlines() == [f"keras-landslide: {address}: no Dask scheduler answers there; give the address "
                                      "that `dask scheduler` prints, such as tcp://host:8786."]  # fmt: skip
        assert not out.exists()


def test_a_scheduler_without_workers_is_one_sentence(mapped, scene, tmp_path, in_this_process, monkeypatch):
    monkeypatch.setattr(cluster, "ANSWERS", 1)
    with (
        LocalCluster(n_workers=0, processes=False, protocol="tcp://", dashboard_address=None) as local,
        pytest.raises(LandslideError, match="has no workers; start some with: dask worker tcp://"),
    ):
        mapped([scene], tmp_path / "out", cluster=Cluster(scheduler=local.scheduler_address))


def test_a_worker_that_does_not_see_the_folder_is_named(mapped, scene, running, tmp_path, in_this_process, monkeypatch):
    """As on a machine with a disk of its own under the same path: what the client wrote is not there."""
    there = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: ".shared-" not in str(path) and there(path))
    with pytest.raises(LandslideError, match=rf"worker on {os.uname().nodename} does not see {tmp_path / 'out'}; "):
        mapped([scene], tmp_path / "out", cluster=Cluster(scheduler=running))
    assert not any((tmp_path / "out").iterdir())


def test_a_block_that_does_not_arrive_is_said(mapped, scene, running, tmp_path, in_this_process, monkeypatch):
    monkeypatch.setattr(worker, "write_block", lambda path, found: None)
    monkeypatch.setattr(cluster, "ARRIVES", 0.1)
    with pytest.raises(LandslideError, match=f"was made on {os.uname().nodename} and is not in {tmp_path / 'out'}"):
        mapped([scene], tmp_path / "out", cluster=Cluster(scheduler=running))


def test_a_worker_that_cannot_open_a_scene_is_named(mapped, scene, running, tmp_path, in_this_process, monkeypatch):
    monkeypatch.setattr(cluster, "_anywhere", lambda scene: dataclasses.replace(scene, path="/vsizip/gone.zip/a.tif"))
    with pytest.raises(LandslideError, match=r"worker on .* says: /vsizip/gone.zip/a.tif: cannot be opened"):
        mapped([scene], tmp_path / "out", cluster=Cluster(scheduler=running))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda *_: "0.0.1", r"has keras-landslide 0\.0\.1, and this is"),
        (lambda *_: importlib.import_module("missing"), r"cannot run keras-landslide \(No module named 'missing'\)"),
    ],
    ids=["another_version", "not_installed"],
)
def test_a_worker_without_this_package_is_named(
    mapped, scene, running, tmp_path, in_this_process, monkeypatch, answer, said
):
    monkeypatch.setattr(worker, "_checked", answer)
    with pytest.raises(LandslideError, match=said):
        mapped([scene], tmp_path / "out", cluster=Cluster(scheduler=running))


def test_paths_of_gdal_stay_as_they_are_and_others_hold_in_any_folder(scene, tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "scenes.zip", "w") as archive:
        archive.write(scene, "scene.tif")
    monkeypatch.chdir(tmp_path)
    packed = f"/vsizip/{tmp_path}/scenes.zip/scene.tif"
    assert cluster._anywhere(open_scene(packed)).path == packed
    assert cluster._anywhere(open_scene("scene.tif")).path == str(scene)


def test_it_is_said_how_dask_is_installed(scene, fails, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "distributed" else find(name))
    error = fails("map", scene, "--workers", "2")
    assert error == (
        "keras-landslide: Several processes or machines need distributed, not installed here; run: pip install "
        '"keras-landslide[dask]"\n'
    )


def test_workers_and_a_scheduler_are_not_asked_for_together(scene, fails):
    error = fails("map", scene, "--workers", 2, "--scheduler", "tcp://host:8786")
    assert error == "keras-landslide: Give --workers or --scheduler, not both.\n"


def test_help_loads_no_dask():
    code = (
        "import sys\nfrom keras_landslide.cli import main\nassert main(['map', '--help']) == 0\n"
        "assert not {'dask', 'distributed', 'rasterio', 'tensorflow'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "--scheduler ADDRESS" in done.stdout


@pytest.mark.slow  # processes
def test_two_processes_map_as_one_does_each_in_its_part_of_the_threads(mapped, bright, scene, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_cores", lambda: 6)
    mapped([scene], tmp_path / "alone", side=2048)
    bright(seconds=0.1, notes=str(tmp_path / "notes"))
    (tmp_path / "notes").mkdir()
    mapped([scene], tmp_path / "two", cluster=Cluster(workers=2))
    assert_equal_to(tmp_path / "two" / "scene", tmp_path / "alone" / "scene")
    assert [path.read_text() for path in (tmp_path / "notes").iterdir()] == ["3", "3"]


@pytest.mark.slow  # processes
def test_a_worker_that_is_killed_costs_no_block(mapped, bright, scene, tmp_path):
    mapped([scene], tmp_path / "alone", side=2048)
    notes = tmp_path / "notes"
    notes.mkdir()
    bright(seconds=0.2, notes=str(notes))
    killed: list[int] = []

    def kill_one(windows: int) -> None:
        if not killed:
            killed.append(int(min(notes.iterdir(), key=lambda path: path.stat().st_mtime).name))
            os.kill(killed[0], signal.SIGKILL)

    seen: list[int] = []
    mapped([scene], tmp_path / "two", cluster=Cluster(workers=2), watch=lambda n: (seen.append(n), kill_one(n)))
    assert_equal_to(tmp_path / "two" / "scene", tmp_path / "alone" / "scene")
    assert killed and len(seen) == 12


@pytest.mark.slow  # processes
def test_a_block_that_ends_its_workers_is_said(mapped, bright, scene, tmp_path, capfd):
    bright(deadly=True)
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        pytest.raises(LandslideError, match=r"scene.tif: the block at row \d+ and column \d+ ended its worker 2 times"),
    ):
        mapped([scene], tmp_path / "out", cluster=Cluster(workers=1))
    assert capfd.readouterr().err == ""


INTERRUPTED = f"""
import functools, signal, sys
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has what it runs in the background ignore it
    from keras_landslide.console import load_tensorflow
    load_tensorflow()
    from keras_landslide.cli import main
    from keras_landslide.mapping import scenes
    from tests.clustered import Bright
    scenes.recipe_of = lambda *_: Bright(seconds=1, size=416)
    scenes.map_scenes = functools.partial(scenes.map_scenes, side={SIDE})
    sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow  # processes
def test_control_c_is_one_line_and_leaves_finished_blocks(scene, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(INTERRUPTED)
    out = tmp_path / "out"
    arguments = ["map", str(scene), "--gsd", str(METRES), "--out", str(out), "--runtime", "keras", "--workers", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = subprocess.Popen(
        [sys.executable, str(program), *arguments], stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=environment, cwd=tmp_path,
    )  # fmt: skip
    end = time.monotonic() + 120
    while len(finished_blocks(out)) < 3 and started.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    os.killpg(started.pid, signal.SIGINT)  # as a terminal does: to the workers too
    _, error = started.communicate(timeout=60)
    assert (started.returncode, error) == (130, "keras-landslide: stopped.\n")
    assert 3 <= len(finished_blocks(out)) < 12
    assert not list(out.glob(".shared-*"))


@pytest.mark.slow  # three processes that load TensorFlow
def test_the_shipped_weights_in_two_processes_mark_what_one_marks(tmp_path, capfd):
    scene = written(tmp_path / "scene.tif", height=500, width=560)
    arguments = ["map", str(scene), "--gsd", str(METRES), "--runtime", "keras"]
    assert main([*arguments, "--out", str(tmp_path / "alone")]) == 0
    capfd.readouterr()
    assert main([*arguments, "--out", str(tmp_path / "two"), "--workers", "2"]) == 0
    assert capfd.readouterr().err == ""
    assert_equal_to(tmp_path / "two" / "scene", tmp_path / "alone" / "scene")


def test_a_cluster_has_workers():
    for workers in (0, -1):
        with pytest.raises(LandslideError, match=f"--workers {workers} is not possible; give 1 or more."):
            Cluster(workers)
