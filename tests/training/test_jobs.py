"""What the command line trains: one run or one for each of several seeds, what is overwritten, what goes on."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from keras_landslide.cli import main
from keras_landslide.data.dataset import Source
from keras_landslide.errors import LandslideError
from keras_landslide.files.atomic import read_json, write_json
from keras_landslide.settings import MAX_SEED
from keras_landslide.training import compute, jobs, runs
from keras_landslide.training.runs import read_history
from tests.small import SETTINGS, assert_equal_weights, command, history, small_network, train

SHORT = ["--frozen-epochs", "1", "--unfrozen-epochs", "1"]


@pytest.fixture(autouse=True)
def small():
    with small_network() as loaded:
        yield loaded


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_control_c_says_how_to_go_on_and_resume_needs_no_more(scenes, tmp_path, played, capsys):
    out = tmp_path / "run"
    played.stop_in = 2
    assert main(command(scenes, out)) == 130
    assert f"Continue with: keras-landslide train --resume {out}" in capsys.readouterr().out
    assert main(["train", "--resume", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "2 of 3 epochs" in printed and f"Best weights: {out / 'best.weights.h5'}" in printed
    assert main(command(scenes, tmp_path / "whole")) == 0
    assert history(out) == history(tmp_path / "whole")
    assert_equal_weights(out / "best.weights.h5", tmp_path / "whole" / "best.weights.h5")
    capsys.readouterr()
    assert main(["train", "--resume", str(out)]) == 0  # finished: says so, trains nothing
    assert "epochs of" not in capsys.readouterr().out


def test_a_run_goes_on_where_its_data_has_moved_and_compiled_otherwise(scenes, tmp_path, played, fails):
    data, out = tmp_path / "data", tmp_path / "run"
    shutil.copytree(scenes, data)
    played.stop_in = 2
    assert main(command(data, out, "--jit", "off")) == 130
    assert not played.fits[-1].model.jit_compile
    data.rename(tmp_path / "moved")
    assert "no such folder" in fails("train", "--resume", out)
    played.stop_in = 3
    assert main(["train", "--resume", str(out), "--data", str(tmp_path / "moved"), "--jit", "on"]) == 130
    assert main(["train", "--resume", str(out)]) == 0  # it is remembered
    assert played.fits[-1].model.jit_compile
    assert main(command(scenes, tmp_path / "whole", "--jit", "off")) == 0
    assert history(out) == history(tmp_path / "whole")


def test_a_run_that_python_goes_on_with_keeps_the_place_of_its_data(scenes, split, tmp_path, played):
    out = tmp_path / "run"
    played.stop_in = 2
    assert main(command(scenes, out)) == 130
    data = read_json(out / "settings.json")["data"]
    train(SETTINGS, split, out, resume=True)
    assert read_json(out / "settings.json")["data"] == data and data["folder"] == str(scenes)


def test_resume_takes_its_settings_from_the_run(fails, tmp_path):
    others = ["--image-size", "96", "--split", "paper510", "--out", "x", "--labels", "completed", "--overwrite"]
    error = fails("train", "--resume", tmp_path, *others)
    assert "leave out --image-size, --out, --split, --labels, --overwrite" in error
    # what is given counts, also where it is what a new run would have without it
    error = fails("train", "--resume", tmp_path, "--preset", "paper", "--split", "auto", "--labels", "original")
    assert "leave out --preset, --split, --labels." in error
    assert f"{tmp_path}: holds no run to resume" in fails("train", "--resume", tmp_path)


@pytest.mark.parametrize(
    ("seeds", "text"),
    [
        (["1"], "give two or more"),
        (["1", "1"], "different"),
        (["0", "1", "--seed", "3"], "not both"),
        (["0", "2147483647"], "2147483647 is not possible; give a number from 0 to 2147483646"),
        (["0", "-1"], "-1 is not possible"),
    ],
)
def test_seeds_that_make_no_sense(fails, tmp_path, seeds, text):
    assert text in fails("train", "--data", "x", "--out", tmp_path / "out", "--seeds", *seeds)


def test_seeds_are_run_one_by_one_and_summed_up(scenes, tmp_path, played, capsys):
    out = tmp_path / "runs"
    more = ["--frozen-epochs", "1", "--unfrozen-epochs", "1", "--seeds", "3", "0"]
    played.stop_in = 2  # of the first seed
    assert main(command(scenes, out, *more)) == 130
    capsys.readouterr()
    assert main(["train", "--resume", str(out)]) == 0
    printed = capsys.readouterr().out
    scores = [json.loads((out / f"seed_{seed}" / "scores.json").read_text()) for seed in (3, 0)]
    summary = json.loads((out / "seeds.json").read_text())["scores"]
    for name, values in (
        ("mIoU", [one["miou"] for one in scores]),
        ("landslide IoU", [one["landslide"]["iou"] for one in scores]),
    ):
        assert summary[name]["by_seed"] == {"3": values[0], "0": values[1]}
        assert summary[name]["mean"] == pytest.approx(np.mean(values))
        assert summary[name]["standard_deviation"] == pytest.approx(np.std(values, ddof=1))
        assert f"{100 * np.mean(values):.2f} ± {100 * np.std(values, ddof=1):.2f}" in printed
    assert main(command(scenes, tmp_path / "alone", *more[:4], "--seed", "3")) == 0
    assert history(out / "seed_3") == history(tmp_path / "alone")


@pytest.mark.parametrize("begun", ["auto", "mixed_bfloat16"])
def test_seeds_whose_precision_was_changed_go_on_in_it(begun, scenes, tmp_path, played, monkeypatch):
    out = tmp_path / "seeds"
    monkeypatch.setattr(compute, "processor_flags", lambda: {"avx512_bf16"})
    played.stop_in = 3
    assert main(command(scenes, out, "--precision", begun, "--seeds", 0, 1)) == 130
    monkeypatch.setattr(compute, "processor_flags", lambda: {"avx2"})
    played.stop_in = 5
    assert main(["train", "--resume", str(out), "--precision", "float32"]) == 130
    assert main(["train", "--resume", str(out)]) == 0
    precisions = [[line["precision"] for line in read_history(out / f"seed_{seed}")] for seed in (0, 1)]
    assert precisions == [["mixed_bfloat16"] * 2 + ["float32"] * 4, ["float32"] * 6]


def test_seeds_end_together_or_not_at_all(scenes, tmp_path, played, fails):
    out = tmp_path / "seeds"
    played.stop_in = 2
    assert main(command(scenes, out, "--seeds", 0, 1)) == 130
    before = contents(out)
    assert f"{out / 'seed_1'}: has no complete epoch that it could" in fails("train", "--resume", out, "--finish")
    assert contents(out) == before  # the first seed can still be trained to its end


def test_seeds_give_their_finished_runs_back(scenes, tmp_path, played):
    runs = jobs.do_job(jobs.Job(SETTINGS, Source(str(scenes), "auto"), tmp_path / "seeds", (2, 1)))
    assert [run.folder.name for run in runs] == ["seed_2", "seed_1"]
    for run in runs:
        assert run.history == read_history(run.folder) and run.best["val_miou"] == max(
            line["val_miou"] for line in run.history
        )


def test_an_impossible_seed_is_refused_before_the_first_is_trained(scenes, tmp_path, played):
    job = jobs.Job(SETTINGS, Source(str(scenes), "auto"), tmp_path / "seeds", (0, MAX_SEED + 1))
    with pytest.raises(LandslideError, match=f"--seed {MAX_SEED + 1}"):
        jobs.do_job(job)
    assert not played.fits and not job.out.exists()


def test_seeds_on_data_that_is_not_there_leave_nothing_behind(fails, tmp_path):
    assert "no such folder" in fails(*command(tmp_path / "nowhere", tmp_path / "out", "--seeds", "0", "1"))
    assert not (tmp_path / "out").exists()


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_seeds_in_the_place_of_a_finished_run_go_on_as_seeds(scenes, tmp_path, played, capsys):
    out = tmp_path / "runs"
    assert main(command(scenes, out, *SHORT)) == 0
    (out / "notes.txt").write_text("mine")
    played.stop_in = 2
    assert main(command(scenes, out, *SHORT, "--seeds", "0", "1", "--overwrite")) == 130
    assert not (out / "settings.json").exists() and not (out / "best.weights.h5").exists()
    capsys.readouterr()
    assert main(["train", "--resume", str(out)]) == 0
    assert "Validation mIoU over 2 seeds" in capsys.readouterr().out
    assert (out / "notes.txt").read_text() == "mine"


def test_seeds_in_the_place_of_others_are_all_trained_anew(scenes, tmp_path, played, capsys):
    out = tmp_path / "runs"
    played.scores = [0.2, 0.3, 0.4, 0.5]
    assert main(command(scenes, out, *SHORT, "--seeds", "0", "1")) == 0
    played.scores, played.stop_in = [0.6, 0.7, 0.8, 0.9], 2
    assert main(command(scenes, out, *SHORT, "--seeds", "0", "1", "--patience", "3", "--overwrite")) == 130
    assert not (out / "seed_1").exists()
    assert main(["train", "--resume", str(out)]) == 0
    for seed in (0, 1):
        assert min(line["val_miou"] for line in read_history(out / f"seed_{seed}")) > 0.5
        assert read_json(out / f"seed_{seed}" / "settings.json")["settings"]["patience"] == 3


def test_a_run_in_the_place_of_seeds_leaves_none_of_them(scenes, tmp_path, played):
    out = tmp_path / "runs"
    assert main(command(scenes, out, *SHORT, "--seeds", "0", "1")) == 0
    (out / "seed_1" / "predictions").mkdir()
    (out / "seed_1" / "predictions" / "a.png").write_bytes(b"mine")
    assert main(command(scenes, out, *SHORT, "--overwrite")) == 0
    assert [path for path in out.rglob("*") if "seed" in str(path.relative_to(out)) and path.is_file()] == [
        out / "seed_1" / "predictions" / "a.png"
    ]
    assert jobs.read_job(out).seeds == ()


def test_runs_that_no_job_of_several_seeds_made_stay(scenes, tmp_path, played):
    """Neither a file that is only called so, nor what somebody trained one by one."""
    out = tmp_path / "runs"
    assert main(command(scenes, out / "seed_5", *SHORT)) == 0
    (out / "seed_notes.txt").write_text("mine")
    before = files(out)
    assert main(command(scenes, out, *SHORT, "--overwrite")) == 0
    after = files(out)
    assert (out / "best.weights.h5").is_file() and before.items() <= after.items()
    (out / "seeds.json").write_text("[damaged")
    assert main(command(scenes, out, *SHORT, "--overwrite")) == 0
    assert before.items() <= files(out).items() and not (out / "seeds.json").exists()


@pytest.mark.parametrize("more", [[], ["--seeds", "0", "1"]])
@pytest.mark.parametrize("name", ["--init-weights", "--backbone-weights"])
def test_weights_that_overwrite_removes_are_no_start(scenes, tmp_path, played, fails, more, name):
    out = tmp_path / "run"
    assert main(command(scenes, out, *SHORT)) == 0
    before = files(out)
    given = [argument for argument in command(scenes, out, *SHORT, *more) if argument != "none"]
    given.remove("--backbone-weights")
    error = fails(*given, name, out / "best.weights.h5", "--overwrite")
    assert "best.weights.h5: is of the run that --overwrite removes; choose another --out." in error
    assert files(out) == before


def test_other_weights_in_the_folder_are_a_start(scenes, tmp_path, played, monkeypatch):
    """What is not the run's own stays; and in this folder `none` is no file."""
    out = tmp_path / "run"
    assert main(command(scenes, out, *SHORT)) == 0
    shutil.copy(out / "best.weights.h5", out / "mine.weights.h5")
    given = ["--init-weights", out / "mine.weights.h5", "--overwrite"]
    assert main(command(scenes, out, *SHORT, *given)) == 0
    monkeypatch.chdir(out)
    assert main(command(scenes, Path("."), *SHORT, "--overwrite")) == 0


