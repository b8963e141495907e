"""The geometry of windows, and their blending against sums made pixel by pixel."""

import numpy as np
import pytest

from keras_landslide.prediction.windows import blended, cores, framed, window_starts, window_weights, windows

LENGTHS = [(64, 64), (65, 64), (95, 64), (97, 64), (1000, 473), (10, 7), (31, 7), (5, 64), (1, 8)]


@pytest.mark.parametrize(("length", "size"), LENGTHS)
def test_each_pixel_lies_in_two_windows_of_a_side_and_in_the_middle_half_of_one(length, size):
    starts = np.array(window_starts(length, size))
    assert (np.diff(starts) == size // 2).all()
    pixels = np.arange(length)
    inside = (starts[:, None] <= pixels) & (pixels < starts[:, None] + size)
    assert inside.sum(0).min() == 2 and inside.any(1).all()
    assert (abs(pixels - (starts[:, None] + (size - 1) / 2)).min(0) <= size / 4).all()


def test_windows_lie_inside_of_the_framed_image_row_by_row():
    image = np.arange(20 * 29).reshape(20, 29)
    larger, places = framed(image, 8, -1), list(windows(20, 29, 8))
    assert places == sorted(places, key=lambda place: (place[0].start, place[1].start))
    seen = np.zeros(larger.shape, int)
    for place in places:
        assert larger[place].shape == (8, 8) and (larger[place] >= 0).any()
        seen[place] += 1
    assert seen.min() >= 1 and (larger >= 0).sum() == image.size
    np.testing.assert_array_equal(larger[4:24, 4:33], image)
    assert (seen[4:24, 4:33] == 4).all()


def test_a_frame_goes_on_mirrored_as_often_as_it_has_to():
    image = np.arange(3 * 5 * 2).reshape(3, 5, 2)
    rows, columns = [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1], [3, 2, 1, 0, 0, 1, 2, 3, 4, 4, 3, 2, 1, 0, 0, 1]
    np.testing.assert_array_equal(framed(image, 8), image[np.ix_(rows, columns)])


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
    corners = [(top, left) for top in range(-3, 13, 3) for left in range(-3, 17, 3)]
    answers = random.random((len(corners), size, size, 3), np.float32)
    asked = []

    def answer(window):
        asked.append(window)
        return answers[len(asked) - 1]

    found = blended(image, size, answer)
    assert found.shape == (13, 17, 3) and found.dtype == np.float32
    mirror = np.concatenate([image[::-1], image, image[::-1]])
    around = np.concatenate([mirror[:, ::-1], mirror, mirror[:, ::-1]], axis=1)[3:, 7:]  # from 10 before the image on
    for window, (top, left) in zip(asked, corners, strict=True):
        np.testing.assert_array_equal(window, around[10 + top : 16 + top, 10 + left : 16 + left])
    side = [np.sin(np.pi * (place + 0.5) / size) ** 2 for place in range(size)]
    for y in range(13):
        for x in range(17):
            total, weight = np.zeros(3), 0.0
            for number, (top, left) in enumerate(corners):
                if top <= y < top + size and left <= x < left + size:
                    share = side[y - top] * side[x - left]
                    total, weight = total + share * answers[number][y - top, x - left], weight + share
            np.testing.assert_allclose(found[y, x], total / weight, rtol=1e-5)


@pytest.mark.parametrize(("length", "size"), LENGTHS)
def test_cores_meet_and_their_pixels_are_nearest_to_the_middle_of_their_window(length, size):
    starts = np.array(window_starts(length, size))
    middles = starts + (size - 1) / 2
    owner = np.full(length, -1)
    for number, (start, core) in enumerate(zip(starts, cores(length, size), strict=True)):
        assert core.start <= core.stop
        assert (owner[start + core.start : start + core.stop] == -1).all()
        owner[start + core.start : start + core.stop] = number
    distance = abs(np.arange(length) - middles[:, None])
    assert (owner >= 0).all()
    # half a pixel where the middle between two lies on one
    assert (distance[owner, np.arange(length)] <= distance.min(0) + 1).all()
