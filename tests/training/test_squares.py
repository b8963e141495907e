"""What validation shows: the very windows that a prediction sees, each pixel counted once."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from keras_landslide.data.layouts import find_samples
from keras_landslide.data.pipeline import evaluation_batches
from keras_landslide.prediction.predictor import Predictor
from keras_landslide.prediction.windows import framed
from keras_landslide.training.squares import squares
from tests.small import SETTINGS

NATIVE = dataclasses.replace(SETTINGS, sampling="native", zoom=1.5, image_size=64)


def test_whole_samples_are_shown_as_they_are(scenes):
    samples = find_samples(scenes)[:3]
    assert squares(samples, SETTINGS) is samples


@pytest.mark.parametrize("zoom", [0.5, 1.0, 1.5])
def test_validation_sees_the_windows_of_a_prediction_and_counts_each_pixel_once(scenes, zoom):
    samples = find_samples(scenes)[:6]
    seen = []

    def run(batch):
        seen.append(batch[0])
        return np.zeros((1, 64, 64, 2), np.float32)

    counts = []
    for sample in samples:
        image, labels = sample.read()
        Predictor(run, 64, zoom=zoom)(image)
        # every place of the nearest neighbour's classes, counted by Pillow
        size = [max(1, round(side * zoom)) for side in labels.shape[::-1]]
        enlarged = np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))
        counts.append(np.bincount(enlarged.ravel(), minlength=2))
    batches = evaluation_batches(squares(samples, dataclasses.replace(NATIVE, zoom=zoom)), image_size=64, batch_size=1)
    shown = [(images[0].numpy(), labels[0].numpy()) for images, labels in batches]
    assert len(samples) < len(shown) <= len(seen)
    left = iter(seen)  # those of a prediction, in its order, but for some in which no pixel counts
    for image, _ in shown:
        assert any(np.array_equal(image, window) for window in left)
    classes = np.stack([labels for _, labels in shown])
    found = np.bincount(classes.ravel(), minlength=256)
    assert found[[0, 1]].sum() == np.sum(counts)
    if zoom != 1.5:  # where Pillow and OpenCV agree on which pixel is the nearest
        np.testing.assert_array_equal(found[[0, 1]], np.sum(counts, 0))
    assert found[1] > 0


def test_a_pixel_counts_in_the_window_whose_middle_is_nearest(scenes):
    (sample,) = [one for one in find_samples(scenes) if min(one.read()[1].shape) > 60][:1]
    shown = squares([sample], NATIVE)
    height, width = (round(side * 1.5) for side in sample.read()[1].shape)
    assert len(shown) > 1
    frame = framed(np.zeros((height, width)), 64, 1)
    owner = np.full(frame.shape, -1)
    for number, window in enumerate(shown):
        counted = window.read()[1] != 255
        place = owner[window.place]
        assert (place[counted] == -1).all()
        place[counted] = number
    assert ((owner >= 0) == (frame == 0)).all()
    y, x = np.nonzero(frame == 0)
    middles = [tuple((part.start + part.stop - 1) / 2 for part in window.place) for window in shown]
    for axis, at in enumerate((y, x)):
        of_axis = np.stack([abs(at - middle[axis]) for middle in middles])
        # half a pixel where two are equally near
        assert (of_axis.min(0) + 1 >= of_axis[owner[y, x], np.arange(len(y))]).all()
