"""The card of shipped weights: its figures are those of the result, on the threshold that the weights have."""

from pathlib import Path

import pytest

from keras_landslide.results.card import LICENCE, card

# By hand: IoU 6 / 10, precision 6 / 8, recall 6 / 8; background IoU 90 / 94
AT_THRESHOLD = {
    "threshold": 0.65,
    "labels": "original",
    "miou": (6 / 10 + 90 / 94) / 2,
    "landslide": {"iou": 0.6, "precision": 0.75, "recall": 0.75},
    "groups": {"a": "a", "b": "b"},
    "per_image": {"a": [[45, 1], [1, 3]], "b": [[45, 1], [1, 3]]},
    "negatives": {"images": 70, "false_alarms": 6 / 70, "marked_area": 0.00516},
}
RESULT = {
    **AT_THRESHOLD,
    "threshold": 0.5,
    "landslide": {"iou": 0.1, "precision": 0.1, "recall": 0.1},
    "negatives": {"images": 70, "false_alarms": 0.5, "marked_area": 0.1},
    "at_threshold": AT_THRESHOLD,
    "images": 2,
    "split": "bijie770",
    "seed": 3,
    "date": "2026-11-27",
    "start": {"weights": "imagenet", "random_layers": ["head"]},
    "settings": {
        "architecture": "pspnet", "backbone": "mobilenet_v2", "image_size": 352, "augmentation": "strong",
        "sampling": "squeeze", "frozen_epochs": 3, "unfrozen_epochs": 47,
    },
    "machine": {"cores": 2, "processor": "a processor"},
    "minutes": 81.6,
    "history": [{}] * 45,
    "weights": {"file": "x", "sha256": "abc"},
}  # fmt: skip
TOLD = {"command": "python make.py", "result": "results/x.json", "trained_on": 489, "trained_on_negatives": 200}


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "some_name.weights.h5"
    path.write_bytes(b"x" * 5_240_000)
    return path


def test_the_card_has_the_scores_of_the_threshold_and_the_terms(file):
    text = card(RESULT, file, **TOLD)
    assert "| as published | 60.0 (60.0–60.0) | 75.0 | 75.0 | 77.9 |" in text
    text_in_a_line = " ".join(text.split())
    assert "of the images without landslide 6 (8.6 %, 95 % interval 4.0 to 17.5) have more than 1 %" in text_in_a_line
    assert "0.52 % of all their area is marked" in text_in_a_line
    assert "above 0.65" in text and "10.0" not in text
    assert text.startswith("# some_name\n") and LICENCE in text
    for told in (
        "5.2 MB",
        "`abc`",
        "489 landslide images and\n  200 without",
        "45 of up to 50 epochs at 352",
        "82 minutes on 2 cores",
    ):
        assert told in text
    assert "$" not in text


def test_the_card_says_which_command_takes_the_weights(file):
    assert "`keras-landslide predict` takes" in card(RESULT, file, **TOLD)
    native = {**RESULT, "settings": {**RESULT["settings"], "sampling": "native"}}
    assert "`keras-landslide map` takes" in card(native, file, **TOLD)


def test_both_labellings_are_there_where_both_were_scored(file):
    completed = {**AT_THRESHOLD, "labels": "completed", "landslide": {"iou": 0.7, "precision": 0.8, "recall": 0.9}}
    lines = card({**RESULT, "at_threshold": {**AT_THRESHOLD, "completed": completed}}, file, **TOLD).split("\n")
    (line,) = [line for line in lines if line.startswith("| completed")]
    assert "| 70.0 (" in line and line.endswith("| 80.0 | 90.0 | 77.9 |")


def test_weights_without_a_threshold_are_scored_by_the_more_probable_class(file):
    text = card({name: value for name, value in RESULT.items() if name != "at_threshold"}, file, **TOLD)
    assert "| as published | 10.0 (" in text and "above 0.5," in text
