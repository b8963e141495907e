"""`report` on a run folder made by hand, whose weights mark what is red: its files, its pictures, its mistakes."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from keras_landslide.cli import main
from keras_landslide.data.layouts import find_samples
from keras_landslide.data.splits import split_samples
from keras_landslide.models import Description, save_weights
from keras_landslide.models.description import Data, Start
from keras_landslide.settings import Settings
from tests.page import Page
from tests.prediction.test_prediction import ByRule, picture, rectangle
from tests.small import small_model, small_network
from tests.test_evaluation import counted

SETTINGS = Settings("pspnet", "mobilenet", image_size=64, frozen_epochs=1, unfrozen_epochs=2)
HISTORY = """\
epoch,phase,precision,seconds,learning_rate,loss,miou,val_loss,val_miou
1,frozen,float32,60.0,0.001,0.9,0.4,0.8,0.5
2,unfrozen,float32,120.0,0.001,0.7,0.5,0.6,0.7
3,unfrozen,float32,120.0,0.001,0.5,0.6,0.7,0.6
"""


@pytest.fixture(scope="module", autouse=True)
def few_draws():
    """Intervals from as few draws here as on the page: how they are drawn is tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_landslide.scores.RESAMPLES", 100)
        yield


def label_and_red(number: int) -> tuple[np.ndarray, np.ndarray]:
    """What is labelled in image `number`, and what is red: twenty columns further right with each, by one."""
    return (rectangle(64, 64, slice(8, 56), slice(start, start + 20)) for start in (10, 11 + number))


@pytest.fixture(scope="module")
def made_by_hand(tmp_path_factory) -> Path:
    """Twelve images in `data`, of which four validate, and the folder `run` of a finished run; only for reading."""
    folder = tmp_path_factory.mktemp("made_by_hand")
    for part in ("image", "mask"):
        (folder / "data" / part).mkdir(parents=True)
    for number in range(12):
        label, red = label_and_red(number)
        Image.fromarray(picture(64, 64, red, seed=number)).save(folder / f"data/image/s{number}.png")
        Image.fromarray(label.astype(np.uint8) * 255).save(folder / f"data/mask/s{number}.png")
    names = [sample.name for sample in split_samples(find_samples(folder / "data"), "auto", fold="1/3").subset("val")]
    counts = {name: counted(*label_and_red(int(name[1:]))) for name in names}
    run, data = folder / "run", {"folder": str(folder / "data"), "split": "auto", "fold": "1/3", "labels": "original"}
    run.mkdir()
    (run / "history.csv").write_text(HISTORY)
    (run / "settings.json").write_text(json.dumps({"settings": SETTINGS.to_json(), "data": data}))
    scores = {"labels": "original", "per_image": counts, "groups": {name: name for name in names}}
    (run / "scores.json").write_text(json.dumps(scores))
    trained = Data("auto", ("s0", "s1"), "1/3", groups=("s0",))
    start = Start("imagenet", ("head",))
    said = Description("pspnet", "mobilenet", prediction_size=64, data=trained, start=start)
    save_weights(small_model(), run / "best.weights.h5", said)
    return folder


@pytest.fixture
def run(made_by_hand, tmp_path, monkeypatch) -> Iterator[Path]:
    """A copy of the run's folder beside its data; its network is a small one, for which a rule answers."""
    rule = ByRule(lambda batch: batch[..., 0] > 128)
    monkeypatch.setattr(keras.Model, "predict_on_batch", lambda self, batch: rule(batch))
    shutil.copytree(made_by_hand, tmp_path, dirs_exist_ok=True)
    changed(tmp_path / "run" / "settings.json", lambda said: said["data"].update(folder=str(tmp_path / "data")))
    with small_network():
        yield tmp_path / "run"


