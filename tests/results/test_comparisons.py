"""What each cause and each try is worth, from files and maps made by hand."""

import json

import numpy as np
import pytest

from keras_landslide.errors import LandslideError
from keras_landslide.files.images import write_image
from keras_landslide.results.comparisons import EXPERIMENTS, best, causes, tries
from keras_landslide.results.paired import Pair
from keras_landslide.results.result import firsts, read_results, write_probability
from keras_landslide.scores import landslide_iou
from tests.results.test_experiments import ROOT, loaded

ROW = "pspnet_mobilenet_v2"
WITHOUT = {"a": [[5, 1], [1, 2]]}  # IoU 2 / 4
WITH = {"a": [[6, 0], [1, 3]]}  # 3 / 4
GROUPS = {"a": "a"}
RUN = {"settings": {"image_size": 96}, "history": [{}, {}]}


def cells(table) -> dict[str, list[str]]:
    lines = [line.split(" | ") for line in table.markdown(notes=False).splitlines()[2:]]
    return {line[0].removeprefix("| "): [cell.removesuffix(" |") for cell in line[1:]] for line in lines}


def test_every_experiment_has_its_line(stored):
    folder = stored(ROW, WITHOUT, GROUPS)
    for name, block, names, run in EXPERIMENTS.values():
        line = Pair(names, names).line(WITHOUT, WITH, GROUPS, landslide_iou)
        path = folder / f"{name}.json"
        content = json.loads(path.read_text()) if path.exists() else {}
        content.setdefault(block[0], {})[block[1]] = line
        content.update({run[0]: RUN} if run else RUN)
        path.write_text(json.dumps(content))
    found = cells(causes(folder, firsts(read_results(folder))))
    assert set(found) == set(EXPERIMENTS)
    for line in found.values():
        assert line == ["96 px, 2 epochs", "50.00", "75.00", "+25.00 (+25.0 to +25.0)"]


def test_threshold_and_labels_of_the_row(stored):
    at_threshold = {"labels": "original", "groups": GROUPS, "per_image": WITH, "threshold": 0.75}
    completed = {"labels": "completed", "groups": GROUPS, "per_image": {"a": [[5, 0], [1, 3]]}}
    folder = stored(ROW, WITHOUT, GROUPS, at_threshold=at_threshold, completed=completed)
    found = cells(causes(folder, firsts(read_results(folder))))
    assert found["decision threshold 0.75, chosen on validation"][1:] == ["50.00", "75.00", "+25.00 (+25.0 to +25.0)"]
    assert found["scored on completed labels"][1:3] == ["50.00", "75.00"]


def test_the_mean_of_rows_is_that_of_their_maps(stored, tmp_path):
    """Landslide in the left half; one row marks the right half too, the other nothing: their mean is above a half."""
    truth = np.zeros((64, 80), bool)
    truth[:, :40] = True
    maps = {ROW: np.where(truth, 0.9, 0.8), "unet_vgg16": np.where(truth, 0.4, 0.1)}
    data = tmp_path / "data"
    write_image(data / "mask" / "a.png", truth.astype(np.uint8) * 255)
    write_image(data / "image" / "a.png", np.zeros((64, 80, 3), np.uint8))
    for row, probability in maps.items():
        folder = stored(row, {"a": [[0, 2560], [0, 2560]]}, GROUPS)
        write_probability(folder / "probabilities" / row / "a.png", probability)
    rows = firsts(read_results(folder))
    assert cells(causes(folder, rows, data))["probabilities of 2 rows averaged"][1:] == [
        "50.00",
        "100.00",
        "+50.00 (+50.0 to +50.0)",
    ]
    assert "probabilities of 2 rows averaged" not in cells(causes(folder, rows))


@pytest.mark.parametrize("cause", EXPERIMENTS)
def test_stored_experiments_are_where_they_are_looked_for(cause):
    name, block, names, run = EXPERIMENTS[cause]
    content = json.loads((ROOT / "results" / f"{name}.json").read_text())
    line = content[block[0]][block[1]]
    assert line["difference"] == pytest.approx(line[names[1]] - line[names[0]])
    assert "settings" in (content[run[0]] if run else content)


def test_every_try_has_its_line(tmp_path):
    line = Pair(("preset", "try"), ("", "")).line(WITHOUT, WITH, GROUPS, landslide_iou)
    content = {
        "compared": {"native_1.5, seed 2": line},
        "tries": {"preset": {"2": {"minutes": 1}}, "native_1.5": {"2": {"minutes": 61.6}}},
    }
    assert tries(tmp_path).lines == ()
    (tmp_path / "tries.json").write_text(json.dumps(content))
    assert cells(tries(tmp_path)) == {"native 1.5": ["2", "62 min", "50.00", "75.00", "+25.00 (+25.0 to +25.0)"]}


def test_best_stands_beside_the_row_that_it_was_made_of(stored):
    settings = {"image_size": 96, "architecture": "pspnet", "backbone": "mobilenet_v2"}
    folder = stored("best", WITH, GROUPS, settings=settings, validation={"miou": 0.8})
    stored("unet_vgg16", WITH, GROUPS)
    assert list(cells(best(folder, firsts(read_results(folder))))) == ["best"]  # its row was not run
    stored(ROW, WITHOUT, GROUPS)
    found = cells(best(folder, firsts(read_results(folder))))
    # mIoU: of the background 5 / 7 and 6 / 7
    assert found == {
        "PSPNet (MobileNet)": ["64 px, 3 epochs", "70.00", "60.71 (60.7–60.7)", "50.00 (50.0–50.0)", "", ""],
        "best": ["96 px, 3 epochs", "80.00", "80.36 (80.4–80.4)", "75.00 (75.0–75.0)", "", "+25.00 (+25.0 to +25.0)"],
    }
    stored("best", {"b": WITH["a"]}, {"b": "b"}, settings=settings)
    with pytest.raises(LandslideError, match=r"best\.json: was scored on other images"):
        best(folder, firsts(read_results(folder)))
    (folder / "best.json").unlink()
    assert best(folder, firsts(read_results(folder))).lines == ()


def test_best_is_what_validation_says():
    """The row with the highest mIoU there, and the tries that raised the landslide IoU with both seeds."""
    script, rows = loaded("best"), firsts(read_results(ROOT / "results"))
    assert max(rows, key=lambda name: rows[name].validation["miou"]) == script.ROW
    tried = json.loads((ROOT / "results" / "tries.json").read_text())["compared"]
    gains: dict[str, list[float]] = {}
    for line, compared in tried.items():
        gains.setdefault(line.partition(", ")[0], []).append(compared["difference"])
    helped = {name for name, values in gains.items() if len(values) > 1 and min(values) > 0}
    assert "doubtful_ignored" not in helped, "this is no setting: best.py has to be taught it"
    changes = {}
    for name, changed in loaded("tries").TRIES.items():
        if name in helped:
            assert not changes.keys() & changed.keys(), "two that exclude each other helped: choose one"
            changes |= changed
    assert {**changes, **({"average_flips": True} if "flips" in helped else {})} == script.CHANGES
