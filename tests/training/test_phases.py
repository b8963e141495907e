"""What stands around `fit`, which is played: phases, the best epoch, resuming, seeds, the files of a run."""

import dataclasses
import resource
import signal
from pathlib import Path

import numpy as np
import pytest

from keras_landslide.cli import main
from keras_landslide.data.letterbox import Letterbox
from keras_landslide.errors import LandslideError
from keras_landslide.files.atomic import read_json
from keras_landslide.models.saving import read_description
from keras_landslide.settings import ALL
from keras_landslide.training import compute, fit, runs
from keras_landslide.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from keras_landslide.training.runs import Run, read_history
from tests.small import (
    SETTINGS,
    assert_equal_weights,
    assert_same,
    command,
    history,
    small_model,
    small_network,
    stored,
    train,
)

PHASES = ("frozen", "unfrozen")
RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture(autouse=True)
def small():
    with small_network() as loaded:
        yield loaded


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([0.5, 0.9, 0.3, 0.8, 0.85, 0.2], 2),
        ([0.5, 0.9, 0.3, 0.2, 0.95, 0.9], 5),
        ([0.3, 0.7, 0.7, 0.7, 0.1, 0.6], 2),  # of equals the first
    ],
)
def test_the_best_epoch_is_kept_and_the_second_phase_starts_from_the_best_of_the_first(
    split, tmp_path, played, small, scores, best
):
    played.scores = list(scores)
    run = train(dataclasses.replace(SETTINGS, early_stopping=False), split, tmp_path / "run")
    frozen, unfrozen = played.fits
    after = frozen.weights_after | unfrozen.weights_after
    assert [line["val_miou"] for line in read_history(tmp_path / "run")] == scores
    assert not np.array_equal(frozen.weights_after[2][-1], frozen.weights_after[3][-1])
    assert_same(unfrozen.weights, frozen.weights_after[2])
    assert (frozen.optimizer_steps, unfrozen.optimizer_steps) == (0, 0)
    assert (frozen.trainable_backbone, unfrozen.trainable_backbone) == (False, True)
    assert_same(stored(run.best_weights, frozen.model), after[best])
    assert_same(stored(run.last_weights, frozen.model), after[6])
    assert read_description(run.best_weights).scores["epoch"] == run.best["epoch"] == best
    assert small == [run.best_weights]  # what the last scores are made with


def test_early_stopping_ends_its_phase_and_the_next_starts_from_the_best_weights(split, tmp_path, played):
    # epochs 1 to 4 of 6 frozen ones: the second is the best; then 7 to 9 of 6: the first is
    played.scores = [0.5, 0.6, 0.55, 0.6, 0.3, 0.2, 0.1]
    settings = dataclasses.replace(SETTINGS, frozen_epochs=6, unfrozen_epochs=6)
    run = train(settings, split, tmp_path / "run")
    assert [line["epoch"] for line in read_history(tmp_path / "run")] == [1, 2, 3, 4, 7, 8, 9]
    frozen, unfrozen = played.fits
    assert_same(unfrozen.weights, frozen.weights_after[2])
    assert_same(stored(run.best_weights, frozen.model), frozen.weights_after[2])
    assert_same(stored(run.last_weights, frozen.model), unfrozen.weights_after[9])


def test_without_early_stopping_all_epochs_are_trained_whatever_the_scores(scenes, tmp_path, played):
    falling = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
    for more, epochs in (("--early-stopping", [1, 2, 3, 5, 6, 7]), ("--no-early-stopping", [1, 2, 3, 4, 5, 6, 7, 8])):
        played.scores = list(falling)
        epochs_wanted = ["--frozen-epochs", "4", "--unfrozen-epochs", "4", more, "--overwrite"]
        assert main(command(scenes, tmp_path / "run", *epochs_wanted)) == 0
        assert [line["epoch"] for line in read_history(tmp_path / "run")] == epochs


