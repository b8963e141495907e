"""Counts at native size, by a model made by hand."""

import numpy as np
import pytest

from keras_landslide.comparison import negatives_line
from keras_landslide.data.folder import Sample
from keras_landslide.evaluation import FalseAlarms, false_alarms
from keras_landslide.io import write_image


class MarksBright:
    """Calls every pixel brighter than 200 a landslide."""

    def predict_on_batch(self, batch):
        bright = batch[..., 0] > 200
        return np.stack([~bright, bright], axis=-1).astype(np.float32)


@pytest.fixture
def negatives(tmp_path):
    """Four 100 × 100 images with 0, 100 (1 %), 101 and 5000 bright pixels."""
    samples = []
    for number, bright in enumerate((0, 100, 101, 5000)):
        image = np.zeros((100 * 100, 3), np.uint8)
        image[:bright] = 255
        path = tmp_path / f"calm{number}.png"
        write_image(path, image.reshape(100, 100, 3))
        samples.append(Sample(path.stem, path, None, path.stem))
    return samples


def test_a_false_alarm_is_more_than_one_per_cent_of_the_image(negatives):
    done = []
    found = false_alarms(MarksBright(), negatives, image_size=100, on_done=lambda: done.append(1))
    assert found.per_image == {
        "calm0": (0, 10000),
        "calm1": (100, 10000),
        "calm2": (101, 10000),
        "calm3": (5000, 10000),
    }
    assert found.to_json() == {"images": 4, "false_alarms": 0.5, "marked_area": 5201 / 40000}
    assert len(done) == 4


def test_the_marked_area_is_of_all_pixels_not_a_mean_of_images():
    block = FalseAlarms({"small": (10, 100), "large": (0, 900)}).to_json()
    assert block == {"images": 2, "false_alarms": 0.5, "marked_area": 0.01}
    line = negatives_line(block)
    assert "2 images" in line and "50.0 % of them" in line and "1.00 % of their area" in line