def changed(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def reported(*arguments) -> Page:
    """The page in the run folder after the command."""
    assert main(["report", *map(str, arguments)]) == 0
    return Page((Path(arguments[0]) / "report.html").read_text(encoding="utf-8"))


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_finished_run(run, capsys):
    before = files(run)
    page = reported(run)
    assert capsys.readouterr().out == f"Report: {run / 'report.html'}\n"
    assert files(run) == before | {"report.html"}
    counts = json.loads((run / "scores.json").read_text())["per_image"]
    iou = {name: hits / (wrong + missed + hits) for name, ((_, wrong), (missed, hits)) in counts.items()}
    by_iou = sorted(iou, key=iou.get)
    worst, best = (page.sections[f"{which} validation images"] for which in ("Worst", "Best"))
    for text, names in ((worst, by_iou[:2]), (best, by_iou[:1:-1])):
        places = [text.index(f"{name}: landslide IoU {100 * iou[name]:.1f} %") for name in names]
        assert places == sorted(places)
    assert len(page.pictures) == 8 and "as predicted again" not in page.text
    total = np.sum(list(counts.values()), axis=0)
    pooled = total[1, 1] / (total.sum() - total[0, 0])
    assert page.tables["Scores by class (%)"][2][3].startswith(f"{100 * pooled:.2f} (")
    assert "4 images in 4 groups" in page.sections["Data"] and "2 images in 1 groups" in page.sections["Data"]
    assert "2 of 3" in page.sections[""] and "5 minutes" in page.sections[""]
    digest = hashlib.sha256((run / "best.weights.h5").read_bytes()).hexdigest()
    assert digest in page.sections["Files"]


def test_pictures_show_what_the_weights_mark(run):
    page = reported(run)
    name = next(alt.split()[0] for alt in page.pictures)
    drawn = next(image for alt, image in page.pictures.items() if alt.startswith(f"{name} with its errors"))
    further = 1 + int(name[1:])
    row, missed, wrong = (round(480 / 64 * place) for place in (32, 10 + further / 2, 30 + further / 2))
    # half of the picture's blue and red with as much noise, half of the tint
    np.testing.assert_allclose(drawn[row, missed], (40, 120, 237), atol=30)
    np.testing.assert_allclose(drawn[row, wrong], (225, 125, 25), atol=30)


def test_a_second_report_replaces_the_first_and_nothing_else_is_replaced(run, fails):
    (run / "best.weights.h5").unlink()  # pictures take time
    first = reported(run)
    changed(run / "settings.json", lambda said: said["settings"].update(seed=5))
    second = reported(run)
    assert "seed 5" in second.text and "seed 0" in first.text
    assert second.tables["In the run folder"] == first.tables["In the run folder"]  # without the report itself
    thesis = run.parent / "thesis.html"
    thesis.write_text("<p>mine")
    assert "thesis.html: exists and was not made so before" in fails("report", run, "--out", thesis)
    assert thesis.read_text() == "<p>mine"
    assert main(["report", str(run), "--out", str(run.parent / "new" / "page.html")]) == 0
    assert "Validation scores" in Page((run.parent / "new" / "page.html").read_text()).sections


def test_data_that_has_moved(run, capsys, fails):
    moved = run.parent / "moved"
    (run.parent / "data").rename(moved)
    page = reported(run)
    assert "no such folder" in page.sections["Worst and best images"] and not page.pictures
    assert page.tables["Scores by class (%)"]
    assert "Without pictures." in capsys.readouterr().out
    assert len(reported(run, "--data", moved).pictures) == 8
    (run / "report.html").unlink()
    assert "no such folder" in fails("report", run, "--data", run.parent / "nowhere")
    assert not (run / "report.html").exists()


def test_data_that_is_not_the_runs(run, fails):
    other = run.parent / "other"
    shutil.copytree(run.parent / "data", other)
    for path in (other / "mask").iterdir():
        Image.fromarray(rectangle(64, 64, slice(8, 56), slice(10, 31)).astype(np.uint8) * 255).save(path)
    assert "has another label than when this run was scored" in fails("report", run, "--data", other)
    for part in ("image", "mask"):
        for path in list((other / part).iterdir()):
            path.rename(path.with_name(f"other_{path.name}"))
    assert "is not among its validation images" in fails("report", run, "--data", other)
    assert "report.html" not in files(run)


def test_a_run_that_a_program_started_needs_to_be_told_its_data(run):
    changed(run / "settings.json", lambda said: said.update(data=None))
    assert "does not say where its images are; give --data" in reported(run).sections["Worst and best images"]
    assert len(reported(run, "--data", run.parent / "data").pictures) == 8


def test_a_run_without_its_weights(run):
    (run / "best.weights.h5").unlink()
    page = reported(run)
    assert "best.weights.h5" in page.sections["Worst and best images"] and page.tables["Scores by class (%)"]
    assert "Start of the weights" not in page.sections


def test_a_run_that_is_not_finished(run, capsys):
    (run / "scores.json").unlink()
    page = reported(run)
    assert "not finished: 3 of up to 3 epochs" in page.text and not page.pictures
    assert "not finished" in capsys.readouterr().out
    for name in ("history.csv", "best.weights.h5"):
        (run / name).unlink()
    assert "0 of up to 3 epochs" in reported(run).text


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("settings.json", "{", "is not valid JSON"),
        ("scores.json", '{"per_image": 5}', "is damaged"),
        ("history.csv", HISTORY[:-9], "is damaged"),
        ("history.csv", HISTORY.replace("0.7", "much"), "is damaged"),
        ("history.csv", HISTORY.replace("val_miou", "miou_val"), "is damaged"),
        ("best.weights.h5", "hello", "is damaged"),
    ],
)
def test_damaged_files_are_named_and_nothing_is_written(run, fails, name, content, why):
    (run / name).write_text(content)
    error = fails("report", run)
    assert f"{name}: {why}" in error and len(error.splitlines()) == 1
    assert "report.html" not in files(run)


def test_no_run(fails, tmp_path):
    assert "nowhere: no such folder" in fails("report", tmp_path / "nowhere")
    assert "holds no run" in fails("report", tmp_path)
    assert not files(tmp_path)
