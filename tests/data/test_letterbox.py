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


def resampled(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear by hand, `(h, w, …)` to `(height, width, …)`: pixels are squares, and beyond the border it goes on."""
    for axis, side in enumerate((height, width)):
        there = (np.arange(side) + 0.5) * values.shape[axis] / side - 0.5
        there = there.clip(0, values.shape[axis] - 1)
        first = np.floor(there).astype(int)
        second = np.minimum(first + 1, values.shape[axis] - 1)
        weight = (there - first).reshape(-1, *[1] * (values.ndim - 1 - axis))
        values = values.take(first, axis) * (1 - weight) + values.take(second, axis) * weight
    return values


def test_bilinear_by_hand_is_what_it_says():
    assert resampled(np.array([[0.0, 4.0]]), 1, 4).tolist() == [[0.0, 1.0, 3.0, 4.0]]
    assert resampled(np.array([[0.0], [4.0], [6.0], [8.0]]), 2, 1).tolist() == [[2.0], [7.0]]


def test_shrinking_averages_the_pixels_of_every_block():
    image = 2 * np.random.default_rng(0).integers(0, 128, (36, 24, 3)).astype(np.uint8)
    square = Letterbox(36, 24, 12).image_in(image)
    blocks = image.reshape(12, 3, 8, 3, 3).mean((1, 3))
    np.testing.assert_allclose(square[:, 2:10], blocks, atol=0.501)
    assert np.abs(image[1::3, 1::3] - blocks).mean() > 30  # what the nearest pixels would give
    # one and a half pixels a side: a whole pixel and the half of its neighbour
    row = np.repeat(np.array([[[90], [30], [60], [120], [0], [240]]], np.uint8), 3, axis=2)
    assert Letterbox(1, 6, 4).image_in(row)[1, :, 0].tolist() == [70, 50, 80, 160]


def test_enlarging_is_bilinear():
    image = np.random.default_rng(1).integers(0, 256, (7, 10, 3)).astype(np.uint8)
    for size in (20, 33):
        box = Letterbox(7, 10, size)
        inside = box.image_in(image)[box.inside]
        np.testing.assert_allclose(inside, resampled(image.astype(float), box.inner_height, size), atol=1.01)


def test_classes_are_never_mixed():
    """Nearest: of each pixel's centre the one pixel there."""
    labels = np.random.default_rng(2).choice(np.array([0, 1, 7, 255], np.uint8), (12, 20))
    for size in (60, 33, 10, 4):
        box = Letterbox(12, 20, size)
        rows, columns = (
            ((np.arange(inner) + 0.5) * side / inner).astype(int)
            for side, inner in ((12, box.inner_height), (20, box.inner_width))
        )
        np.testing.assert_array_equal(box.labels_in(labels)[box.inside], labels[np.ix_(rows, columns)])


@pytest.mark.parametrize(("height", "width"), [(9, 14), (50, 31)])
def test_the_way_back_is_bilinear(height, width):
    box = Letterbox(height, width, 24)
    probabilities = np.random.default_rng(3).random((24, 24, 3), np.float32)
    wanted = resampled(probabilities[box.inside], height, width)
    np.testing.assert_allclose(box.probabilities_out(probabilities), wanted, atol=1e-5)


def test_windows_reach_every_place_and_nothing_beyond():
    below_one = np.nextafter(np.float32(1), np.float32(0))
    starts = set()
    for place in [*np.linspace(0, 0.999, 500), below_one]:
        rows, columns = crop_window(70, 40, 64, (place, place))
        assert rows.stop - rows.start == 64 and (columns.start, columns.stop) == (0, 40)
        starts.add(rows.start)
    assert starts == set(range(7))
    assert crop_window(40, 50, 64, (below_one, below_one)) == (slice(0, 40), slice(0, 50))
