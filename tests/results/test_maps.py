"""Outlines and found landslides, against distances taken pixel by pixel and masks drawn by hand."""

import numpy as np
import pytest

from keras_landslide.errors import LandslideError
from keras_landslide.files.images import write_image
from keras_landslide.results.maps import (
    average_precision,
    boundary_f1,
    calibration_error,
    fits,
    histogram,
    iou_of_touching,
    named_samples,
    outline,
    precision_recall,
    reliability,
)
from keras_landslide.results.result import read_result, write_probability


def drawn(*lines: str) -> np.ndarray:
    return np.array([[character == "#" for character in line] for line in lines])


def test_an_outline_is_what_touches_the_outside_but_not_the_edge_of_the_image():
    mask = drawn(
        "####.",
        "####.",
        "####.",
        ".....",
    )
    expected = drawn(
        "...#.",
        "...#.",
        "####.",
        ".....",
    )
    np.testing.assert_array_equal(outline(mask), expected)


def pixel_by_pixel(truth: np.ndarray, marked: np.ndarray) -> float:
    """F1 of the outlines from the distances of all pairs of their pixels."""

    def edge(mask):
        padded = np.pad(mask, 1, mode="edge")
        inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        return np.argwhere(mask & ~inner)

    one, other = edge(truth), edge(marked)
    distances = np.hypot(*np.moveaxis(one[:, None] - other[None], -1, 0))
    near = distances <= 0.0075 * np.hypot(*truth.shape)
    recall, precision = near.any(axis=1).mean(), near.any(axis=0).mean()
    return 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize("seed", range(4))
