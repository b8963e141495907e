"""Into the square and back."""

import numpy as np
import pytest

from keras_landslide.data.letterbox import Letterbox, crop_window


@pytest.mark.parametrize(("height", "width"), [(61, 61), (94, 121), (700, 1239), (65, 64), (1000, 3)])
def test_the_image_lies_inside_and_the_bars_are_ignored(height, width):
    box = Letterbox(height, width, 96)
    labels = box.labels_in(np.ones((height, width), np.uint8))
    assert labels.shape == (96, 96)
    assert (labels[box.inside] == 1).all()
    assert (labels == 255).sum() == 96 * 96 - box.inner_height * box.inner_width
    assert max(box.inner_height, box.inner_width) == 96


def test_bars_are_even_and_the_image_is_grey_there():
    box = Letterbox(50, 100, 100)
    square = box.image_in(np.full((50, 100, 3), 7, np.uint8))
    assert (square[:25] == 128).all() and (square[75:] == 128).all() and (square[25:75] == 7).all()


@pytest.mark.parametrize(("height", "width"), [(120, 200), (333, 211)])
def test_a_mask_survives_the_way_there_and_back(height, width):
    y, x = np.mgrid[:height, :width]
    truth = (np.hypot(y - height / 2, x - width / 3) < 50).astype(np.uint8)
    box = Letterbox(height, width, 512)
    square = box.labels_in(truth)
    probabilities = np.stack([square == 0, square == 1], -1).astype(np.float32)
    back = box.probabilities_out(probabilities).argmax(-1)
    union = (back | truth).sum()
    assert (back & truth).sum() / union > 0.985
    assert (np.roll(back, 3, axis=1) & truth).sum() / union < 0.97  # three pixels off would be seen


def test_the_image_is_not_mirrored_or_turned():
    image = np.zeros((40, 80, 3), np.uint8)
    image[:20, :40] = 255  # bright top left
    square = Letterbox(40, 80, 80).image_in(image)
    assert square[30, 20].min() == 255 and square[30, 60].max() == 0 and square[50, 20].max() == 0


def test_windows_reach_every_place_and_nothing_beyond():
    below_one = np.nextafter(np.float32(1), np.float32(0))
    starts = set()
    for place in [*np.linspace(0, 0.999, 500), below_one]:
        rows, columns = crop_window(70, 40, 64, (place, place))
        assert rows.stop - rows.start == 64 and (columns.start, columns.stop) == (0, 40)
        starts.add(rows.start)
    assert starts == set(range(7))
    assert crop_window(40, 50, 64, (below_one, below_one)) == (slice(0, 40), slice(0, 50))
