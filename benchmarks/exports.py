"""Exported models: agreement with Keras, and speed beside it, for the six rows of Table 3.

    python benchmarks/exports.py
    python benchmarks/exports.py --rows pspnet_mobilenet_v2 --image-size 128

Prints a line for each row and format: the largest difference of a probability from Keras', seconds an image of the
exported model in its own runtime and of Keras, in turn in the same process (medians), and their ratio. Weights are
random with calibrated normalisation, so that answers vary.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from keras_landslide.data.synthetic import mountain_scene
from keras_landslide.models import Description, build_model, load_model, read_weights, save_weights
from keras_landslide.models.calibration import calibrate_batch_normalization
from keras_landslide.paper import INPUT_SIZE, TABLE_5, Row, row
from keras_landslide.runtimes.export import FORMATS, export_model
from keras_landslide.training.allocator import keep_freed_memory


def save_row(chosen: Row, image: np.ndarray, path: Path) -> None:
    """Write a weights file of the row, at the paper's output stride, whose answers on `image` vary."""
    model = build_model(chosen.architecture, chosen.backbone, input_shape=(None, None, 3), backbone_weights=None)
    calibrate_batch_normalization(model, [image[np.newaxis]])
    save_weights(model, path, Description(chosen.architecture, chosen.backbone, prediction_size=image.shape[0]))


def median_seconds(calls: list[Callable[[], object]], rounds: int) -> list[float]:
    """The median of each call, in turn; the first round, which prepares, does not count."""
    times = [[] for _ in calls]
    for number in range(rounds + 1):
        for call, taken in zip(calls, times, strict=True):
            started = time.perf_counter()
            call()
            if number:
                taken.append(time.perf_counter() - started)
    return [statistics.median(taken) for taken in times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", default=[one.name for one in TABLE_5], metavar="ROW")
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), metavar="NAME")
    parser.add_argument("--image-size", type=int, default=INPUT_SIZE)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    keep_freed_memory()
    image = mountain_scene(0, (options.image_size, options.image_size)).image
    batch = image[np.newaxis].astype(np.float32)
    print(f"one image of {options.image_size} × {options.image_size} pixels, float32, {os.cpu_count()} cores")
    print(f"{'row':28}{'format':12}{'difference':>11}{'seconds':>9}{'Keras':>8}{'ratio':>7}")
    for name in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder) / "row.weights.h5"
            save_row(row(name), image, weights)
            model = load_model(weights, input_shape=image.shape)
            for format_name in options.formats:
                made = export_model(read_weights(weights), format_name, Path(folder) / format_name, images=[image])
                run = FORMATS[format_name].load(made.model)
                ours, keras_seconds = median_seconds(
                    [lambda run=run: run(batch), lambda model=model: model.predict_on_batch(batch)], options.rounds
                )
                print(
                    f"{name:28}{format_name:12}{made.difference:11.1e}{ours:9.3f}{keras_seconds:8.3f}"
                    f"{ours / keras_seconds:7.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
