"""The README says what is in the repository."""

import json
import re
import runpy
from pathlib import Path

import pytest

from keras_landslide.cli import main
from keras_landslide.comparison import table5_line
from keras_landslide.metrics import class_scores, mean_scores
from keras_landslide.paper import ROWS, row

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = sorted(path for path in (ROOT / "results").glob("*.json") if path.stem in ROWS)


def test_both_set_up_commands_stand_there():
    assert "\npip install . && keras-landslide demo" in README
    assert '\npip install ".[test]" && pytest' in README


def test_each_command_is_one_that_exists(capsys):
    commands = set(re.findall(r"keras-landslide (\w+) ", README))
    assert {"train", "evaluate", "predict"} <= commands
    for command in commands:
        assert main([command, "--help"]) == 0
        known = set(re.findall(r"--[\w-]+", capsys.readouterr().out))
        for line in README.replace("\\\n", " ").splitlines():
            if line.startswith(f"keras-landslide {command} "):
                assert set(re.findall(r"--[\w-]+", line.split("#")[0])) <= known, line


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_the_lines_of_table_5_are_those_of_the_results(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    assert table5_line(row(path.stem), content) in README.splitlines()


def test_there_is_a_line_only_where_there_is_a_result():
    titles = {row(path.stem).title for path in RESULTS}
    measured = {
        line.split("|")[1].strip() for line in README.splitlines() if re.match(r"\| .* \| .* px, \d+ epochs", line)
    }
    assert measured == titles


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_result_agrees_with_its_own_counts(path):
    import numpy as np

    content = json.loads(path.read_text(encoding="utf-8"))
    total = np.sum(list(content["per_image"].values()), axis=0)
    assert total.tolist() == content["confusion"]
    assert content["miou"] == pytest.approx(mean_scores(total)["miou"])
    assert content["landslide"]["iou"] == pytest.approx(class_scores(total)["iou"][1])


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_every_linked_file_is_there(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.slow  # builds the six rows
def test_the_tables_are_those_that_the_script_writes():
    script = runpy.run_path(str(ROOT / "docs" / "write_tables.py"))
    assert script["with_tables"](README) == README
    assert script["with_tables"](README.replace("2.4 M", "2.5 M")) == README  # the control: a wrong number is mended
