"""Samples → tf.data streams of batches, the same for the same seed whatever the parallelism."""

import weakref
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from ..settings import IGNORE_LABEL
from .augment import RECIPES, at_one_scale, augment
from .letterbox import BAR_GREY, Letterbox, crop_window
from .native import full_square, resampled, resampled_labels, surrounded_square, with_a_collar
from .sample import Sample

# Letterboxed samples kept in memory between epochs: 1200 of 473 × 473, which is every image of a small data set; of a
# folder of any size no more than this.
CACHE_BYTES = 1 << 30
WHOLE = (0, 1)  # the shard of who reads all
DRAWS = {"squeeze": 0, "crop": 2, "native": 8}  # numbers in [0, 1) that say what a sample shows
SURROUNDED = 0.5  # of the squares at one scale: another sample lies around an image; around the others it is mirrored
COLLARED = 0.25  # of the squares at one scale: a part of them has no data, up to LARGEST_COLLAR
LARGEST_COLLAR = 0.6


def training_stream(
    samples: Sequence[Sample],
    *,
    image_size: int,
    batch_size: int,
    augmentation: str,
    seed: int,
    first_epoch: int = 0,
    samples_per_epoch: int = 0,
    num_workers: int = 0,
    sampling: str = "squeeze",
    zoom: float = 1.0,
    cache_bytes: int = CACHE_BYTES,
    shard: tuple[int, int] = WHOLE,
) -> tf.data.Dataset:
    """An endless stream of batches, epoch after epoch, each epoch shuffled anew.

    Images `(batch_size, S, S, 3)` float32 0–255 and labels `(batch_size, S, S)` uint8 with 255 ignored. What epoch e
    shows depends on `seed` and e alone, so a run that continues at epoch e sees what it would have seen. With
    `samples_per_epoch` the samples are repeated (reshuffled each time) or cut to that number, which is rounded to
    whole batches: an epoch has `steps_per_epoch` of them. At most `num_workers` samples are made at a time (0:
    TensorFlow chooses). The first samples that fit into `cache_bytes` are decoded once, the others every epoch.

    With `sampling` `squeeze` every image is scaled to `image_size`. With `crop`, what is larger is cut to it at a place
    drawn anew each time, and what is smaller is enlarged. With `native`, every image is resampled by `zoom` and seen
    through a square at a place drawn anew each time, which is filled as ground goes on in a scene: by the image
    mirrored or by another sample (`_at_one_scale`); augmentation varies its scale by a quarter and no more. Of the last
    two nothing is kept.

    `shard` (i, n) gives part i of n equal parts of every batch, of which nothing else is read: the parts together are
    the whole batch, sample by sample.
    """
    per_epoch = batch_size * steps_per_epoch(samples, batch_size, samples_per_epoch)
    kept = _Kept(image_size, cache_bytes if sampling == "squeeze" else 0)
    read = _reader(samples, image_size, kept, zoom if sampling == "native" else None)
    recipe = at_one_scale(RECIPES[augmentation]) if sampling == "native" else RECIPES[augmentation]
    parallel = num_workers or tf.data.AUTOTUNE
    number, parts = shard
    share = batch_size // parts

    def epoch_order(epoch):
        order = _order(len(samples), per_epoch, seed, epoch)
        places = tf.range(per_epoch)
        places = tf.boolean_mask(places, places // share % parts == number)
        epochs = tf.fill(tf.shape(places), tf.cast(epoch, tf.int32))
        return tf.data.Dataset.from_tensor_slices((epochs, places, tf.gather(order, places)))

    def sample(epoch, place, index):
        drawn = tf.random.stateless_uniform([DRAWS[sampling]], seed_pair(seed + 1, epoch, place, 1))
        image, labels = read(index, drawn)
        return augment(image, labels, recipe, seed_pair(seed + 1, epoch, place))

    stream = tf.data.Dataset.range(first_epoch, 2**31 - 1).flat_map(epoch_order)
    stream = stream.map(sample, num_parallel_calls=parallel, deterministic=True)
    stream = stream.batch(share, drop_remainder=True).prefetch(2)
    stream.kept = kept  # lives as long as the stream
    return stream


def batch_samples(
    samples: Sequence[Sample], epoch: int, step: int, *, batch_size: int, seed: int, samples_per_epoch: int = 0
) -> list[Sample]:
    """What `training_stream` shows in step `step` of epoch `epoch`, both counted from 0."""
    per_epoch = batch_size * steps_per_epoch(samples, batch_size, samples_per_epoch)
    order = _order(len(samples), per_epoch, seed, epoch).numpy()
    return [samples[index] for index in order[step * batch_size : (step + 1) * batch_size]]


def _order(count: int, per_epoch: int, seed: int, epoch):
    """Which of `count` samples stands at each of an epoch's places, `(per_epoch,)` int32."""
    rounds = -(-per_epoch // count)
    shuffled = [
        tf.random.experimental.stateless_shuffle(tf.range(count), seed_pair(seed, epoch, part))
        for part in range(rounds)
    ]
    return tf.concat(shuffled, axis=0)[:per_epoch]


def steps_per_epoch(samples: Sequence[Sample], batch_size: int, samples_per_epoch: int = 0) -> int:
    """Batches that show about each sample once: rounded, at least one."""
    return max(1, round((samples_per_epoch or len(samples)) / batch_size))


def evaluation_batches(
    samples: Sequence[Sample],
    *,
    image_size: int,
    batch_size: int,
    full: bool = False,
    shard: tuple[int, int] = WHOLE,
) -> tf.data.Dataset:
    """Every sample once, in order, letterboxed: `(n, S, S, 3)` uint8 and `(n, S, S)` uint8, 255 ignored.

    With `full` all batches have `batch_size` squares: the samples are dealt evenly over them, and blank squares that
    are ignored all over stand where there is none. Those change neither the loss nor the scores of a batch. Of such
    batches `shard` gives a part, as in `training_stream`.
    """
    share = batch_size // shard[1]
    numbers = np.arange(len(samples))
    if full:
        numbers = _full_batches(len(samples), batch_size)[:, shard[0] * share : (shard[0] + 1) * share].ravel()
    read = _reader([*samples, _Blank(image_size)], image_size)
    squares = tf.data.Dataset.from_tensor_slices(numbers).map(read, num_parallel_calls=tf.data.AUTOTUNE)
    return squares.batch(share).prefetch(2)


def _full_batches(count: int, batch_size: int) -> np.ndarray:
    """Numbers of samples, `(batches, batch_size)` int64; `count` is the number of the blank square.

    >>> _full_batches(5, 4)
    array([[0, 1, 2, 5],
           [3, 4, 5, 5]])
    """
    dealt = np.array_split(np.arange(count), -(-count // batch_size))
    return np.array([np.pad(part, (0, batch_size - len(part)), constant_values=count) for part in dealt])


class _Blank:
    """Stands for a `Sample` of a grey square of which every pixel is ignored."""

    def __init__(self, image_size: int):
        self.size = image_size

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        square = np.full((self.size, self.size), IGNORE_LABEL, np.uint8)
        return np.full((*square.shape, 3), BAR_GREY, np.uint8), square


class _Kept(dict[int, tuple[np.ndarray, np.ndarray]]):
    """Letterboxed samples by number, as many as fit into `cache_bytes`."""

    def __init__(self, image_size: int, cache_bytes: int):
        super().__init__()
        self.most = cache_bytes // (image_size * image_size * 4)  # three channels and the labels


def _reader(
    samples: Sequence["Sample | _Blank"], image_size: int, kept: _Kept | None = None, zoom: float | None = None
):
    """Sample number to a square image and labels.

    Without numbers `drawn` that is all of the sample, letterboxed; with them it is what `crop_window` leaves of it, or
    with a `zoom` what `_at_one_scale` gives.
    """
    # TensorFlow never forgets a Python function that it was given: what this one held would stay until the program ends
    remembered = weakref.ref(kept) if kept is not None else lambda: None

    def read(index, drawn):
        kept, index = remembered(), int(index)
        if kept is not None and index in kept:
            return kept[index]
        if len(drawn) and zoom is not None:
            return _at_one_scale(samples, index, image_size, zoom, drawn)
        image, labels = samples[index].read()
        if len(drawn):
            window = crop_window(*labels.shape, image_size, drawn)
            image, labels = image[window], labels[window]
        box = Letterbox(*labels.shape, image_size)
        letterboxed = box.image_in(image), box.labels_in(labels)
        if kept is not None and len(kept) < kept.most:
            kept[index] = letterboxed
        return letterboxed

    def op(index, drawn=()):
        image, labels = tf.numpy_function(read, [index, tf.convert_to_tensor(drawn, tf.float32)], (tf.uint8, tf.uint8))
        return tf.ensure_shape(image, (image_size, image_size, 3)), tf.ensure_shape(labels, (image_size, image_size))

    return op


def _at_one_scale(
    samples: Sequence[Sample], index: int, size: int, zoom: float, drawn: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A square of a sample and of what is around it: itself mirrored, or in `SURROUNDED` of all any of the samples.

    No grey says where the image ends, about whose middle Bijie's landslides stand. `COLLARED` of all squares end in
    grey, wherever that is. `drawn` are the numbers of `DRAWS`.
    """

    def at_scale(index: int) -> tuple[np.ndarray, np.ndarray]:
        image, labels = samples[index].read()
        return resampled(image, zoom), resampled_labels(labels, zoom)

    down, right, surrounded, other, other_down, other_right, collared, share = drawn
    image, labels = at_scale(index)
    if surrounded < SURROUNDED:
        around = full_square(*at_scale(int(other * len(samples))), size, (other_down, other_right))
        square = surrounded_square(image, labels, size, (down, right), around)
    else:
        square = full_square(image, labels, size, (down, right))
    return with_a_collar(*square, LARGEST_COLLAR * share) if collared < COLLARED else square


def seed_pair(seed: int, *numbers):
    """A seed pair for stateless random ops, one for each (seed, numbers…)."""
    pair = np.array([seed, 0x1A5D], np.int32)
    for number in numbers:
        pair = tf.random.experimental.stateless_fold_in(pair, tf.cast(number, tf.int32))
    return pair
