"""Results as typed values, and probability maps: what is read, and what is refused."""

import json

import cv2
import numpy as np
import pytest

from keras_landslide.errors import LandslideError
from keras_landslide.results.result import (
    firsts,
    map_folder,
    read_probability,
    read_result,
    read_results,
    write_probability,
)
from tests.conftest import ROOT

PUBLISHED = ROOT / "results" / "cpu" / "pspnet_mobilenet_v2.json"


def stored(**changes) -> dict:
    """The first result of the row, which is of an earlier version, with `changes`."""
    return {**json.loads(PUBLISHED.read_text(encoding="utf-8")), **changes}


def test_a_result_of_an_earlier_version_is_read():
    result = read_result(PUBLISHED)
    content = stored()
    assert (result.row, result.seed, result.split, result.threshold) == ("pspnet_mobilenet_v2", 0, "paper510", 0.5)
    assert result.confusion.tolist() == content["confusion"]
    assert result.counts["df003"].tolist() == content["per_image"]["df003"]
    assert result.decisions == [result]
    assert [result.completed, result.negatives, result.at_threshold, result.commit, result.start] == [None] * 5


def test_all_that_the_contract_names_is_read(tmp_path):
    one = {"labels": "original", "groups": {"a": "slope"}, "per_image": {"a": [[5, 1], [0, 4]]}}
    completed = {**one, "labels": "completed", "per_image": {"a": [[4, 0], [1, 5]]}}
    negatives = {"images": 1, "false_alarms": 1.0, "marked_area": 0.25, "per_image": {"n": [25, 100]}}
    counted = {**one, "completed": completed, "negatives": negatives}
    content = stored(
        **counted,
        at_threshold={"threshold": 0.75, **counted, "per_image": {"a": [[6, 0], [1, 3]]}},
        commit="0123-dirty",
        start={"weights": "imagenet", "random_layers": ["conv5_block1_1_conv"]},
        seed=2,
    )
    path = tmp_path / "pspnet_mobilenet_v2_seed2.json"
    path.write_text(json.dumps(content))
    result = read_result(path)
    assert result.completed.confusion.tolist() == [[4, 0], [1, 5]]
    assert result.negatives.per_image == {"n": (25, 100)} and result.negatives.false_alarms == 1
    assert [decision.threshold for decision in result.decisions] == [0.5, 0.75]
    assert result.at_threshold.confusion.tolist() == [[6, 0], [1, 3]]
    assert result.at_threshold.completed.labels == "completed"
    assert (result.commit, result.start["random_layers"]) == ("0123-dirty", ["conv5_block1_1_conv"])
    assert result.maps == tmp_path / "probabilities" / "pspnet_mobilenet_v2_seed2"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"per_image": {"df003": [[1, 2], [3]]}}, "per_image.df003.1.1: Field required"),
        ({"per_image": {"df003": [[1, -2], [3, 4]]}}, "greater than or equal to 0"),
        ({"per_image": {"elsewhere": [[1, 2], [3, 4]]}}, "the group is not known of: elsewhere"),
        ({"per_image": {}}, "no image"),
        ({"seed": 1}, "its name says seed 0 and its content seed 1"),
    ],
)
def test_a_damaged_result_ends_in_one_sentence(changes, why, tmp_path):
    path = tmp_path / PUBLISHED.name
    path.write_text(json.dumps(stored(**changes)))
    with pytest.raises(LandslideError) as error:
        read_result(path)
    assert str(error.value).startswith(f"{path}: is damaged or of an earlier version (")
    assert why in str(error.value) and "table5_pspnet_mobilenet_v2.py" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_result_that_is_no_table_is_refused(tmp_path):
    path = tmp_path / PUBLISHED.name
    path.write_text("[1, 2]")
    with pytest.raises(LandslideError, match="no table of names and values"):
        read_result(path)


def test_a_folder_is_read_by_row_and_seed(tmp_path):
    for name, seed in (("pspnet_resnet50", 0), ("pspnet_mobilenet_v2_seed10", 10), ("pspnet_mobilenet_v2_seed2", 2)):
        (tmp_path / f"{name}.json").write_text(json.dumps(stored(seed=seed)))
    (tmp_path / "labels.json").write_text("{}")  # an experiment's, no row's
    results = read_results(tmp_path)
    assert {row: list(seeds) for row, seeds in results.items()} == {
        "pspnet_mobilenet_v2": [2, 10],
        "pspnet_resnet50": [0],
    }
    assert list(results) == ["pspnet_mobilenet_v2", "pspnet_resnet50"]  # the paper's order
    assert {row: result.seed for row, result in firsts(results).items()} == {
        "pspnet_mobilenet_v2": 2,
        "pspnet_resnet50": 0,
    }


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(LandslideError, match="holds no result of a row"):
        read_results(tmp_path)


def test_a_probability_map_is_grey_and_exact_to_half_a_step(tmp_path):
    path = map_folder(tmp_path, "unet_vgg16", 3) / "a.png"
    assert path == tmp_path / "probabilities" / "unet_vgg16_seed3" / "a.png"
    probability = np.linspace(0, 1, 3000, dtype=np.float32).reshape(60, 50)
    write_probability(path, probability)
    shown = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert shown.dtype == np.uint8 and shown.shape == (60, 50) and (shown.min(), shown.max()) == (0, 255)
    read = read_probability(path)
    assert read.dtype == np.float32
    assert np.abs(read - probability).max() <= 1 / 510 + 1e-6
    np.testing.assert_array_equal(read > 0.5, probability > 0.5)  # what is decided at 0.5 stays so


def test_a_map_that_is_missing_or_no_map_is_refused(tmp_path):
    with pytest.raises(LandslideError, match="cannot be read"):
        read_probability(tmp_path / "a.png")
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4), np.uint16))
    with pytest.raises(LandslideError, match="a probability map has 8 bits"):
        read_probability(tmp_path / "a.png")
