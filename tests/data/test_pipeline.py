"""Streams: the same for the same seed, each epoch complete, bars ignored."""

import gc
import os
import threading
import time
import weakref

import numpy as np
import pytest

from keras_landslide.data.layouts import find_negatives, find_samples
from keras_landslide.data.letterbox import Letterbox
from keras_landslide.data.pipeline import evaluation_batches, steps_per_epoch, training_stream
from keras_landslide.data.sample import Sample


@pytest.fixture
def samples(scenes):
    return find_samples(scenes)[:10]


def stream(samples, **options):
    defaults = {"image_size": 64, "batch_size": 5, "augmentation": "default", "seed": 0}
    return training_stream(samples, **{**defaults, **options})


def first(samples, batches: int, **options):
    return [(images.numpy(), labels.numpy()) for images, labels in stream(samples, **options).take(batches)]


def equal(one, other) -> bool:
    return all(
        np.array_equal(a, b) for left, right in zip(one, other, strict=True) for a, b in zip(left, right, strict=True)
    )


def test_the_same_seed_gives_the_same_stream_whatever_the_parallelism(samples):
    assert equal(first(samples, 4, num_workers=1), first(samples, 4, num_workers=4))
    assert not equal(first(samples, 4), first(samples, 4, seed=1))


class Watched:
    """A sample that counts how often it is read, and how many are read at a time."""

    lock, now, most = threading.Lock(), 0, 0

    def __init__(self, sample: Sample):
        self.sample, self.times_read = sample, 0

    def read(self):
        with Watched.lock:
            self.times_read += 1
            Watched.now += 1
            Watched.most = max(Watched.most, Watched.now)
        time.sleep(0.02)
        with Watched.lock:
            Watched.now -= 1
        return self.sample.read()


@pytest.mark.parametrize("num_workers", [1, 2])
def test_num_workers_samples_are_made_at_a_time(samples, num_workers):
    Watched.most = 0
    first([Watched(sample) for sample in samples], 4, num_workers=num_workers, cache_bytes=0)
    assert Watched.most == min(num_workers, os.cpu_count())


