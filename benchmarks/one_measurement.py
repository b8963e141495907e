"""Seconds an image of one forward pass or training step, in a process that does nothing else.

    python benchmarks/one_measurement.py --row pspnet_mobilenet_v2 --work unfrozen

The other benchmarks run it with `seconds`; what a process has allocated, traced or compiled then disturbs no other
measurement. The step is that of `keras-landslide train`: our model, loss and metric, Adam, no XLA. Images and labels
are noise, weights random: neither changes the time.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

WORK = ("forward", "frozen", "unfrozen")
FASTER = {  # what makes a step faster, to be left out one by one
    "memory": "freed memory kept",
    "normalisation": "batch normalisation by the fused kernel",
    "order": "dilated stages rearranged once",
    "pooling": "the pyramid's means in one pass",
    "joining": "the pyramid convolved before it is resized",
}


def seconds(**options) -> float:
    """What a process of its own measures; `options` are those of the command line, `image_size=473` and so on."""
    arguments = []
    for name, value in options.items():
        arguments += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, list) else [value])]
    return float(output_of([sys.executable, __file__, *arguments]))


def output_of(command: list[str]) -> str:
    """Standard output of `command`; a failure ends this process with its standard error."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", default="pspnet_mobilenet_v2")
    parser.add_argument(
        "--work", choices=(*WORK, "backbone"), default="unfrozen", help="forward pass (or its backbone's), or a step"
    )
    parser.add_argument("--image-size", type=int, default=473)
    parser.add_argument("--output-stride", type=int, default=8)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--without", nargs="+", choices=FASTER, default=[], help="what makes it faster, left out")
    options = parser.parse_args()
    call = work(options)
    times = []
    for _ in range(options.steps + 1):  # the first, which traces, does not count
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    print(statistics.median(times[1:]) / options.batch)


def work(options: argparse.Namespace):
    """A function without arguments that does the work once."""
    import keras
    import numpy as np

    from keras_landslide.models import build_model
    from keras_landslide.paper import row
    from keras_landslide.training.losses import SegmentationLoss
    from keras_landslide.training.mean_iou import MeanIoU

    leave_out(options.without)
    keras.config.set_dtype_policy(options.precision)
    chosen, shape = row(options.row), (options.image_size, options.image_size, 3)
    model = build_model(
        chosen.architecture,
        chosen.backbone,
        input_shape=shape,
        output_stride=options.output_stride,
        backbone_weights=None,
    )
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (options.batch, *shape)).astype("float32")
    if options.work in ("forward", "backbone"):
        passed = model if options.work == "forward" else model.get_layer("backbone")
        return lambda: passed.predict_on_batch(images)
    model.get_layer("backbone").trainable = options.work == "unfrozen"
    model.compile(keras.optimizers.Adam(1e-4), SegmentationLoss(), metrics=[MeanIoU()], jit_compile=False)
    labels = random.integers(0, 2, images.shape[:3]).astype("int32")
    return lambda: model.train_on_batch(images, labels)


def leave_out(names: list[str]) -> None:
    """Put in the place of each of `names` what would be there without it; keep freed memory unless that is named."""
    import keras
    from keras import ops

    from keras_landslide.models import pyramid
    from keras_landslide.models.layers import BatchNormalization, ResizeTo, sides
    from keras_landslide.models.rearranged import Rearrangement
    from keras_landslide.training.allocator import keep_freed_memory

    def mean_by_mean(layer, features):
        (height, width), means = sides(features), []
        for bins in layer.bins:
            rows, columns = (averaging(bins, side, features.dtype) for side in (height, width))
            means.append(ops.einsum("bw,nawc->nabc", columns, ops.einsum("bh,nhwc->nbwc", rows, features)))
        return means

    def averaging(bins, side, dtype):
        sums, lengths = pyramid.windows(bins, side)
        return ops.cast(sums / lengths, dtype)

    def joined_first(layer, inputs):
        features, *grids = inputs
        joined = ops.concatenate([features, *(ResizeTo()([grid, features]) for grid in grids)], axis=-1)
        return ops.conv(joined, layer.kernel, padding="same")

    if "memory" not in names:
        keep_freed_memory()
    if "normalisation" in names:
        BatchNormalization.call = keras.layers.BatchNormalization.call
    if "order" in names:
        Rearrangement.call = lambda self, layer, *inputs, **options: layer(*inputs, **options)
    if "pooling" in names:
        pyramid.PyramidPooling.call = mean_by_mean
    if "joining" in names:
        pyramid.Conv2D.call = joined_first


if __name__ == "__main__":
    main()
