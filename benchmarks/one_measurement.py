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


def seconds(**options) -> float:
    """What a process of its own measures; `options` are those of the command line, `image_size=473` and so on."""
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
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
    parser.add_argument("--work", choices=WORK, default="unfrozen", help="forward pass, or step of one of the phases")
    parser.add_argument("--image-size", type=int, default=473)
    parser.add_argument("--output-stride", type=int, default=8)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--allocator", choices=("kept", "default"), default="kept", help="what becomes of freed memory")
    parser.add_argument("--batch-normalization", choices=("own", "keras"), default="own", help="whose gradient")
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
    from keras_landslide.models.layers import BatchNormalization
    from keras_landslide.paper import row
    from keras_landslide.training.allocator import keep_freed_memory
    from keras_landslide.training.losses import SegmentationLoss
    from keras_landslide.training.mean_iou import MeanIoU

    if options.allocator == "kept":
        keep_freed_memory()
    if options.batch_normalization == "keras":
        BatchNormalization.call = keras.layers.BatchNormalization.call
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
    if options.work == "forward":
        return lambda: model.predict_on_batch(images)
    model.get_layer("backbone").trainable = options.work == "unfrozen"
    model.compile(keras.optimizers.Adam(1e-4), SegmentationLoss(), metrics=[MeanIoU()], jit_compile=False)
    labels = random.integers(0, 2, images.shape[:3]).astype("int32")
    return lambda: model.train_on_batch(images, labels)


if __name__ == "__main__":
    main()
