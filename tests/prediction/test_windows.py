"""The geometry of windows, and their blending against sums made pixel by pixel."""

import numpy as np
import pytest

from keras_landslide.prediction.windows import blended, cores, window_starts, window_weights, windows


@pytest.mark.parametrize(("length", "size"), [(64, 64), (65, 64), (95, 64), (96, 64), (97, 64), (1000, 473), (10, 7)])
def test_windows_lie_inside_and_overlap_by_half_or_more(length, size):
    starts = window_starts(length, size)
    assert starts[0] == 0 and starts[-1] == length - size
    steps = np.diff(starts)
    assert (steps > 0).all() and (steps <= size // 2).all()
    assert len(starts) == 1 + -(-(length - size) // (size // 2))  # and no more of them than that takes


def test_windows_cover_every_pixel_row_by_row():
    seen, places = np.zeros((20, 29), int), list(windows(20, 29, 8))
    for rows, columns in places:
        seen[rows, columns] += 1
        assert seen[rows, columns].shape == (8, 8)
    assert seen.min() == 1 and seen[10, 14] >= 4
    assert places == sorted(places, key=lambda place: (place[0].start, place[1].start))


def test_weights_are_a_hann_window_between_its_zeros():
    side = np.array([0.14645, 0.85355, 0.85355, 0.14645])  # sin² of 22.5°, 67.5° and so on
    np.testing.assert_allclose(window_weights(4), side[:, None] * side, atol=1e-5)
    assert window_weights(473).min() > 0 and window_weights(473).dtype == np.float32
    # two half overlapping ones add up to the same everywhere
    half = window_weights(64)[:, 31]
    np.testing.assert_allclose(half[:32] + half[32:], half[0] + half[32], rtol=1e-5)


def test_blended_is_the_weighted_mean_of_all_windows_that_see_a_pixel():
    size, random = 6, np.random.default_rng(0)
    image = random.integers(0, 256, (13, 17, 3)).astype(np.uint8)
    places = list(windows(13, 17, size))
    answers = random.random((len(places), size, size, 3), np.float32)
    asked = []

    def answer(window):
        asked.append(window)
        return answers[len(asked) - 1]

    found = blended(image, size, answer)
    assert found.shape == (13, 17, 3) and found.dtype == np.float32
    for window, (rows, columns) in zip(asked, places, strict=True):
        np.testing.assert_array_equal(window, image[rows, columns])
    side = [np.sin(np.pi * (place + 0.5) / size) ** 2 for place in range(size)]
    for y in range(13):
        for x in range(17):
            total, weight = np.zeros(3), 0.0
            for number, (rows, columns) in enumerate(places):
                if rows.start <= y < rows.stop and columns.start <= x < columns.stop:
                    inside = y - rows.start, x - columns.start
                    share = side[inside[0]] * side[inside[1]]
                    total, weight = total + share * answers[number][inside], weight + share
            np.testing.assert_allclose(found[y, x], total / weight, rtol=1e-5)


@pytest.mark.parametrize(("length", "size"), [(64, 64), (65, 64), (97, 64), (200, 64), (31, 7)])
def test_cores_meet_and_their_pixels_are_nearest_to_the_middle_of_their_window(length, size):
    starts = np.array(window_starts(length, size))
    middles = starts + (size - 1) / 2
    owner = np.full(length, -1)
    for number, (start, core) in enumerate(zip(starts, cores(length, size), strict=True)):
        assert 0 <= core.start < core.stop <= size
        assert (owner[start + core.start : start + core.stop] == -1).all()
        owner[start + core.start : start + core.stop] = number
    distance = abs(np.arange(length) - middles[:, None])
    np.testing.assert_array_equal(distance[owner, np.arange(length)], distance.min(0))
