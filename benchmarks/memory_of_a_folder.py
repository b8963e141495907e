"""Peak memory of training on folders of different sizes: it does not grow with the folder beyond the cache.

    python benchmarks/memory_of_a_folder.py --images 500 5000

Writes noise with blobs as PNGs of 80 to 1000 pixels a side into a temporary folder, checks every file and looks for
images that share ground, as `train` does, reads a whole epoch through the training pipeline at the `cpu` preset's size,
so that all that can be kept in memory is kept, and then trains PSPNet (MobileNetV2) for some steps. Prints the peak
resident memory of each, a process of its own, beside what the letterboxed images that train (81 %) would take and what
the pipeline keeps of them.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np

from keras_landslide.data.pipeline import CACHE_BYTES
from keras_landslide.data.splits import AUTO_SHARES
from keras_landslide.settings import preset

SETTINGS = preset("cpu", backbone_weights="none", precision="float32")


def write_folder(folder: Path, count: int) -> None:
    """Images of mixed sizes, most of them small as Bijie's are, and masks of one ellipse."""
    rng = np.random.default_rng(0)
    for part in ("image", "mask"):
        (folder / part).mkdir(parents=True)
    for number in range(count):
        height, width = np.exp(rng.uniform(np.log(80), np.log(1000), 2)).astype(int).tolist()
        noise = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
        mask = np.zeros((height, width), np.uint8)
        cv2.ellipse(mask, (width // 2, height // 2), (width // 4, height // 5), 30, 0, 360, 255, -1)
        cv2.imwrite(str(folder / "image" / f"{number:05}.png"), cv2.resize(noise, (width, height)))
        cv2.imwrite(str(folder / "mask" / f"{number:05}.png"), mask)


def peak_of_training(folder: Path, steps: int) -> int:
    """Train and return the peak resident memory of this process in bytes."""
    import keras

    from keras_landslide.data.dataset import load_split
    from keras_landslide.data.pipeline import steps_per_epoch, training_stream
    from keras_landslide.training.allocator import keep_freed_memory
    from keras_landslide.training.losses import SegmentationLoss
    from keras_landslide.training.plan import new_model

    keep_freed_memory()
    samples, batch = load_split(folder, "auto").subset("train"), SETTINGS.unfrozen_batch_size
    stream = training_stream(
        samples, image_size=SETTINGS.image_size, batch_size=batch, augmentation=SETTINGS.augmentation, seed=0
    )
    for _ in stream.take(steps_per_epoch(samples, batch)):
        pass
    model, _ = new_model(SETTINGS, None)
    model.compile(keras.optimizers.Adam(1e-4), SegmentationLoss(), jit_compile=False)
    model.fit(stream, steps_per_epoch=steps, verbose=0)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # kilobytes on Linux


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[500, 5000], metavar="N", help="default: 500 5000")
    parser.add_argument("--steps", type=int, default=24, help="training steps after the epoch; default: %(default)s")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        print(peak_of_training(options.folder, options.steps))
        return
    size, batch = SETTINGS.image_size, SETTINGS.unfrozen_batch_size
    print(
        f"{size}×{size}, batch {batch}, {options.steps} steps; the pipeline keeps {CACHE_BYTES / 1e9:.2f} GB at most:"
    )
    for count in options.images:
        letterboxed = round(AUTO_SHARES["train"] * count) * size * size * 4
        with tempfile.TemporaryDirectory() as folder:
            write_folder(Path(folder), count)
            peak = in_a_process_of_its_own(folder, options.steps)
        kept = min(letterboxed, CACHE_BYTES)
        print(
            f"  {count:6} images: peak {peak / 1e9:.2f} GB; letterboxed they are {letterboxed / 1e9:.2f} GB, of which "
            f"{kept / 1e9:.2f} GB are kept; {(peak - kept) / 1e9:.2f} GB without",
            flush=True,
        )


def in_a_process_of_its_own(folder: str, steps: int) -> int:
    command = [sys.executable, __file__, "--folder", folder, "--steps", str(steps)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return int(done.stdout)


if __name__ == "__main__":
    main()
