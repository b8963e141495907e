"""One image at one scale, the threshold, and what the predictor of a model takes from its weights."""

from types import SimpleNamespace

import numpy as np
import pytest

from keras_landslide.models.description import Description, Scale
from keras_landslide.prediction.predictor import Predictor, decided
from tests.prediction.test_prediction import ByRule, red


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_the_threshold_is_of_landslides_probability_and_the_most_probable_class_is_0_5():
    landslide = np.array([[0.2, 0.5, 0.51, 0.75, 0.76]], np.float32)
    probabilities = np.stack([1 - landslide, landslide], -1)
    assert decided(probabilities).tolist() == [[0, 0, 1, 1, 1]]
    assert decided(probabilities, 0.75).tolist() == [[0, 0, 0, 0, 1]]
    assert decided(probabilities, 0.4).tolist() == [[0, 1, 1, 1, 1]]
    assert decided(probabilities).dtype == decided(probabilities, 0.4).dtype == np.uint8
    three = np.array([[[0.1, 0.3, 0.6], [0.3, 0.4, 0.3]]], np.float32)  # a threshold means nothing there
    assert decided(three, 0.2).tolist() == [[2, 1]]
    image = noise(30, 40)
    for threshold in (0.3, 0.5, 0.8):
        found = Predictor(ByRule(red), 40, threshold=threshold).classes(image)
        np.testing.assert_array_equal(found, image[..., 0] / 255 > threshold)


def test_an_image_at_one_scale_is_predicted_in_windows_that_reach_beyond_it():
    image, model = noise(50, 90), ByRule(red)
    found = Predictor(model, 32, zoom=1.0)(image)
    np.testing.assert_allclose(found[..., 1], image[..., 0] / 255, atol=1e-6)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-6)
    mirrored = np.pad(image, [(16, 48), (16, 48), (0, 0)], mode="symmetric")
    corners = [(top, left) for top in range(0, 65, 16) for left in range(0, 105, 16)]
    assert len(model.batches) == len(corners)
    for batch, (top, left) in zip(model.batches, corners, strict=True):
        assert batch.dtype == np.float32
        np.testing.assert_array_equal(batch, mirrored[None, top : top + 32, left : left + 32])


def test_at_half_the_scale_areas_are_averaged_and_probabilities_come_back_at_native_size():
    """Blocks of 2 × 2 pixels, whose means are a ramp, which bilinear enlarging keeps."""
    small = np.zeros((20, 24, 3), np.uint8)
    small[..., 0] = 40 + 4 * np.arange(24)
    image = small.repeat(2, 0).repeat(2, 1)
    image[::2, ::2, 0] += 9
    image[1::2, ::2, 0] -= 9
    model = ByRule(red)
    found = Predictor(model, 32, zoom=0.5)(image)
    first, *_, last = model.batches
    assert len(model.batches) == 9
    np.testing.assert_array_equal(first[0, 16:, 16:], small[:16, :16])  # mirrored around
    np.testing.assert_array_equal(first[0, :16], first[0, :15:-1])
    np.testing.assert_array_equal(last[0, :4, :8], small[16:, 16:])
    assert found.shape == (40, 48, 2)
    ramp = (40 + 4 * (np.arange(48) - 0.5) / 2) / 255
    np.testing.assert_allclose(found[:, 1:-1, 1], np.tile(ramp[1:-1], (40, 1)), atol=1e-6)


def test_windows_are_averaged_over_flips_each():
    """The answer rises over a window to the right by as much as it falls in the mirror image."""

    def rising(batch):
        return np.broadcast_to(np.arange(32, dtype=np.float32) / 31, (1, 32, 32))

    image, model = noise(32, 32), ByRule(rising)
    found = Predictor(model, 32, average_flips=True, zoom=1.0)(image)
    assert len(model.batches) == 4 * 9
    np.testing.assert_allclose(found, 0.5, atol=1e-6)
    assert np.ptp(Predictor(ByRule(rising), 32, zoom=1.0)(image)) > 0.1


def test_an_image_of_one_pixel_at_a_small_scale():
    assert Predictor(ByRule(red), 32, zoom=0.1)(noise(1, 3)).shape == (1, 3, 2)


def test_a_predictor_does_what_the_weights_say():
    model = SimpleNamespace(predict_on_batch=ByRule(red))
    model.description = Description(
        "unet",
        "vgg16",
        class_names=("rock", "scree"),
        prediction_size=96,
        threshold=0.7,
        scale=Scale(prediction=1.6, training=0.8),
    )
    predictor = Predictor.of(model)
    # a pixel of the input is 1.6 m, one of the images 0.8 m: half as many
    assert predictor == Predictor(model.predict_on_batch, 96, False, 0.7, 0.5, ("rock", "scree"))
    assert Predictor.of(model, image_size=64, average_flips=True).to_json() == {
        "image_size": 64,
        "average_flips": True,
        "threshold": 0.7,
    }
    model.description = Description("unet", "vgg16", prediction_size=96)
    assert Predictor.of(model).zoom is None


@pytest.mark.parametrize("zoom", [None, 0.4, 1.7])
def test_probabilities_have_the_size_of_the_image(zoom):
    for height, width in ((30, 47), (111, 64)):
        found = Predictor(ByRule(red), 32, zoom=zoom)(noise(height, width))
        assert found.shape == (height, width, 2) and found.dtype == np.float32
