"""What keeping freed memory is worth: a training step of PSPNet (MobileNetV2), with and without, in turn.

    python benchmarks/memory.py --image-size 352 --output-stride 16

Prints seconds an image of a training step (median of the steps, best of the rounds) for both, and their ratio. Each
measurement is a process of its own, because the allocator cannot be told to forget.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time


def step_seconds(image_size: int, output_stride: int, batch: int, steps: int, keep: bool) -> float:
    """Median seconds an image of an unfrozen training step."""
    import keras
    import numpy as np

    from keras_landslide.losses import SegmentationLoss
    from keras_landslide.memory import keep_freed_memory
    from keras_landslide.metrics import MeanIoU
    from keras_landslide.models import build_model

    if keep and not keep_freed_memory():
        sys.exit("This system's allocator cannot be told: nothing to measure.")
    shape = (image_size, image_size, 3)
    model = build_model("pspnet", "mobilenet_v2", input_shape=shape, output_stride=output_stride, backbone_weights=None)
    model.compile(keras.optimizers.Adam(1e-4), SegmentationLoss(), metrics=[MeanIoU()], jit_compile=False)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (batch, *shape)).astype("float32")
    labels = rng.integers(0, 2, (batch, image_size, image_size)).astype("int32")
    times = []
    for _ in range(steps + 1):
        started = time.perf_counter()
        model.train_on_batch(images, labels)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:]) / batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-size", type=int, default=352)
    parser.add_argument("--output-stride", type=int, default=16)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--keep", choices=("yes", "no"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.keep:
        size, stride = options.image_size, options.output_stride
        print(step_seconds(size, stride, options.batch, options.steps, options.keep == "yes"))
        return
    best = {"no": float("inf"), "yes": float("inf")}
    for _ in range(options.rounds):
        for keep in best:
            command = [sys.executable, *sys.argv, "--keep", keep]
            done = subprocess.run(
                command, capture_output=True, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
            )
            if done.returncode:
                sys.exit(done.stderr)
            best[keep] = min(best[keep], float(done.stdout))
    print(f"training step, {options.image_size} px, output stride {options.output_stride}, batch {options.batch}:")
    ratio = best["yes"] / best["no"]
    print(f"  as it comes {best['no']:.3f} s an image, freed memory kept {best['yes']:.3f} s; ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