def test_validation_sees_the_validation_images_once_and_nothing_else(split, tmp_path, played):
    """Seven of them, in batches of 4 and of 3: what fills the batches up is ignored."""
    subsets = {"train": split.subset("train")[:6], "val": split.subset("train")[6:], "test": split.subset("test")}
    divided = dataclasses.replace(split, subsets=subsets)
    run = train(dataclasses.replace(SETTINGS, negatives=2, augmentation="none"), divided, tmp_path / "run")
    squares = []
    for sample in divided.subset("val"):
        image, labels = sample.read()
        box = Letterbox(*labels.shape, 64)
        squares.append((box.image_in(image), box.labels_in(labels)))
    for phase, batch_size in zip(played.fits, (4, 3), strict=True):
        assert {len(images) for images, _ in phase.validation} == {batch_size}
        images, labels = (np.concatenate(part) for part in zip(*phase.validation, strict=True))
        counts = (labels != 255).any(axis=(1, 2))
        assert_same(images[counts], [image for image, _ in squares])
        assert_same(labels[counts], [square for _, square in squares])
    trained = np.concatenate([labels for _, labels in played.fits[0].batches])
    assert [(one == 1).any() for one in trained].count(False) == 2  # the negatives are here
    scores = read_json(run.scores)
    assert (scores["subset"], list(scores["per_image"])) == ("val", [sample.name for sample in divided.subset("val")])


def test_a_run_that_was_stopped_ends_with_what_it_has(split, scenes, tmp_path, played, capsys, fails):
    """Stopped in the fifth epoch; the third is the best. Nothing more is trained."""
    assert "say which with --resume" in fails("train", "--data", scenes, "--out", tmp_path / "new", "--finish")
    played.scores, played.stop_in = [0.5, 0.4, 0.9, 0.6], 5
    out = tmp_path / "run"
    assert main(command(scenes, out)) == 130
    best = (out / "best.weights.h5").read_bytes()
    fits = len(played.fits)
    assert main(["train", "--resume", str(out), "--finish"]) == 0
    assert len(played.fits) == fits
    assert [line["val_miou"] for line in read_history(out)] == [0.5, 0.4, 0.9, 0.6]
    assert read_description(out / "best.weights.h5").scores["epoch"] == 3
    assert_equal_weights(out / "best.weights.h5", _copied(best, tmp_path))
    assert (out / "scores.json").exists() and (out / "curves.png").exists()
    assert not (out / "last" / "checkpoint.npz").exists()
    assert "at epoch 3" in capsys.readouterr().out


def _copied(content: bytes, folder: Path) -> Path:
    (folder / "copy.weights.h5").write_bytes(content)
    return folder / "copy.weights.h5"


def test_a_run_without_a_complete_epoch_cannot_end(scenes, tmp_path, played, fails):
    played.stop_in = 1
    assert main(command(scenes, tmp_path / "run")) == 130
    assert "no complete epoch" in fails("train", "--resume", tmp_path / "run", "--finish")


def test_early_stopping_remembers_across_an_interruption(split, tmp_path, played):
    settings = dataclasses.replace(SETTINGS, frozen_epochs=6, unfrozen_epochs=0)
    played.scores, played.stop_in = [0.5, 0.6, 0.55, 0.6], 4
    with pytest.raises(KeyboardInterrupt):
        train(settings, split, tmp_path / "run")
    train(settings, split, tmp_path / "run", resume=True)
    assert [line["epoch"] for line in read_history(tmp_path / "run")] == [1, 2, 3, 4]


def test_a_phase_that_was_stopped_early_is_not_gone_on_with(split, tmp_path, played):
    settings = dataclasses.replace(SETTINGS, frozen_epochs=6, unfrozen_epochs=2)
    played.scores, played.stop_in = [0.5, 0.4, 0.3, 0.5, 0.6], 7  # nothing of the second phase is complete
    with pytest.raises(KeyboardInterrupt):
        train(settings, split, tmp_path / "run")
    train(settings, split, tmp_path / "run", resume=True)
    assert [line["epoch"] for line in read_history(tmp_path / "run")] == [1, 2, 3, 7, 8]


