"""Intervals and tables."""

import numpy as np
import pytest

from keras_landslide.comparison import interval, landslide_iou, paired_difference, report_lines, table5_line
from keras_landslide.paper import row


def matrices(seed, count=60):
    rng = np.random.default_rng(seed)
    return {
        f"image{n}": np.array([[900, rng.integers(0, 40)], [rng.integers(0, 60), rng.integers(50, 150)]])
        for n in range(count)
    }


def test_the_interval_holds_the_score_of_fresh_images_about_as_often_as_it_says():
    """The oracle: scores of fresh draws from the same source."""
    low, high = interval(matrices(0), landslide_iou)
    fresh = np.array([landslide_iou(np.sum(list(matrices(seed).values()), axis=0)) for seed in range(1, 300)])
    centre = landslide_iou(np.sum(list(matrices(0).values()), axis=0))
    assert low < centre < high
    assert high - low == pytest.approx(np.subtract(*np.percentile(fresh, [97.5, 2.5])), rel=0.35)


def test_the_interval_of_equal_images_has_no_width():
    same = {name: np.array([[5, 1], [1, 3]]) for name in "abc"}
    assert interval(same, landslide_iou) == (0.6, 0.6)


def test_a_paired_difference_is_surer_than_two_intervals_and_keeps_its_sign():
    before = matrices(0)
    rng = np.random.default_rng(9)
    found = {name: rng.integers(3, 9) for name in before}  # pixels more, of those that were missed or not
    after = {name: matrix + np.array([[0, 0], [-found[name], found[name]]]) for name, matrix in before.items()}
    difference, (low, high) = paired_difference(before, after, landslide_iou)
    pooled = [landslide_iou(np.sum(list(part.values()), axis=0)) for part in (before, after)]
    assert difference == pytest.approx(pooled[1] - pooled[0])
    assert 0 < low < difference < high
    alone = interval(before, landslide_iou)
    assert high - low < 0.3 * (alone[1] - alone[0])
    assert paired_difference(after, before, landslide_iou)[0] == pytest.approx(-difference)


def test_a_paired_difference_pairs_by_name():
    before = matrices(0)
    backwards = dict(reversed(before.items()))
    assert paired_difference(before, backwards, landslide_iou) == (0.0, (0.0, 0.0))
    with pytest.raises(ValueError, match="same images"):
        paired_difference(before, matrices(0, 59), landslide_iou)


@pytest.fixture
def content():
    per_image = {"a": [[50, 10], [5, 35]]}
    return {
        "images": 1,
        "labels": "original",
        "split": "paper510",
        "subset": "test",
        "confusion": per_image["a"],
        "miou": 0.7346,
        "mean_recall": 0.8542,
        "mean_precision": 0.8434,
        "background": {"precision": 0.9091, "recall": 0.8333, "iou": 0.7692, "f1": 0.8696},
        "landslide": {"precision": 0.7778, "recall": 0.875, "iou": 0.7, "f1": None},
        "per_image": per_image,
        "settings": {"image_size": 352},
        "history": [{}] * 45,
        "minutes": 61.4,
        "validation": {"miou": 0.781},
        "machine": {"cores": 2},
    }


def test_the_report_has_our_line_beside_the_papers(content):
    text = "\n".join(report_lines(content, row("pspnet_mobilenet_v2")))
    assert "73.46   85.42      84.34" in text
    assert "89.11   97.39      92.61" in text
    assert "subset test of split paper510" in text


def test_the_line_of_table_5(content):
    line = table5_line(row("pspnet_mobilenet_v2"), content)
    assert line.startswith(
        "| PSPNet (MobileNet) | 89.11 / 97.39 / 92.61 | **73.46** (73.5–73.5) | 85.42 | 84.34 | 70.00 |"
    )
    assert "352 px, 45 epochs, 61 min on 2 cores; validation mIoU 78.1" in line
