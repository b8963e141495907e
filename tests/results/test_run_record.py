"""What a run folder says is read as it stands there, and what is damaged is named."""

import json
import re

import pytest

from keras_landslide.errors import LandslideError
from keras_landslide.results.run_record import Images, Scores, checked_history, read_scores, read_settings
from keras_landslide.settings import Settings

SETTINGS = {"settings": Settings(image_size=64).to_json(), "departures_from_paper": {}, "data": None}
SCORES = {"labels": "original", "per_image": {"a": [[8, 0], [1, 1]]}, "groups": {"a": "slope"}}


def written(path, content) -> None:
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def test_settings_are_those_of_the_file(tmp_path):
    data = {"folder": "/data", "split": "auto", "fold": "1/5", "labels": "completed"}
    written(tmp_path / "settings.json", SETTINGS | {"data": data, "machine": {"cores": 2}, "versions": {"keras": "3"}})
    said = read_settings(tmp_path)
    assert said.settings == Settings(image_size=64)
    assert said.images == Images("auto", "1/5", "completed", "/data")
    assert said.machine == {"cores": 2} and said.versions == {"keras": "3"}
    written(tmp_path / "settings.json", SETTINGS)
    said = read_settings(tmp_path)
    assert (said.images, said.machine, said.versions) == (None, {}, {})


def test_a_folder_that_holds_no_run(tmp_path):
    with pytest.raises(LandslideError, match="nowhere: no such folder"):
        read_settings(tmp_path / "nowhere")
    with pytest.raises(LandslideError, match="holds no run"):
        read_settings(tmp_path)
    for seed in (7, 12):
        (tmp_path / f"seed_{seed}").mkdir()
        written(tmp_path / f"seed_{seed}" / "settings.json", SETTINGS)
    with pytest.raises(LandslideError, match="give one of them: seed_12, seed_7"):
        read_settings(tmp_path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"settings": ', "not valid JSON"),
        ([1, 2], "should be a valid dictionary"),
        ({"data": None}, "'settings'"),
        (SETTINGS | {"settings": SETTINGS["settings"] | {"image_size": 3}}, "--image-size 3 is not possible"),
        (SETTINGS | {"settings": SETTINGS["settings"] | {"image_size": "wide"}}, "settings: "),
        (SETTINGS | {"settings": SETTINGS["settings"] | {"colour": "red"}}, "colour"),
        (SETTINGS | {"settings": SETTINGS["settings"] | {"backbone": "vgg99"}}, "settings: Unknown --backbone 'vgg99'"),
        (SETTINGS | {"settings": 5}, "settings: "),
        (SETTINGS | {"data": {"folder": "/data"}}, "images.split: Field required"),
        (SETTINGS | {"machine": "fast"}, "machine"),
    ],
)
def test_damaged_settings_are_named(tmp_path, content, why):
    written(tmp_path / "settings.json", content)
    with pytest.raises(LandslideError, match=rf"settings\.json: is (damaged .*)?{re.escape(why)}"):
        read_settings(tmp_path)


def test_scores_of_earlier_versions_have_the_names_of_their_classes(tmp_path):
    written(tmp_path / "scores.json", SCORES)
    assert read_scores(tmp_path / "scores.json").class_names == ("background", "landslide")
    written(tmp_path / "scores.json", SCORES | {"class_names": ["field", "scree"]})
    assert read_scores(tmp_path / "scores.json").score_name == "scree IoU"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"per_image": {}}, "per_image: "),
        ({"per_image": {"a": [[8, 0, 1], [1, 1, 1]]}}, "the counts of a are not those of 2 classes"),
        ({"per_image": {"a": [[8, 0]]}, "class_names": ["x", "y"]}, "the counts of a"),
        ({"per_image": {"a": [[8, -1], [1, 1]]}}, "per_image.a.0.1: "),
        ({"per_image": {"a": [[8, 0.5], [1, 1]]}}, "per_image.a.0.1: "),
        ({"groups": {}}, "the group of a is missing"),
        ({"labels": None}, "labels: "),
    ],
)
def test_damaged_scores_are_named(tmp_path, change, why):
    written(tmp_path / "scores.json", SCORES | change)
    with pytest.raises(LandslideError, match=rf"scores\.json: is damaged .*{re.escape(why)}"):
        read_scores(tmp_path / "scores.json")


def test_a_history_that_lacks_something_or_holds_no_number_is_damaged(tmp_path):
    line = {"epoch": 1, "phase": "frozen", "seconds": 2.0, "loss": 0.5, "miou": 0.5, "val_loss": 0.5, "val_miou": 0.5}
    (read,) = checked_history([line], tmp_path)
    assert read.val_miou == 0.5 and read.precision is None
    for name in line:
        with pytest.raises(LandslideError, match=f"is damaged .*0.{name}"):
            checked_history([{key: value for key, value in line.items() if key != name}], tmp_path)
    with pytest.raises(LandslideError, match=r"0\.loss"):
        checked_history([line | {"loss": float("nan")}], tmp_path)


@pytest.mark.parametrize(("count", "worst", "best"), [(1, "a", "d"), (2, "ab", "dc"), (9, "ab", "dc")])
def test_worst_and_best_are_apart_and_the_most_extreme_come_first(count, worst, best):
    hits = {"d": 9, "b": 3, "a": 1, "c": 5}
    per_image = {name: [[90, 0], [10 - found, found]] for name, found in hits.items()} | {"none": [[100, 0], [0, 0]]}
    scores = Scores("original", per_image, dict.fromkeys(per_image, "slope"))
    assert scores.worst_and_best(count) == (list(worst), list(best))


def test_equals_come_by_name():
    per_image = {name: [[90, 0], [5, 5]] for name in "cab"}
    assert Scores("original", per_image, dict.fromkeys("abc", "slope")).ranked() == ["a", "b", "c"]
