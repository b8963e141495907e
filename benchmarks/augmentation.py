"""Images per second of the training pipeline with Table 2's augmentation, beside a naïve chain, in turn.

    python benchmarks/augmentation.py --image-size 473

Both give the same kind of batches from letterboxed images that are decoded already and in memory. The pipeline is
`training_stream` with `--augmentation paper`. The chain is what one would write first: rotate (half of the samples),
flip, crop, resize, each a TensorFlow operation on the image as float32 and on the mask. Prints the median of the rounds
in images a second and in CPU milliseconds an image (which other work on the machine disturbs less), and the ratios.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from keras_landslide.data.layouts import find_samples
from keras_landslide.data.pipeline import evaluation_batches, training_stream
from keras_landslide.data.synthetic import write_dataset

BATCH = 8


def naive_stream(samples, image_size: int) -> tf.data.Dataset:
    """Rotate, flip, crop and resize one after another."""
    images, labels = next(iter(evaluation_batches(samples, image_size=image_size, batch_size=len(samples))))
    stream = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(len(samples), seed=0).repeat()
    stream = stream.map(naive_chain, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return stream.batch(BATCH, drop_remainder=True).prefetch(2)


def naive_chain(image, labels):
    size = image.shape[0]
    image, labels = tf.cast(image, tf.float32), labels[..., tf.newaxis]
    degrees = tf.gather([20.0, 90.0, -90.0], tf.random.uniform([], 0, 3, tf.int32))

    def turned():
        return rotated(image, degrees, "BILINEAR", 128.0), rotated(labels, degrees, "NEAREST", 255.0)

    image, labels = tf.cond(tf.random.uniform([]) < 0.5, turned, lambda: (image, labels))
    image, labels = tf.image.flip_left_right(image), tf.image.flip_left_right(labels)
    part = round(0.7 * size)
    top, left = tf.unstack(tf.random.uniform([2], 0, size - part + 1, tf.int32))
    image, labels = (tf.image.crop_to_bounding_box(one, top, left, part, part) for one in (image, labels))
    return tf.image.resize(image, [size, size]), tf.image.resize(labels, [size, size], method="nearest")[..., 0]


def rotated(picture, degrees, interpolation: str, fill: float):
    angle, centre = degrees * np.pi / 180, (picture.shape[0] - 1) / 2
    cosine, sine = tf.cos(angle), tf.sin(angle)
    shift_x, shift_y = centre * (1 - cosine + sine), centre * (1 - sine - cosine)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=picture[tf.newaxis],
        transforms=[[cosine, -sine, shift_x, sine, cosine, shift_y, 0.0, 0.0]],
        output_shape=picture.shape[:2],
        fill_value=fill,
        interpolation=interpolation,
        fill_mode="CONSTANT",
    )[0]


def timed(batches, count: int) -> tuple[float, float]:
    """Images a second, and CPU milliseconds an image, over `count` batches."""
    for _ in range(3):  # those that were made while the other stream ran
        next(batches)
    started, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        next(batches)
    images = count * BATCH
    return images / (time.perf_counter() - started), 1000 * (time.process_time() - cpu) / images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-size", type=int, default=473)
    parser.add_argument("--images", type=int, default=400, help="a round; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(Path(folder), 4 * BATCH, seed=0, size=160)
        samples = find_samples(folder)
        pipeline = training_stream(
            samples, image_size=options.image_size, batch_size=BATCH, augmentation="paper", seed=0
        )
        streams = {"pipeline": iter(pipeline), "naive chain": iter(naive_stream(samples, options.image_size))}
        for batches in streams.values():
            timed(batches, 2 * len(samples) // BATCH)  # every image decoded, everything compiled
        rounds = {name: [] for name in streams}
        for _ in range(options.rounds):
            for name, batches in streams.items():
                rounds[name].append(timed(batches, max(1, options.images // BATCH)))
    report(rounds, options.image_size)


def report(rounds: dict[str, list[tuple[float, float]]], image_size: int) -> None:
    print(f"Table 2 at {image_size}×{image_size}, images in memory, batches of {BATCH}, {os.cpu_count()} cores:")
    medians = {name: [statistics.median(values) for values in zip(*each, strict=True)] for name, each in rounds.items()}
    for name, (speed, cpu) in medians.items():
        least, most = min(speed for speed, _ in rounds[name]), max(speed for speed, _ in rounds[name])
        print(f"  {name:12} {speed:6.0f} images/s ({least:.0f} to {most:.0f}), {cpu:5.2f} CPU ms an image")
    (ours, our_cpu), (naive, naive_cpu) = medians["pipeline"], medians["naive chain"]
    print(f"  ratio        {ours / naive:6.2f} in images/s, {naive_cpu / our_cpu:.2f} in CPU time")


if __name__ == "__main__":
    main()
