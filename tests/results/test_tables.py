"""The tables, from results with counts made by hand."""

import csv

import numpy as np
import pytest

from keras_landslide.cli import main
from keras_landslide.errors import LandslideError
from keras_landslide.files.images import write_image
from keras_landslide.results.result import firsts, read_results, write_probability
from keras_landslide.results.tables import (
    NAMES,
    all_tables,
    beyond,
    differences,
    file_names,
    runs,
    seeds_table,
    table_5,
    table_6,
)

# TN 140, FP 10, FN 15, TP 35 together
COUNTS = {"a": [[80, 10], [5, 5]], "b": [[60, 0], [10, 30]]}
TOGETHER = {"a": "slope", "b": "slope"}  # one group: an interval is its value
BETTER = {"a": [[90, 0], [0, 10]], "b": [[60, 0], [0, 40]]}


def cells(table, start: str) -> list[str]:
    """Those of the only line in Markdown that begins so, without its title."""
    (line,) = (line for line in table.markdown(notes=False).splitlines() if line.startswith(f"| {start} |"))
    return [cell.strip() for cell in line.split("|")[2:-1]]


def rows(folder):
    return firsts(read_results(folder))


def test_table_5_by_hand(stored):
    """IoU 35 / 60 and 140 / 165, recall 35 / 50 and 140 / 150, precision 35 / 45 and 140 / 155."""
    table = table_5(rows(stored("pspnet_mobilenet_v2", COUNTS, TOGETHER)))
    printed = ["89.11", "97.39", "92.61"]
    ours = ["71.59 (71.6–71.6)", "81.67 (81.7–81.7)", "84.05 (84.1–84.1)", "58.33 (58.3–58.3)"]
    assert cells(table, "PSPNet (MobileNet)") == printed + ours
    assert cells(table, "PSPNet (ResNet50)") == ["91.18", "96.90", "93.76", "", "", "", ""]
    assert len(table.lines) == 6 and "91.31" in " ".join(table.notes)


def test_groups_make_the_interval(stored):
    """Drawn one by one, `a` alone has IoU 5 / 20 and `b` alone 30 / 40."""
    assert cells(table_5(rows(stored("pspnet_mobilenet_v2", COUNTS))), "PSPNet (MobileNet)")[-1] == "58.33 (25.0–75.0)"


def test_a_row_with_a_threshold_has_a_second_line(stored):
    at_threshold = {"labels": "original", "groups": TOGETHER, "per_image": BETTER, "threshold": 0.75}
    table = table_5(rows(stored("pspnet_mobilenet_v2", COUNTS, TOGETHER, at_threshold=at_threshold)))
    found = cells(table, "PSPNet (MobileNet), threshold 0.75")
    assert found[:3] == ["", "", ""] and found[3] == "100.00 (100.0–100.0)"
    assert cells(table, "PSPNet (MobileNet)")[3] == "71.59 (71.6–71.6)"


def test_a_variant_stands_in_table_5_where_it_was_run(stored):
    table = table_5(rows(stored("pspnet_mobilenet", COUNTS, TOGETHER)))
    assert cells(table, "PSPNet (MobileNet v1)")[:4] == ["", "", "", "71.59 (71.6–71.6)"]


def test_table_6_by_hand(stored):
    table = table_6(rows(stored("pspnet_mobilenet_v2", COUNTS, TOGETHER)))
    landslide = ["77.78 (77.8–77.8)", "70.00 (70.0–70.0)", "58.33 (58.3–58.3)"]
    background = ["90.32 (90.3–90.3)", "93.33 (93.3–93.3)", "84.85 (84.8–84.8)"]
    assert cells(table, "PSPNet (MobileNet), landslide") == ["82.97", "97.37", "81.15", *landslide]
    assert cells(table, "PSPNet (MobileNet), background") == ["99.65", "97.41", "97.08", *background]
    assert cells(table, "PSPNet (ResNet50), background") == ["99.41", "98.34", "97.76", "", "", ""]


def test_beyond_table_5_by_hand(stored):
    """The mean of 5 / 20 and 30 / 40; completed labels: 35 / 50."""
    completed = {
        "labels": "completed",
        "groups": TOGETHER,
        "per_image": {"a": [[80, 0], [5, 15]], "b": [[70, 10], [0, 20]]},
    }
    negatives = {"images": 4, "false_alarms": 0.25, "marked_area": 0.0312, "per_image": {}}
    folder = stored("unet_vgg16", COUNTS, TOGETHER, completed=completed, negatives=negatives)
    found = cells(beyond(rows(folder), {}), "U-Net (VGG)")
    assert found == ["50.00 (50.0–50.0)", "70.00 (70.0–70.0)", "", "", "2", "25.00 (4.6–69.9)", "3.12"]
    assert len(beyond(rows(folder), {}).lines) == 1
    at_threshold = {"labels": "original", "groups": TOGETHER, "per_image": BETTER, "threshold": 0.75}
    folder = stored("unet_vgg16", COUNTS, TOGETHER, at_threshold=at_threshold)
    assert cells(beyond(rows(folder), {}), "U-Net (VGG), threshold 0.75")[0] == "100.00 (100.0–100.0)"
    lacking = stored("unet_resnet50", {"a": [[85, 5], [10, 0]], "b": [[60, 0], [10, 30]]}, TOGETHER)
    assert cells(beyond(rows(lacking), {}), "U-Net (ResNet50)") == ["37.50 (37.5–37.5)", "", "", "", "1", "", ""]


