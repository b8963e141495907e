"""How fast and in how much memory a scene becomes a map, beside the bare runtime: `keras-landslide map`, end to end.

    python benchmarks/map_scene.py --sides 5000 --runtimes openvino onnx keras
    python benchmarks/map_scene.py --sides 5000 20000 --network colours

The scene is a painted one of 1,000 × 1,000 pixels, again and again, at the scale of the weights. The bare runtime
predicts windows in the same batches, before and after it, and nothing is read, blended or written. Both are counted in
pixels of the network's input. With `--network colours` a function of colours stands in the place of the network, so
that what else a map needs is seen alone. Each line is a process of its own, so that its peak of memory is its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

REPEATED = 1000  # pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[5000], help="of the scenes, in pixels")
    parser.add_argument("--runtimes", nargs="+", default=["openvino"], help="openvino, onnx or keras")
    parser.add_argument("--network", choices=("shipped", "colours"), default="shipped")
    parser.add_argument("--weights", help="default: those for scenes that travel with the package")
    parser.add_argument(
        "--bare-windows", type=int, default=400, help="for the bare runtime, each time; default: %(default)s"
    )
    parser.add_argument("--json", help="also write the figures to this file")
    parser.add_argument("--scene", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.scene:
        print(json.dumps(measured(options, options.scene, options.sides[0], options.runtimes[0])))
        return
    lines = []
    for side in options.sides:
        with tempfile.TemporaryDirectory() as folder:
            scene = write_repeated(Path(folder) / "scene.tif", side)
            lines += [in_its_own_process(scene, side, runtime, options) for runtime in options.runtimes]
    print(f"{'scene':>14}{'runtime':>10}{'windows':>9}{'seconds':>9}{'Mpx/s':>8}{'bare':>8}{'share':>8}{'peak':>10}")
    for line in lines:
        print(
            f"{line['side']:>7}×{line['side']:<6}{line['runtime']:>10}{line['windows']:9d}{line['seconds']:9.1f}"
            f"{line['megapixels_a_second']:8.2f}{line['bare_megapixels_a_second']:8.2f}"
            f"{100 * line['share_of_bare']:7.0f}%{line['peak_megabytes']:7.0f} MB"
        )
    if options.json:
        Path(options.json).write_text(json.dumps(lines, indent=2) + "\n", encoding="utf-8")


def in_its_own_process(scene: Path, side: int, runtime: str, options: argparse.Namespace) -> dict:
    command = [sys.executable, __file__, "--scene", str(scene), "--sides", str(side), "--runtimes", runtime]
    command += ["--network", options.network, "--bare-windows", str(options.bare_windows)]
    command += ["--weights", options.weights] if options.weights else []
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def measured(options: argparse.Namespace, path: Path, side: int, runtime: str) -> dict:
    """Seconds and memory of one scene, and what the bare runtime does in that time."""
    from keras_landslide.console import load_tensorflow

    load_tensorflow()
    from keras_landslide.mapping import scenes
    from keras_landslide.mapping.plan import Options, planned
    from keras_landslide.models.loading import weights_file
    from keras_landslide.models.saving import read_weights
    from keras_landslide.settings import SCENE_WEIGHTS

    weights = [read_weights(weights_file(options.weights or SCENE_WEIGHTS))]
    with tempfile.TemporaryDirectory() as folder:
        how = Options(runtime=runtime)
        (job,) = planned([path], weights, how)
        windows = job.windows_of(job.blocks)
        if options.network == "colours":
            scenes.network_of = lambda *_: colours(job.size)
        network = scenes.network_of(weights, job.size, how, lambda line: None)
        count = min(options.bare_windows, windows)
        before = bare_seconds(network, count)
        started = time.perf_counter()
        scenes.map_scenes([path], Path(folder) / "map", weights, how)
        seconds = time.perf_counter() - started
        bare = (before + bare_seconds(network, count)) / 2
    pixels = job.size**2 / 1e6
    return {
        "side": side,
        "runtime": runtime if options.network == "shipped" else options.network,
        "windows": windows,
        "seconds": seconds,
        "megapixels_a_second": windows * pixels / seconds,
        "bare_megapixels_a_second": pixels / bare,
        "share_of_bare": windows * bare / seconds,
        "peak_megabytes": peak_megabytes(),
    }


def peak_megabytes() -> float:
    """Of this program; what getrusage says may be the peak of the one that started it."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / 1e6


def bare_seconds(network, count: int) -> float:
    """Seconds a window of the network alone."""
    from keras_landslide.mapping.blocks import BATCH

    batch = np.random.default_rng(0).integers(0, 256, (BATCH, network.size, network.size, 3), np.uint8)
    network(batch)
    started = time.perf_counter()
    steps = max(1, count // BATCH)
    for _ in range(steps):
        network(batch)
    return (time.perf_counter() - started) / (steps * BATCH)


def colours(size: int):
    """A network that finds red things, and as little noise as one that was trained."""
    import cv2

    from keras_landslide.mapping.network import Network

    def run(batch: np.ndarray) -> np.ndarray:
        red = np.stack([cv2.blur(image[..., 0] - image[..., 1], (25, 25)) for image in batch])
        red = np.clip(red / 60, 0, 1)
        return np.stack([1 - red, red], axis=-1)

    return Network([run], size)


def write_repeated(path: Path, side: int) -> Path:
    """A painted scene again and again, `side` × `side`, row of tiles by row of tiles."""
    import rasterio
    from rasterio.windows import Window

    from keras_landslide.data.synthetic import mountain_scene
    from keras_landslide.mapping.example import CRS, TRANSFORM

    image = np.moveaxis(mountain_scene(0, (REPEATED, REPEATED), landslides=4).image, -1, 0)
    how = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8", "photometric": "RGB"}
    how |= {"tiled": True, "crs": CRS, "transform": TRANSFORM}
    with rasterio.open(path, "w", bigtiff="IF_SAFER", **how) as file:
        strip = np.tile(image, (1, 1, -(-side // REPEATED)))[..., :side]
        for top in range(0, side, REPEATED):
            height = min(REPEATED, side - top)
            file.write(strip[:, :height], window=Window(0, top, side, height))
    return path


if __name__ == "__main__":
    main()