def test_the_cache_decodes_once_what_fits_and_changes_nothing(samples):
    one = 64 * 64 * 4
    read, streams = {}, {}
    for kept in (0, 4, 10):
        watched = [Watched(sample) for sample in samples]
        streams[kept] = first(watched, 6, cache_bytes=kept * one + one // 2, num_workers=1)
        read[kept] = sorted(sample.times_read for sample in watched)
    assert equal(streams[0], streams[4]) and equal(streams[0], streams[10])
    # three epochs were asked for; what is read ahead may have begun a fourth and fifth
    assert read[10] == [1] * 10
    assert read[4][:4] == [1] * 4 and read[4][4] >= 3
    assert read[0][0] >= 3


def test_what_a_stream_keeps_goes_with_it(samples):
    endless = stream(samples)
    assert sum(1 for _ in endless.map(lambda images, labels: images).take(2)) == 2
    kept = weakref.ref(endless.kept)
    assert len(kept()) == 10
    del endless
    gc.collect()
    assert kept() is None


def test_an_epoch_shows_every_sample_once_in_another_order(samples):
    """Without augmentation a sample is known by its pixels."""
    letterboxed = [Letterbox(*labels.shape, 64).image_in(image) for image, labels in (s.read() for s in samples)]
    known = {image.tobytes(): number for number, image in enumerate(letterboxed)}
    batches = first(samples, 4, augmentation="none")
    shown = [known[image.astype(np.uint8).tobytes()] for images, _ in batches for image in images]
    assert sorted(shown[:10]) == sorted(shown[10:]) == list(range(10))
    assert shown[:10] != shown[10:]


def test_a_stream_that_starts_at_a_later_epoch_goes_on_as_the_first_would(samples):
    assert equal(first(samples, 4)[2:], first(samples, 2, first_epoch=1))


def test_samples_per_epoch_repeats_or_cuts(samples):
    assert steps_per_epoch(samples, 5, 0) == 2
    assert steps_per_epoch(samples, 5, 25) == 5
    assert equal(first(samples, 7, samples_per_epoch=25)[5:], first(samples, 2, samples_per_epoch=25, first_epoch=1))


def test_an_epoch_longer_than_the_samples_has_each_as_often_and_in_other_orders(samples):
    shown = [labels for _, batch in first(samples, 4, augmentation="none", samples_per_epoch=20) for labels in batch]
    once = [labels for _, batch in first(samples, 2, augmentation="none") for labels in batch]
    numbers = [next(number for number, known in enumerate(once) if np.array_equal(known, one)) for one in shown]
    assert sorted(numbers[:10]) == sorted(numbers[10:]) == list(range(10))
    assert numbers[:10] != numbers[10:]


@pytest.mark.parametrize("seed", [1, 2])
def test_another_seed_is_another_order(samples, seed):
    assert not equal(first(samples, 2, augmentation="none"), first(samples, 2, augmentation="none", seed=seed))


def large(scenes) -> list[Sample]:
    """One sample that is larger than 64 × 64 both ways."""
    return [sample for sample in find_samples(scenes) if min(sample.read()[1].shape) > 66][:1]


@pytest.mark.parametrize("options", [{}, {"augmentation": "none", "sampling": "crop"}], ids=["augmented", "cropped"])
def test_each_place_of_each_epoch_of_each_seed_has_a_variant_of_its_own(scenes, options):
    """One image, four times an epoch: twelve variants of two epochs and another seed."""

    def variants(seed: int, first_epoch: int) -> list[bytes]:
        options_here = {**options, "seed": seed, "first_epoch": first_epoch, "samples_per_epoch": 4, "batch_size": 4}
        ((images, _),) = first(large(scenes), 1, **options_here)
        return [image.tobytes() for image in images]

    shown = {(seed, epoch): variants(seed, epoch) for seed, epoch in ((5, 0), (5, 1), (6, 0))}
    assert variants(5, 1) == shown[5, 1]
    possible = set.union(*map(set, shown.values()))
    # crops are whole pixels: two may fall on one place, but never all of them
    assert len(possible) == 12 if not options else len(possible) > 6
    for one, other in (((5, 0), (5, 1)), ((5, 0), (6, 0))):
        assert all(len(set(shown[key])) > 1 for key in (one, other))
        assert sorted(shown[one]) != sorted(shown[other])


def test_evaluation_shows_every_sample_in_order_letterboxed(samples):
    batches = list(evaluation_batches(samples, image_size=64, batch_size=4))
    images = np.concatenate([images for images, _ in batches])
    labels = np.concatenate([labels for _, labels in batches])
    assert images.shape == (10, 64, 64, 3)
    for sample, image, truth in zip(samples, images, labels, strict=True):
        native, native_truth = sample.read()
        box = Letterbox(*native_truth.shape, 64)
        np.testing.assert_array_equal(image, box.image_in(native))
        np.testing.assert_array_equal(truth, box.labels_in(native_truth))
        assert (truth == 255).sum() == 64 * 64 - box.inner_height * box.inner_width


def test_full_batches_hold_the_same_samples_and_squares_that_count_nowhere(samples):
    plain = list(evaluation_batches(samples, image_size=64, batch_size=4).unbatch().as_numpy_iterator())
    batches = list(evaluation_batches(samples, image_size=64, batch_size=4, full=True).as_numpy_iterator())
    assert [images.shape for images, _ in batches] == [(4, 64, 64, 3)] * 3
    squares = [pair for batch in batches for pair in zip(*batch, strict=True)]
    shown = [pair for pair in squares if (pair[1] != 255).any()]
    assert [sum((labels != 255).any(axis=(1, 2))) for _, labels in batches] == [4, 3, 3]
    assert equal(shown, plain)


def test_shards_are_the_whole_batch_side_by_side_and_read_nothing_else(samples):
    whole = first(samples, 4, batch_size=4)
    watched = [Watched(sample) for sample in samples]
    parts = [first(watched, 4, batch_size=4, shard=(number, 2), cache_bytes=0) for number in (0, 1)]
    assert equal(whole, [tuple(map(np.concatenate, zip(*pair, strict=True))) for pair in zip(*parts, strict=True)])
    # 16 of the 32 that whole batches would read, and what is read ahead
    assert 16 <= sum(sample.times_read for sample in watched) < 32

    def validation(**options):
        batches = evaluation_batches(samples, image_size=64, batch_size=4, full=True, **options)
        return list(batches.as_numpy_iterator())

    parts = [validation(shard=(number, 2)) for number in (0, 1)]
    joined = [tuple(map(np.concatenate, zip(*pair, strict=True))) for pair in zip(*parts, strict=True)]
    assert equal(validation(), joined)


def test_negatives_are_shown_once_an_epoch_and_are_background(samples, scenes):
    together = [*samples, *find_negatives(scenes)[:5]]
    assert steps_per_epoch(together, 5) == 3
    batches = first(together, 3, augmentation="none")
    without = [labels for _, batch in batches for labels in batch if not (labels == 1).any()]
    assert len(without) == 5 and all(set(np.unique(labels)) <= {0, 255} for labels in without)


def test_crops_are_slices_of_the_image_at_other_places_each_epoch(scenes):
    """The oracle: every slice of that size is looked through."""
    (sample,) = large(scenes)
    image, truth = sample.read()
    windows = {
        (top, left): (image[top : top + 64, left : left + 64], truth[top : top + 64, left : left + 64])
        for top in range(image.shape[0] - 63)
        for left in range(image.shape[1] - 63)
    }
    places = []
    for images, labels in first([sample], 12, batch_size=1, augmentation="none", sampling="crop"):
        found = [
            place
            for place, (part, classes) in windows.items()
            if np.array_equal(part, images[0]) and np.array_equal(classes, labels[0])
        ]
        assert len(found) == 1
        places += found
    assert len({top for top, _ in places}) > 2 and len({left for _, left in places}) > 2


def test_a_crop_keeps_the_whole_of_a_shorter_side_and_small_images_are_enlarged_as_before(samples):
    (wide,) = [sample for sample in samples if sample.read()[1].shape[0] < 60 < 70 < sample.read()[1].shape[1]][:1]
    height = wide.read()[1].shape[0]
    ((_, labels),) = first([wide], 1, batch_size=1, augmentation="none", sampling="crop")
    assert (labels[0] != 255).all(axis=1).sum() == height
    (small,) = [sample for sample in samples if max(sample.read()[1].shape) < 64][:1]
    options = {"batch_size": 1, "augmentation": "none"}
    assert equal(first([small], 1, sampling="crop", **options), first([small], 1, **options))


def test_crops_are_the_same_whatever_the_parallelism(samples):
    assert equal(*(first(samples, 4, sampling="crop", num_workers=workers) for workers in (1, 4)))
    assert not equal(*(first(samples, 4, sampling=sampling) for sampling in ("crop", "squeeze")))