def test_rows_are_compared_on_the_same_images(stored):
    """`BETTER` is 5 / 12 better where `a` and `b` are drawn once each, 3 / 4 on `a` alone and 1 / 4 on `b` alone."""
    stored("unet_vgg16", COUNTS)
    table = differences(rows(stored("unet_resnet50", BETTER)))
    assert cells(table, "U-Net (ResNet50) beats U-Net (VGG)")[0] == "+41.67 (+25.0 to +75.0)"
    assert cells(table, "U-Net (ResNet50) beats U-Net (VGG)")[2] == "+50.00 (+25.0 to +75.0)"  # mean of 3 / 4 and 1 / 4


def test_rows_that_differ_by_chance_are_not_told_apart(stored):
    """One is better on `a`, the other on `b`, and all together the first."""
    stored("unet_vgg16", COUNTS)
    table = differences(rows(stored("unet_resnet50", {"a": [[90, 0], [0, 10]], "b": [[60, 0], [15, 25]]})))
    assert cells(table, "U-Net (ResNet50) and U-Net (VGG): not told apart")[0] == "+11.67 (−12.5 to +75.0)"


def test_seeds_by_hand(stored):
    """Landslide IoU 35 / 60, 35 / 50 and 50 / 50: mean 0.7611, standard deviation 0.2150 with n − 1."""
    other = {"a": [[90, 0], [5, 5]], "b": [[60, 0], [10, 30]]}
    for seed, counts in enumerate((COUNTS, other, BETTER)):
        folder = stored("pspnet_mobilenet_v2", counts, seed=seed)
    stored("unet_vgg16", COUNTS)
    table = seeds_table(read_results(folder))
    assert len(table.lines) == 1
    found = cells(table, "PSPNet (MobileNet)")
    assert found[0] == "0, 1, 2" and found[4:6] == ["76.11", "21.50"]
    # intervals 25 to 75, 50 to 75 (`a` alone 5 / 10), 100 to 100
    assert found[6] == f"{100 * np.mean([0.25, 0.125, 0]):.2f}"


def test_runs_say_which_stages_start_from_random(stored):
    start = {"weights": "imagenet", "random_layers": ["conv5_block1_1_conv", "conv5_block3_3_bn", "fuse_conv", "head"]}
    commit = "0123456789abcdef0123456789abcdef01234567-dirty"
    stored("pspnet_resnet50", COUNTS, TOGETHER, start=start, commit=commit)
    without = {"weights": "imagenet", "random_layers": ["fuse_conv", "head"]}
    table = runs(read_results(stored("pspnet_mobilenet_v2", COUNTS, TOGETHER, seed=2, start=without)))
    found = cells(table, "PSPNet (ResNet50)")
    assert found == [
        "0",
        "64 px",
        "mixed_bfloat16",
        "3",
        "3 min on 2 cores",
        "70.00",
        "imagenet",
        "conv5",
        "012345678-dirty",
        "2026-11-28",
    ]
    assert cells(table, "PSPNet (MobileNet)")[7] == "" and cells(table, "PSPNet (MobileNet)")[0] == "2"
    (note,) = table.notes
    assert note.startswith("In PSPNet (ResNet50) the stages")


def test_rows_scored_on_other_images_are_refused(stored):
    stored("unet_vgg16", COUNTS)
    folder = stored("unet_resnet50", {"a": COUNTS["a"]}, split="elsewhere")
    with pytest.raises(LandslideError, match=r"unet_resnet50\.json: was scored on other images \(elsewhere\)"):
        all_tables(read_results(folder))


@pytest.fixture
def with_maps(tmp_path, stored):
    """Images and maps of two rows: the first marks all of `a` and none of `b`, the second has no maps."""
    folder = stored("unet_vgg16", COUNTS)
    stored("unet_resnet50", COUNTS)
    for name in COUNTS:
        mask = np.zeros((10, 20), np.uint8)
        mask[3:7, 3:12] = 255
        write_image(tmp_path / "data" / "image" / f"{name}.png", np.zeros((10, 20, 3), np.uint8))
        write_image(tmp_path / "data" / "mask" / f"{name}.png", mask)
        write_probability(folder / "probabilities" / "unet_vgg16" / f"{name}.png", mask / 255 * (name == "a"))
    return folder, tmp_path / "data"


def test_the_command_writes_every_table(with_maps, tmp_path, capsys, fails):
    folder, data = with_maps
    command = ["tables", "--results", str(folder), "--data", str(data), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert (
        f"{len(NAMES)} tables of 2 rows, each as Markdown, CSV and LaTeX: {tmp_path / 'out'}" in capsys.readouterr().out
    )
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(file_names())
    with (tmp_path / "out" / "beyond_table5.csv").open(newline="") as file:
        marked, without = csv.DictReader(file)
    assert (marked["found, of 2"], marked["boundary F1, mean over images"]) == ("1", "50.00")
    assert (without["found, of 2"], without["boundary F1, mean over images"]) == ("", "")
    assert "add --overwrite" in fails(*command)
    assert main([*command, "--overwrite"]) == 0


def test_the_command_prints_markdown_where_no_folder_is_given(with_maps, capsys):
    folder, _ = with_maps
    assert main(["tables", "--results", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert table_5(rows(folder)).markdown() in printed and printed.count("## ") == len(NAMES)


def test_mistakes_end_in_one_sentence(with_maps, tmp_path, fails):
    folder, data = with_maps
    assert "holds no result of a row" in fails("tables", "--results", tmp_path / "nowhere")
    (data / "image" / "b.png").unlink()
    (data / "mask" / "b.png").unlink()
    error = fails("tables", "--results", folder, "--data", data, "--out", tmp_path / "out")
    assert "lacks 1 of the 2 images" in error and not (tmp_path / "out").exists()


def test_names_are_those_of_the_tables(stored):
    assert tuple(table.name for table in all_tables(read_results(stored("unet_vgg16", COUNTS)))) == NAMES
