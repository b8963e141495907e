"""Where rows fail: parts of the images, the worst of them, and marks on unlabelled landslides, counted by hand."""

import csv

import pytest

from keras_landslide.results.error_analysis import (
    county,
    error_tables,
    errors_by_part,
    false_positives,
    landslide_area,
    landslide_share,
    worst,
    worst_table,
)
from keras_landslide.results.result import firsts, read_results
from tests.results.test_tables import cells

# Landslides of 1000, 2500 and 10,000 pixels at 0.64 m² each, which are 1 %, 5 % and 20 % of their images.
COUNTS = {
    "df001": [[98_000, 1_000], [500, 500]],
    "df002": [[47_000, 500], [0, 2_500]],
    "qxg01": [[39_000, 1_000], [2_000, 8_000]],
}


def rows(folder):
    return firsts(read_results(folder))


def line(table, by: str, part: str) -> tuple:
    (found,) = (one[2:] for one in table.lines if one[:2] == (by, part))
    return found


def test_size_and_share_are_those_of_the_mask():
    assert [round(landslide_area(COUNTS[name])) for name in COUNTS] == [640, 1600, 6400]
    assert [landslide_share(COUNTS[name]) for name in COUNTS] == [0.01, 0.05, 0.2]


def test_pixels_of_a_part_are_pooled(stored):
    table = errors_by_part(rows(stored("unet_vgg16", COUNTS)))
    assert line(table, "size of the landslide", "below 1500 m²") == (1, 1, 500 / 2000)
    assert line(table, "size of the landslide", "1500 to 5000 m²") == (1, 1, 2500 / 3000)
    assert line(table, "size of the landslide", "5000 m² and more") == (1, 1, 8000 / 11_000)
    assert line(table, "share of the image", "5 to 12 %") == (1, 1, 2500 / 3000)
    assert line(table, "county", "Dafang") == (2, 2, 3000 / 5000)
    assert line(table, "county", "Qixingguan") == (1, 1, 8000 / 11_000)
    assert len(table.lines) == 3 + 3 + 2


def test_a_part_of_enough_groups_has_an_interval(stored):
    counts = {f"hz{number:03d}": [[50, 5 * number], [0, 10]] for number in range(5)}
    together = {name: "slope" for name in counts}
    (alone,) = line(errors_by_part(rows(stored("unet_vgg16", counts))), "county", "Hezhang")[2:]
    assert alone.value == pytest.approx(50 / 100) and alone.interval[0] < 0.45 < 0.6 < alone.interval[1]
    assert line(errors_by_part(rows(stored("unet_vgg16", counts, together))), "county", "Hezhang") == (5, 1, 0.5)


def test_counties_are_those_of_the_data_set(bijie):
    with (bijie / "splits.csv").open(newline="") as file:
        listed = {(row["county"], county(row["name"])) for row in csv.DictReader(file)}
    assert len(listed) == 9 and ("zdf", "other") in listed
    assert len({name for _, name in listed}) == len({letters for letters, _ in listed})


def test_false_positives_that_completed_labels_make_true(stored):
    """Of 2500, 900 turn: of `df001` 800 and of `qxg01` 100, where 50 more are missed instead."""
    completed = {
        **COUNTS,
        "df001": [[98_000, 200], [500, 1_300]],
        "qxg01": [[38_950, 900], [2_050, 8_100]],
    }
    groups = {name: name for name in COUNTS}
    scored = {"labels": "completed", "groups": groups, "per_image": completed}
    table = false_positives(rows(stored("unet_vgg16", COUNTS, completed=scored)))
    precision, better = 11_000 / 13_500, 11_900 / 13_500
    assert table.lines == (("U-Net (VGG)", 2500, 900, 900 / 2500, pytest.approx(precision), pytest.approx(better)),)
    (without,) = false_positives(rows(stored("unet_vgg16", COUNTS))).lines
    assert without == ("U-Net (VGG)", 2500, None, None, pytest.approx(precision), None)


def test_the_worst_images_come_first(stored):
    counts = {f"js{number:03d}": [[10, 0], [10 - number % 6, number % 6]] for number in range(12)}
    (result,) = rows(stored("unet_vgg16", counts)).values()
    assert worst(result) == [f"js{n:03d}" for n in (0, 6, 1, 7, 2, 8, 3, 9, 4, 10)]
    table = worst_table(result)
    assert len(table.lines) == 10
    assert cells(table, "js007") == ["Jinsha", "6", "50.00", "10.00", "10.00", "100.00", "0", ""]
    assert cells(table, "js000")[5] == ""  # nothing marked: no precision


def test_the_worst_are_those_of_the_row_with_the_highest_miou(stored):
    stored("unet_vgg16", COUNTS)
    better = {name: [[tn + fp, 0], [0, fn + tp]] for name, ((tn, fp), (fn, tp)) in COUNTS.items()}
    *_, table = error_tables(rows(stored("unet_resnet50", better)))
    assert "U-Net (ResNet50)" in table.title


def test_images_without_a_score_are_not_the_worst(stored):
    """Nothing is labelled and nothing marked in `a`."""
    folder = stored("pspnet_mobilenet_v2", {"a": [[9, 0], [0, 0]], "b": [[5, 1], [1, 3]], "c": [[5, 1], [1, 2]]})
    assert worst(firsts(read_results(folder))["pspnet_mobilenet_v2"]) == ["c", "b"]