@pytest.mark.parametrize(("after", "name"), [(3, "checkpoint.npz"), (2, "best.weights.h5"), (3, "best.weights.h5")])
def test_a_kill_between_the_files_of_an_epoch_changes_nothing(split, tmp_path, monkeypatch, played, after, name):
    """Every epoch is the best so far; the kill comes before a file of the first phase's last epoch or the next one."""
    rising = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    played.scores = list(rising)
    train(SETTINGS, split, tmp_path / "whole")
    writes = {"checkpoint.npz": "write_checkpoint", "best.weights.h5": "save_weights"}
    usual_write, written = getattr(runs, writes[name]), []

    def killed(*arguments):
        written.extend(argument for argument in arguments if getattr(argument, "name", "") == name)
        if len(written) == after + 1:
            written.append("never again")
            raise KeyboardInterrupt
        usual_write(*arguments)

    monkeypatch.setattr(runs, writes[name], killed)
    played.scores = list(rising)
    with pytest.raises(KeyboardInterrupt):
        train(SETTINGS, split, tmp_path / "run")
    done = len(read_checkpoint(tmp_path / "run" / "last" / "checkpoint.npz").state["history"])
    played.scores = rising[done:]
    train(SETTINGS, split, tmp_path / "run", resume=True)
    assert history(tmp_path / "run") == history(tmp_path / "whole")
    assert_equal_weights(tmp_path / "run" / "best.weights.h5", tmp_path / "whole" / "best.weights.h5")