def test_boundary_f1_is_that_of_all_pairs_of_pixels(seed):
    """Blobs of 200 × 260 pixels, whose outlines may differ by 2.46 pixels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:200, :260]
    angle = np.arctan2(y - 90, x - 120)
    ripples = 4 * np.sin(5 * angle + rng.uniform(0, 6))
    truth = np.hypot(y - 90, x - 120) < 60
    marked = np.hypot(y - 90, x - 120) < 60 + ripples
    found = boundary_f1(truth, marked)
    assert found == pytest.approx(pixel_by_pixel(truth, marked))
    assert 0.3 < found < 0.9


def test_boundary_f1_at_its_ends():
    truth = np.zeros((100, 100), bool)
    truth[30:60, 30:60] = True
    assert boundary_f1(truth, truth) == 1
    assert boundary_f1(truth, np.roll(truth, 1, axis=1)) == 1  # 1.06 pixels are near enough
    nothing = np.zeros_like(truth)
    assert boundary_f1(truth, nothing) == boundary_f1(nothing, truth) == 0
    far = np.zeros_like(truth)
    far[80:90, 80:90] = True
    assert boundary_f1(truth, far) == 0
    assert np.isnan(boundary_f1(nothing, nothing))


def test_a_landslide_is_compared_with_the_pieces_that_touch_it():
    truth = drawn(
        "......",
        ".##...",
        ".##...",
        "......",
    )
    beside = drawn(
        "......",
        ".#...#",
        ".##..#",
        "...#..",
    )  # the piece of three joins a pixel at its corner; the other piece does not touch the mask
    assert iou_of_touching(truth, beside) == 3 / 5
    assert iou_of_touching(truth, truth) == 1
    in_pieces = drawn(
        "......",
        ".#....",
        "..#...",
        "......",
    )
    assert iou_of_touching(truth, in_pieces) == 2 / 4
    assert iou_of_touching(truth, np.zeros_like(truth)) == 0
    assert np.isnan(iou_of_touching(np.zeros_like(truth), truth))


@pytest.fixture
def one_image(tmp_path, stored):
    """A folder with one image of 40 × 40 pixels, and a result with a map of it: 20 × 20 landslide, half of it sure."""
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 10:30] = 255
    data = tmp_path / "data"
    write_image(data / "image" / "a.png", np.zeros((40, 40, 3), np.uint8))
    write_image(data / "mask" / "a.png", mask)
    counts = {"a": [[1200, 0], [0, 400]]}
    at_threshold = {"labels": "original", "groups": {"a": "a"}, "per_image": counts, "threshold": 0.7}
    result = read_result(stored("unet_vgg16", counts, at_threshold=at_threshold) / "unet_vgg16.json")
    probability = np.where(mask > 0, 0.6, 0.1)
    probability[10:30, 10:20] = 0.9
    write_probability(result.maps / "a.png", probability)
    return data, result


def test_each_decision_is_fitted_with_its_threshold(one_image):
    data, result = one_image
    faithful, thresholded = fits(result, named_samples(data, ["a"]))
    assert (faithful["a"].landslide_iou, faithful["a"].boundary_f1, faithful["a"].found) == (1, 1, True)
    assert thresholded["a"].landslide_iou == 0.5 and not thresholded["a"].found  # half is not above half


def test_maps_and_images_that_do_not_belong_together_are_refused(one_image, stored):
    data, result = one_image
    with pytest.raises(LandslideError, match="lacks 1 of the 2 images that were scored, elsewhere first"):
        named_samples(data, ["a", "elsewhere"])
    write_probability(result.maps / "a.png", np.zeros((30, 40)))
    with pytest.raises(LandslideError, match="has 40 × 30 pixels, its mask 40 × 40"):
        fits(result, named_samples(data, ["a"]))
    (result.maps / "a.png").unlink()
    with pytest.raises(LandslideError, match=r"a\.png: cannot be read"):
        fits(result, named_samples(data, ["a"]))
    without = read_result(stored("unet_resnet50", {"a": [[1200, 0], [0, 400]]}) / "unet_resnet50.json")
    assert fits(without, named_samples(data, ["a"])) is None


def test_a_histogram_counts_every_pixel_by_truth_and_probability(one_image):
    data, result = one_image
    counts = histogram(result, named_samples(data, ["a"]))
    assert {(level, count) for level, count in enumerate(counts[0]) if count} == {(26, 1200)}  # 0.1
    assert {(level, count) for level, count in enumerate(counts[1]) if count} == {(153, 200), (230, 200)}  # 0.6, 0.9


@pytest.fixture
def by_hand():
    """Probabilities 1: 4 of 5 pixels landslide, 0.6: 3 of 5, 0.2: 1 of 10; and 30 of background with 0."""
    counts = np.zeros((2, 256), int)
    for level, (background, landslide) in {255: (1, 4), 153: (2, 3), 51: (9, 1), 0: (30, 0)}.items():
        counts[:, level] = background, landslide
    return counts


def test_precision_and_recall_by_hand(by_hand):
    precision, recall = precision_recall(by_hand)
    np.testing.assert_allclose(precision, [4 / 5, 7 / 10, 8 / 20, 8 / 50])
    np.testing.assert_allclose(recall, [4 / 8, 7 / 8, 1, 1])
    assert average_precision(by_hand) == pytest.approx(4 / 8 * 4 / 5 + 3 / 8 * 7 / 10 + 1 / 8 * 8 / 20)


def test_reliability_by_hand(by_hand):
    probability, share, pixels = reliability(by_hand)
    np.testing.assert_allclose(probability[[0, 2, 6, 9]], [0, 0.2, 0.6, 1])
    np.testing.assert_allclose(share[[0, 2, 6, 9]], [0, 1 / 10, 3 / 5, 4 / 5])
    assert pixels.tolist() == [30, 0, 10, 0, 0, 0, 5, 0, 0, 5]
    assert np.isnan(share[[1, 3, 4, 5, 7, 8]]).all()
    assert calibration_error(by_hand) == pytest.approx((10 * 0.1 + 5 * 0 + 5 * 0.2) / 50)


def test_bins_hold_the_mean_of_what_is_in_them():
    counts = np.zeros((2, 256), int)
    counts[:, 128] = 3, 1  # 0.502
    counts[:, 152] = 0, 4  # 0.596
    probability, share, _ = reliability(counts)
    assert probability[5] == pytest.approx((4 * 128 + 4 * 152) / 8 / 255) and share[5] == 5 / 8
