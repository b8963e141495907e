"""The README says what is in the repository."""

import csv
import json
import re
import runpy

import pytest

from keras_landslide.cli import main
from keras_landslide.data.splits import bijie_table
from keras_landslide.paper import ROWS
from keras_landslide.results.card import summary
from keras_landslide.results.catalogue import SHIPPED, TABLE, computed, table_text
from keras_landslide.results.result import read_results
from keras_landslide.results.tables import all_tables
from keras_landslide.scores import class_scores, interval, landslide_iou, mean_iou, mean_scores
from keras_landslide.settings import PRESETS
from tests.conftest import ROOT, SHARED

README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = sorted(path for path in (ROOT / "results").glob("*.json") if path.stem.split("_seed")[0] in ROWS)
SHIPPED_RESULTS = sorted((ROOT / "results" / "shipped").glob("*.json"))


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


@pytest.mark.parametrize("data", [None, SHARED / "bijie"], ids=["without_images", "with_images"])
def test_the_tables_of_results_are_those_of_the_files(data):
    """Each between its marks; without images those alone that need no maps."""
    if data and not data.is_dir():
        pytest.skip(f"{data} is not there: the test needs the real data")
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    tables = {table.name: table for table in all_tables(read_results(ROOT / "results"), data)}
    for name, table in tables.items():
        if data or name not in ("beyond_table5", "causes"):
            assert f"<!-- {name} -->\n{table.markdown()}\n<!-- /{name} -->" in page, name
    assert f"<!-- table5 -->\n{tables['table5'].markdown(notes=False)}\n<!-- /table5 -->" in README
    assert set(re.findall(r"<!-- (\w+) -->", page)) == set(tables)


@pytest.mark.parametrize(
    ("mark", "name"), [("shipped", "pspnet_mobilenet_v2"), ("shipped_scenes", "pspnet_mobilenet_v2_scenes")]
)
def test_what_is_said_of_the_shipped_weights_is_in_their_result(mark, name):
    content = json.loads((ROOT / "results" / "shipped" / f"{name}.json").read_text(encoding="utf-8"))
    (said,) = re.findall(rf"<!-- {mark} -->\n(.*)\n<!-- /{mark} -->", README)
    (_, fp), (fn, tp) = (content.get("at_threshold") or content)["confusion"]
    assert f"{content['images']} Bijie images" in said and f"is {100 * tp / (tp + fp + fn):.1f} %" in said
    assert said == summary(content)


@pytest.mark.parametrize("path", [*RESULTS, *SHIPPED_RESULTS], ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_result_agrees_with_its_own_counts(path):
    import numpy as np

    content = json.loads(path.read_text(encoding="utf-8"))
    total = np.sum(list(content["per_image"].values()), axis=0)
    assert total.tolist() == content["confusion"]
    assert content["miou"] == pytest.approx(mean_scores(total)["miou"])
    assert content["landslide"]["iou"] == pytest.approx(class_scores(total)["iou"][1])


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_all_rows_of_the_table_have_one_preset(path):
    told = json.loads(path.read_text(encoding="utf-8"))["settings"]
    wanted = PRESETS["table"].items() - {("precision", "float32")}  # a column of the table of runs, told row by row
    assert wanted <= told.items()


def blocks(content, key: str) -> list[dict]:
    """Every dictionary in `content`, however deep, that has `key`."""
    inner = [block for value in content.values() if isinstance(value, dict) for block in blocks(value, key)]
    return ([content] if key in content else []) + inner


@pytest.mark.parametrize("path", sorted((ROOT / "results").glob("*.json")), ids=lambda path: path.stem)
def test_results_have_the_groups_of_their_images(path):
    """Of landslide images those of the package's table; images without landslide share ground with nothing."""
    ground = {row["name"]: row["group"] for row in bijie_table()}
    for block in blocks(json.loads(path.read_text(encoding="utf-8")), "per_image"):
        assert block["groups"] == {name: ground.get(name, f"non-landslide/{name}") for name in block["per_image"]}


def test_the_groups_of_the_table_are_those_of_the_data(bijie):
    with (bijie / "splits.csv").open(newline="") as file:
        listed = {row["name"]: row["group"] for row in csv.DictReader(file)}
    assert {row["name"]: row["group"] for row in bijie_table()} == listed


def test_every_stored_interval_stands_in_the_text():
    lines = [
        (path.stem, block)
        for path in sorted((ROOT / "results").glob("*.json"))
        for block in blocks(json.loads(path.read_text(encoding="utf-8")), "interval")
    ]
    assert len(lines) == 20
    text = (ROOT / "docs" / "measurements.md").read_text(encoding="utf-8")
    for name, line in lines:
        assert in_words(line) in text, name


def in_words(line: dict) -> str:
    """The interval of a difference, per cent."""
    low, high = (f"{100 * end:+.1f}".replace("-", "−") for end in line["interval"])
    return f"{low} to {high}"


def test_what_negatives_cost_stands_in_the_readme():
    lines = json.loads((ROOT / "results" / "negatives.json").read_text(encoding="utf-8"))["compared"]
    assert f"95 % interval {in_words(lines['landslide IoU'])}" in " ".join(README.split())


@pytest.mark.parametrize("score", [landslide_iou, mean_iou])
def test_the_interval_of_the_published_row_stands_in_the_text(score):
    content = json.loads((ROOT / "results" / "pspnet_mobilenet_v2.json").read_text(encoding="utf-8"))
    low, high = (f"{100 * end:.1f}" for end in interval(content["per_image"], content["groups"], score))
    measurements = (ROOT / "docs" / "measurements.md").read_text(encoding="utf-8")
    assert f"{low} to {high}" in " ".join(measurements.split())
    assert f"{low} to {high}" in " ".join(README.split()) or f"({low}–{high})" in README


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_every_linked_file_is_there(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.slow  # builds the six rows
def test_the_tables_are_those_that_the_script_writes():
    script = runpy.run_path(str(ROOT / "docs" / "write_tables.py"))
    entries = computed(*SHIPPED)
    assert (ROOT / "keras_landslide" / "results" / TABLE).read_text(encoding="utf-8") == table_text(entries)
    tables = script["readme_tables"](script["results_tables"](None), entries)
    assert script["with_tables"](README, tables) == README
    # the control: a wrong number is mended
    assert script["with_tables"](README.replace("2.4 M", "2.5 M"), tables) == README