def test_a_run_of_other_settings_or_images_is_not_gone_on_with(split, tmp_path, played):
    out = tmp_path / "run"
    played.stop_in = 2
    with pytest.raises(KeyboardInterrupt):
        train(SETTINGS, split, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    others = dataclasses.replace(SETTINGS, patience=5, class_weights=(1.0, 3.0))
    with pytest.raises(LandslideError, match="holds a run with other class_weights, patience; go on as it was begun"):
        train(others, split, out, resume=True)
    fewer = dataclasses.replace(split, subsets={**split.subsets, "train": split.subset("train")[1:]})
    with pytest.raises(LandslideError, match="other training images"):
        train(SETTINGS, fewer, out, resume=True)
    with pytest.raises(LandslideError, match="other labels"):
        train(SETTINGS, dataclasses.replace(split, labels="completed"), out, resume=True)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    (out / "last" / "checkpoint.npz").write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(LandslideError, match="checkpoint\\.npz: is damaged; remove it"):
        train(SETTINGS, split, out, resume=True)


def test_a_run_of_other_images_without_landslide_is_not_gone_on_with(split, tmp_path, played):
    settings = dataclasses.replace(SETTINGS, negatives=ALL)
    played.stop_in = 2
    with pytest.raises(KeyboardInterrupt):
        train(settings, split, tmp_path / "run")
    fewer = {**split.negatives, "train": split.negatives["train"][1:]}
    with pytest.raises(LandslideError, match="holds a run with other images without landslide; go on as it was begun"):
        train(settings, dataclasses.replace(split, negatives=fewer), tmp_path / "run", resume=True)


def test_a_run_in_bfloat16_may_go_on_in_float32_and_its_history_says_so(scenes, tmp_path, played, capsys, monkeypatch):
    out = tmp_path / "run"
    monkeypatch.setattr(compute, "processor_flags", lambda: {"avx512_bf16"})
    played.stop_in = 3
    assert main([*command(scenes, out, "--precision", "auto")]) == 130
    assert "no instructions for bfloat16" not in capsys.readouterr().out
    monkeypatch.setattr(compute, "processor_flags", lambda: {"avx2"})
    played.stop_in = 4
    assert main(["train", "--resume", str(out)]) == 130  # goes on as it was, and says what that costs
    assert f"keras-landslide train --resume {out} --precision float32" in capsys.readouterr().out
    played.stop_in = 5
    assert main(["train", "--resume", str(out), "--precision", "float32"]) == 130
    assert "Goes on in float32" in capsys.readouterr().out
    assert main(["train", "--resume", str(out)]) == 0
    assert "instructions" not in capsys.readouterr().out
    epochs = read_history(out)
    assert [line["precision"] for line in epochs] == ["mixed_bfloat16"] * 3 + ["float32"] * 3
    assert read_json(out / "settings.json")["settings"]["precision"] == "float32"
    assert read_description(out / "best.weights.h5").settings["precision"] in ("float32", "mixed_bfloat16")


def test_other_changes_of_precision_are_refused(split, tmp_path, played, monkeypatch):
    monkeypatch.setattr(compute, "processor_flags", lambda: {"avx2"})
    played.stop_in = 2
    with pytest.raises(KeyboardInterrupt):
        train(SETTINGS, split, tmp_path / "run")
    for precision in ("mixed_bfloat16", "mixed_float16"):
        with pytest.raises(LandslideError, match="holds a run with other precision"):
            train(dataclasses.replace(SETTINGS, precision=precision), split, tmp_path / "run", resume=True)


def test_an_experiment_that_was_begun_in_bfloat16_goes_on_elsewhere(split, tmp_path, played, monkeypatch):
    """Its settings say `auto`, which would be float32 on this machine."""
    settings = dataclasses.replace(SETTINGS, precision="auto")
    monkeypatch.setattr(compute, "processor_flags", lambda: {"avx512_bf16"})
    played.stop_in = 3
    with pytest.raises(KeyboardInterrupt):
        train(settings, split, tmp_path / "run")
    monkeypatch.setattr(compute, "processor_flags", lambda: {"avx2"})
    run = train(settings, split, tmp_path / "run", resume=True)
    assert {line["precision"] for line in run.history} == {"mixed_bfloat16"} and len(run.history) == 6


def test_a_finished_run_is_not_trained_again(split, tmp_path, played):
    train(SETTINGS, split, tmp_path / "run")
    played.fits.clear()
    again = train(SETTINGS, split, tmp_path / "run", resume=True)
    assert again.best == max(read_history(tmp_path / "run"), key=lambda line: line["val_miou"])
    assert not played.fits
    with pytest.raises(LandslideError, match="other seed"):
        train(dataclasses.replace(SETTINGS, seed=1), split, tmp_path / "run", resume=True)


def test_a_full_disk_leaves_what_was_there(split, tmp_path, monkeypatch, played):
    """No file can grow beyond 4 KB from the third epoch on, as when the disk is full."""
    out, usual = tmp_path / "run", Run.end_epoch
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def end_epoch(self, *arguments):
        if len(self.history) == 2:
            kept.update({path: path.read_bytes() for path in out.rglob("*") if path.is_file()})
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        usual(self, *arguments)

    kept = {}
    monkeypatch.setattr(Run, "end_epoch", end_epoch)
    signals = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(OSError, match=f"too large: 2 MB: '{out}"):
            train(SETTINGS, split, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, signals)
    monkeypatch.setattr(Run, "end_epoch", usual)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == kept
    train(SETTINGS, split, out, resume=True)
    train(SETTINGS, split, tmp_path / "whole")
    assert history(out) == history(tmp_path / "whole")


def test_a_run_from_before_there_was_a_choice_of_precision_goes_on(split, tmp_path, played):
    played.stop_in = 3
    with pytest.raises(KeyboardInterrupt):
        train(SETTINGS, split, tmp_path / "run")
    path = tmp_path / "run" / "last" / "checkpoint.npz"
    checkpoint = read_checkpoint(path)
    del checkpoint.state["description"]["settings"]["precision"]
    for line in checkpoint.state["history"]:
        del line["precision"]
    write_checkpoint(path, checkpoint)
    run = train(dataclasses.replace(SETTINGS, precision="auto"), split, tmp_path / "run", resume=True)
    assert [line["precision"] for line in run.history] == ["float32"] * 6


def test_tensorboard_shows_the_history(split, tmp_path, played):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    for settings in (dataclasses.replace(SETTINGS, seed=1), SETTINGS):  # of the run that was replaced nothing is left
        train(settings, split, tmp_path / "run", tensorboard=True, overwrite=True)
    lines = read_history(tmp_path / "run")
    for part, name in (("train", "loss"), ("validation", "val_miou")):
        events = EventAccumulator(str(tmp_path / "run" / "tensorboard" / part))
        events.Reload()
        shown = [
            float(tensor_util.make_ndarray(event.tensor_proto))
            for event in events.Tensors(f"epoch_{name.removeprefix('val_')}")
        ]
        np.testing.assert_allclose(shown, [line[name] for line in lines], atol=1e-6)


def test_the_time_that_a_training_takes_is_told_from_forward_passes(split, monkeypatch):
    monkeypatch.setattr(fit, "forward_seconds", lambda models, size: [0.5, 0.2] if size == 64 else [])
    train_samples, val_samples = [None] * 10, [None] * 4  # 8 of them in two steps of 4, 9 in three of 3
    model = small_model()
    frozen = 3 * (8 * fit.estimated_step("frozen", 0.5, 0.2) + 4 * 0.5)
    unfrozen = 9 * fit.estimated_step("unfrozen", 0.5, 0.2) + 4 * 0.5
    told = fit.estimated_seconds(model, SETTINGS, train_samples, val_samples)
    assert told == pytest.approx(frozen + 3 * unfrozen)
    for state, left in (
        ({"epochs_done": 4, "phase": "unfrozen", "phase_finished": False}, 2),
        ({"epochs_done": 1, "phase": "frozen", "phase_finished": True}, 3),  # it was stopped early, two were left
        ({"epochs_done": 4, "phase": "unfrozen", "phase_finished": True}, 0),
    ):
        told = fit.estimated_seconds(model, SETTINGS, train_samples, val_samples, Checkpoint(state, {}))
        assert told == pytest.approx(left * unfrozen)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_the_time_of_a_training_is_told_within_a_third_for_all_rows(precision):
    """Against times taken on a processor with AVX-512 (docs/measurements.md): an unfrozen step, a whole training."""
    rows = read_json(RESULTS / "precision_of_steps_avx512_bf16.json")["rows"]
    assert len(rows) == 6
    for name, taken in rows.items():
        seconds = taken[precision]
        told = {phase: fit.estimated_step(phase, seconds["forward"], seconds["backbone"]) for phase in PHASES}
        assert told["unfrozen"] == pytest.approx(seconds["unfrozen"], rel=1 / 3), name
        for epochs in ({"frozen": 3, "unfrozen": 42}, {"frozen": 50, "unfrozen": 100}):  # of the presets
            both = [sum(epochs[phase] * times[phase] for phase in PHASES) for times in (told, seconds)]
            assert both[0] == pytest.approx(both[1], rel=1 / 3), name


def test_forward_passes_are_timed_in_turn_and_the_first_does_not_count(monkeypatch):
    now, order = [0.0], []

    class Played:
        def __init__(self, name, *seconds):
            self.name, self.seconds = name, list(seconds)

        def predict_on_batch(self, images):
            assert images.shape == (4, 96, 96, 3)
            order.append(self.name)
            now[0] += self.seconds.pop(0)

    monkeypatch.setattr(fit.time, "monotonic", lambda: now[0])
    models = [Played("whole", 9.0, 1.0, 4.0, 2.0), Played("part", 8.0, 0.5, 0.25, 3.0)]
    assert fit.forward_seconds(models, 96) == [0.5, 0.125]
    assert order == ["whole", "part"] * 4