@pytest.mark.parametrize("more", [[], ["--seeds", "0", "1"]])
def test_what_is_stopped_before_it_begins_leaves_the_earlier_run(scenes, tmp_path, played, capsys, monkeypatch, more):
    out = tmp_path / "run"
    assert main(command(scenes, out, *SHORT)) == 0
    before = files(out)
    capsys.readouterr()

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "planned", stop)
    assert main(command(scenes, out, *SHORT, *more, "--overwrite")) == 130
    assert "Continue with" not in capsys.readouterr().out
    assert files(out) == before


def test_the_way_to_another_precision_is_that_of_the_whole_job(scenes, split, tmp_path, played, capsys, monkeypatch):
    """What is printed works: `--resume` takes the folder of all seeds; a program's run is not known to it."""
    out = tmp_path / "seeds"
    monkeypatch.setattr(compute, "processor_flags", lambda: {"avx2"})
    played.stop_in = 2
    given = ["--precision", "mixed_bfloat16", "--seeds", "0", "1"]
    assert main(command(scenes, out, *SHORT, *given)) == 130
    told = f"keras-landslide train --resume {out} --precision float32"
    assert told in capsys.readouterr().out
    assert main(told.split()[1:]) == 0 and main(["train", "--resume", str(out)]) == 0
    lines = []
    settings = SETTINGS.__class__(**{**vars(SETTINGS), "precision": "mixed_bfloat16"})
    train(settings, split, tmp_path / "run", report=lines.append)
    said = "\n".join(lines)
    assert "no instructions for bfloat16" in said and "--resume" not in said


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        {"data": None},
        {"data": {}, "settings": SETTINGS.to_json()},
        {"data": {"folder": "x", "place": 1}, "settings": SETTINGS.to_json()},
        {"data": {"folder": "x", "split": "auto"}, "settings": {**SETTINGS.to_json(), "new": 1}},
    ],
)
def test_settings_that_are_damaged_or_of_another_version_are_said(fails, tmp_path, content):
    write_json(tmp_path / "settings.json", content)
    error = fails("train", "--resume", tmp_path)
    assert f"{tmp_path / 'settings.json'}: is damaged or of another version (" in error
    with pytest.raises(LandslideError):
        jobs.read_job(tmp_path)


def test_settings_stay_where_new_ones_cannot_be_written(tmp_path, monkeypatch):
    """On a disk that is still full: without them a run could no longer go on."""
    run = runs.Run(tmp_path)
    run.begin({"settings": 1})

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(runs, "write_json", full)
    with pytest.raises(OSError):
        run.begin({"settings": 2})
    assert read_json(tmp_path / "settings.json") == {"settings": 1}


def test_an_empty_checkpoint_is_damaged(scenes, tmp_path, played, fails):
    played.stop_in = 2
    assert main(command(scenes, tmp_path / "run")) == 130
    (tmp_path / "run" / "last" / "checkpoint.npz").write_bytes(b"")
    assert "checkpoint.npz: is damaged; remove it" in fails("train", "--resume", tmp_path / "run")
