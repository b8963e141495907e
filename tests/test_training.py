"""The two phases: early stopping, seeds, resuming, a full disk, precision; on a small network."""

import dataclasses
import json
import resource
import signal
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_landslide import callbacks, runs, training
from keras_landslide.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from keras_landslide.cli import main
from keras_landslide.data.folder import find_samples
from keras_landslide.data.splits import split_samples
from keras_landslide.errors import LandslideError
from keras_landslide.models.saving import layers_with_weights, load_weights, read_description, read_layers
from keras_landslide.runs import Run, read_history
from keras_landslide.settings import Settings

SETTINGS = Settings(
    image_size=64,
    frozen_epochs=3,
    unfrozen_epochs=3,
    frozen_batch_size=4,
    unfrozen_batch_size=4,
    frozen_learning_rate=0.01,
    unfrozen_learning_rate=0.002,
    learning_rate_schedule="cosine",
    backbone_weights="none",
    augmentation="none",
    patience=2,
)
FLAGS = (
    "--image-size 64 --frozen-epochs 3 --unfrozen-epochs 3 --frozen-batch-size 4 --unfrozen-batch-size 4 "
    "--frozen-learning-rate 0.01 --unfrozen-learning-rate 0.002 --learning-rate-schedule cosine "
    "--backbone-weights none --augmentation none --patience 2"
).split()


def small_model(*_, input_shape=(64, 64, 3), classes=2, **__) -> keras.Model:
    """A backbone with batch normalisation, dropout and a head: all that a training has to keep account of."""
    features = image = keras.Input(input_shape)
    for filters in (8, 12):
        features = keras.layers.Conv2D(filters, 3, strides=2, padding="same", name=f"convolution_{filters}")(features)
        features = keras.layers.BatchNormalization(momentum=0.5, name=f"normalisation_{filters}")(features)
        features = keras.layers.Activation("relu")(features)
    backbone = keras.Model(image, features, name="backbone")
    inputs = keras.Input(input_shape)
    features = backbone(keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs))
    features = keras.layers.Dropout(0.3, name="dropout")(features)
    scores = keras.layers.Conv2D(classes, 1, name="head")(features)
    scores = keras.layers.UpSampling2D(4, interpolation="bilinear")(scores)
    return keras.Model(inputs, keras.layers.Softmax(dtype="float32", name="probabilities")(scores))


@pytest.fixture(autouse=True)
def small_network(monkeypatch):
    def load(path):
        model = small_model()
        load_weights(model, path)
        return model

    monkeypatch.setattr(training, "build_model", small_model)
    monkeypatch.setattr(training, "load_model", load)


@pytest.fixture(scope="module")
def split(scenes):
    return split_samples(find_samples(scenes), "auto")


def history(folder: Path) -> list[dict]:
    """Without the seconds, which differ."""
    return [{name: value for name, value in line.items() if name != "seconds"} for line in read_history(folder)]


def interrupt_at(monkeypatch, epoch: int, step: int) -> None:
    """Ctrl-C in this step of this epoch, both counted from 0, once."""
    usual, at = callbacks.StopAtNaN.on_train_batch_end, [(epoch, step)]

    def interrupted(self, batch, logs=None):
        usual(self, batch, logs)
        if (self.epoch, batch) in at:
            at.clear()
            raise KeyboardInterrupt

    monkeypatch.setattr(callbacks.StopAtNaN, "on_train_batch_end", interrupted)


def assert_equal_weights(one: Path, other: Path) -> None:
    first, second = read_layers(one), read_layers(other)
    assert first.keys() == second.keys() and len(first) == 5
    for name, arrays in first.items():
        for expected, found in zip(arrays, second[name], strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.fixture(scope="module")
def whole(split, tmp_path_factory) -> Path:
    """A run that nothing stopped; only for reading."""
    out = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "build_model", small_model)
        patch.setattr(training, "evaluate", lambda *_, **__: _Scores())
        patch.setattr(training, "load_model", lambda path: None)
        training.train(SETTINGS, split, out)
    return out


class _Scores:
    def to_json(self) -> dict:
        return {}


def test_one_seed_gives_one_run_and_another_another(split, whole, tmp_path):
    training.train(SETTINGS, split, tmp_path / "again")
    assert history(tmp_path / "again") == history(whole)
    assert_equal_weights(tmp_path / "again" / "best.weights.h5", whole / "best.weights.h5")
    training.train(dataclasses.replace(SETTINGS, seed=1), split, tmp_path / "other")
    assert history(tmp_path / "other")[0]["loss"] != history(whole)[0]["loss"]


# the last epoch of either phase; the first of all, the middle of a phase, the first of the other
@pytest.mark.parametrize(
    ("epoch", "step"), [(2, 2), (5, 1), *(pytest.param(*at, marks=pytest.mark.slow) for at in ((0, 1), (1, 0), (3, 0)))]
)
def test_an_interrupted_run_ends_like_one_that_was_not(split, whole, tmp_path, monkeypatch, epoch, step):
    out = tmp_path / "run"
    interrupt_at(monkeypatch, epoch, step)
    with pytest.raises(KeyboardInterrupt):
        training.train(SETTINGS, split, out, resume=True)
    assert (out / "best.weights.h5").exists() == (epoch > 0)
    keras.utils.set_random_seed(99)  # whatever a new process would start from
    training.train(SETTINGS, split, out, resume=True)
    assert history(out) == history(whole)
    for name in ("best.weights.h5", "last/last.weights.h5"):
        assert_equal_weights(out / name, whole / name)
    assert read_description(out / "best.weights.h5")["scores"].keys() == read_history(whole)[0].keys()
    assert not (out / "last" / "checkpoint.npz").exists()


@pytest.mark.parametrize(
    ("after", "name"),
    [(3, "checkpoint.npz"), *(pytest.param(after, "best.weights.h5", marks=pytest.mark.slow) for after in (2, 3))],
)
def test_a_kill_between_the_files_of_an_epoch_changes_nothing(split, tmp_path, monkeypatch, after, name):
    """Every epoch is the best so far; the kill comes before a file of the first phase's last epoch or the next one."""
    usual_line = Run.end_epoch

    def end_epoch(self, model, line, *rest):
        line["val_miou"] = line["epoch"] / 10
        usual_line(self, model, line, *rest)

    monkeypatch.setattr(Run, "end_epoch", end_epoch)
    training.train(SETTINGS, split, tmp_path / "whole")
    writes = {"checkpoint.npz": "write_checkpoint", "best.weights.h5": "save_weights"}
    usual_write, written = getattr(runs, writes[name]), []

    def killed(*arguments):
        written.extend(argument for argument in arguments if getattr(argument, "name", "") == name)
        if len(written) == after + 1:
            written.append("never again")
            raise KeyboardInterrupt
        usual_write(*arguments)

    monkeypatch.setattr(runs, writes[name], killed)
    with pytest.raises(KeyboardInterrupt):
        training.train(SETTINGS, split, tmp_path / "run")
    training.train(SETTINGS, split, tmp_path / "run", resume=True)
    assert history(tmp_path / "run") == history(tmp_path / "whole")
    assert_equal_weights(tmp_path / "run" / "best.weights.h5", tmp_path / "whole" / "best.weights.h5")


@pytest.mark.parametrize("forgotten", ["model", "optimizer"])
def test_what_a_checkpoint_forgets_would_show(split, whole, tmp_path, monkeypatch, forgotten):
    out = tmp_path / "run"
    interrupt_at(monkeypatch, 4, 1)
    with pytest.raises(KeyboardInterrupt):
        training.train(SETTINGS, split, out)
    checkpoint = read_checkpoint(out / "last" / "checkpoint.npz")
    arrays = [np.zeros_like(array) if array.ndim == 1 else array for array in checkpoint.arrays[forgotten]]
    spoilt = Checkpoint(checkpoint.state, {**checkpoint.arrays, forgotten: arrays})
    write_checkpoint(out / "last" / "checkpoint.npz", spoilt)
    training.train(SETTINGS, split, out, resume=True)
    assert history(out)[:4] == history(whole)[:4]
    assert history(out)[4]["loss"] != history(whole)[4]["loss"]


def scripted(monkeypatch, scores: list[float]) -> None:
    """Early stopping sees these scores, one an epoch, instead of the validation mIoU."""
    waiting = list(scores)
    monkeypatch.setattr(callbacks.EarlyStopping, "get_monitor_value", lambda self, logs: waiting.pop(0))


def test_early_stopping_ends_its_phase_and_restores_its_best_weights(split, tmp_path, monkeypatch):
    after_epoch, after_phase = {}, {}
    usual_record, usual_phase = callbacks.Record.on_epoch_end, training._Fit.phase

    def record(self, epoch, logs=None):
        after_epoch[epoch] = self.model.get_weights()
        usual_record(self, epoch, logs)

    def phase(self, phase, interrupted):
        usual_phase(self, phase, interrupted)
        after_phase[phase.name] = self.model.get_weights()

    monkeypatch.setattr(callbacks.Record, "on_epoch_end", record)
    monkeypatch.setattr(training._Fit, "phase", phase)
    # epochs 0 to 3 of 6 frozen ones: the second is the best; then 6 to 8 of 6: the first is
    scripted(monkeypatch, [0.5, 0.6, 0.55, 0.6, 0.3, 0.2, 0.1])
    settings = dataclasses.replace(SETTINGS, frozen_epochs=6, unfrozen_epochs=6)
    training.train(settings, split, tmp_path / "run")
    assert [line["epoch"] for line in read_history(tmp_path / "run")] == [1, 2, 3, 4, 7, 8, 9]
    for name, best, last in (("frozen", 1, 3), ("unfrozen", 6, 8)):
        for restored, wanted in zip(after_phase[name], after_epoch[best], strict=True):
            np.testing.assert_array_equal(restored, wanted)
        changed = zip(after_phase[name], after_epoch[last], strict=True)
        assert any(np.any(restored != other) for restored, other in changed)


def test_early_stopping_remembers_across_an_interruption(split, tmp_path, monkeypatch):
    settings = dataclasses.replace(SETTINGS, frozen_epochs=6, unfrozen_epochs=0)
    scripted(monkeypatch, [0.5, 0.6, 0.55, 0.6])
    interrupt_at(monkeypatch, 3, 0)
    with pytest.raises(KeyboardInterrupt):
        training.train(settings, split, tmp_path / "run")
    training.train(settings, split, tmp_path / "run", resume=True)
    assert [line["epoch"] for line in read_history(tmp_path / "run")] == [1, 2, 3, 4]


@pytest.mark.slow
def test_a_phase_that_was_stopped_early_is_not_gone_on_with(split, tmp_path, monkeypatch):
    settings = dataclasses.replace(SETTINGS, frozen_epochs=6, unfrozen_epochs=2)
    scripted(monkeypatch, [0.5, 0.4, 0.3, 0.5, 0.6])
    interrupt_at(monkeypatch, 6, 0)  # nothing of the second phase is complete
    with pytest.raises(KeyboardInterrupt):
        training.train(settings, split, tmp_path / "run")
    training.train(settings, split, tmp_path / "run", resume=True)
    assert [line["epoch"] for line in read_history(tmp_path / "run")] == [1, 2, 3, 7, 8]


def test_the_second_phase_starts_from_the_best_of_the_first_with_a_fresh_optimizer(split, tmp_path, monkeypatch):
    best, at_start = {}, {}
    usual_load = training.load_weights

    def load(model, path):
        usual_load(model, path)
        best["weights"] = model.get_weights()

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            at_start["weights"] = self.model.get_weights()
            at_start["iterations"] = int(self.model.optimizer.iterations)
            at_start["trainable"] = self.model.get_layer("backbone").trainable

    usual = training._Fit._callbacks
    monkeypatch.setattr(training, "load_weights", load)
    monkeypatch.setattr(training._Fit, "_callbacks", lambda self, *given: [*usual(self, *given), Look()])
    training.train(SETTINGS, split, tmp_path / "run")
    assert at_start["iterations"] == 0 and at_start["trainable"]
    for found, wanted in zip(at_start["weights"], best["weights"], strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_frozen_means_that_nothing_of_the_backbone_moves(split, tmp_path):
    settings = dataclasses.replace(SETTINGS, unfrozen_epochs=0, frozen_epochs=1)
    keras.utils.set_random_seed(settings.seed)
    before = {layer.name: layer.get_weights() for layer in layers_with_weights(small_model())}
    training.train(settings, split, tmp_path / "run")
    after = read_layers(tmp_path / "run" / "best.weights.h5")
    for name, arrays in after.items():
        same = all(np.array_equal(found, start) for found, start in zip(arrays, before[name], strict=True))
        assert same == (name != "head")


def test_a_run_of_other_settings_or_images_is_not_gone_on_with(split, tmp_path, monkeypatch):
    out = tmp_path / "run"
    interrupt_at(monkeypatch, 1, 1)
    with pytest.raises(KeyboardInterrupt):
        training.train(SETTINGS, split, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    others = dataclasses.replace(SETTINGS, patience=5, class_weights=(1.0, 3.0))
    with pytest.raises(LandslideError, match="holds a run with other class_weights, patience; remove it"):
        training.train(others, split, out, resume=True)
    fewer = dataclasses.replace(split, subsets={**split.subsets, "train": split.subset("train")[1:]})
    with pytest.raises(LandslideError, match="other training images"):
        training.train(SETTINGS, fewer, out, resume=True)
    with pytest.raises(LandslideError, match="other labels"):
        training.train(SETTINGS, dataclasses.replace(split, labels="completed"), out, resume=True)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    (out / "last" / "checkpoint.npz").write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(LandslideError, match="checkpoint\\.npz: is damaged; remove it"):
        training.train(SETTINGS, split, out, resume=True)


def test_a_finished_run_is_not_trained_again(split, tmp_path, monkeypatch):
    training.train(SETTINGS, split, tmp_path / "run")
    monkeypatch.setattr(training, "new_model", None)
    again = training.train(SETTINGS, split, tmp_path / "run", resume=True)
    assert again.best == max(read_history(tmp_path / "run"), key=lambda line: line["val_miou"])
    with pytest.raises(LandslideError, match="other seed"):
        training.train(dataclasses.replace(SETTINGS, seed=1), split, tmp_path / "run", resume=True)


def test_a_full_disk_leaves_what_was_there(split, whole, tmp_path, monkeypatch):
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
            training.train(SETTINGS, split, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, signals)
    monkeypatch.setattr(Run, "end_epoch", usual)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == kept
    training.train(SETTINGS, split, out, resume=True)
    assert history(out) == history(whole)


def command(scenes, out, *more) -> list[str]:
    return [str(part) for part in ("train", "--data", scenes, "--out", out, *FLAGS, *more)]


def test_control_c_says_how_to_go_on_and_resume_needs_no_more(scenes, whole, tmp_path, monkeypatch, capsys):
    out = tmp_path / "run"
    interrupt_at(monkeypatch, 1, 1)
    assert main(command(scenes, out)) == 130
    assert f"Continue with: keras-landslide train --resume {out}" in capsys.readouterr().out
    assert main(["train", "--resume", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "2 of 3 epochs" in printed and f"Best weights: {out / 'best.weights.h5'}" in printed
    assert history(out) == history(whole)
    assert main(["train", "--resume", str(out)]) == 0  # finished: says so, trains nothing
    assert "epochs of" not in capsys.readouterr().out


def test_resume_takes_its_settings_from_the_run(fails, tmp_path):
    others = ["--image-size", "96", "--split", "paper510", "--out", "x", "--labels", "completed", "--overwrite"]
    error = fails("train", "--resume", tmp_path, *others)
    assert "leave out --image-size, --out, --split, --labels, --overwrite" in error
    assert f"{tmp_path}: holds no run to resume" in fails("train", "--resume", tmp_path)


@pytest.mark.parametrize(
    ("seeds", "text"), [(["1"], "give two or more"), (["1", "1"], "different"), (["0", "1", "--seed", "3"], "not both")]
)
def test_seeds_that_make_no_sense(fails, tmp_path, seeds, text):
    assert text in fails("train", "--data", "x", "--out", tmp_path / "out", "--seeds", *seeds)


def test_seeds_are_run_one_by_one_and_summed_up(scenes, tmp_path, monkeypatch, capsys):
    out = tmp_path / "runs"
    more = ["--frozen-epochs", "1", "--unfrozen-epochs", "1", "--seeds", "3", "0"]
    interrupt_at(monkeypatch, 1, 0)  # of the first seed
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


def test_seeds_on_data_that_is_not_there_leave_nothing_behind(fails, tmp_path):
    assert "no such folder" in fails(*command(tmp_path / "nowhere", tmp_path / "out", "--seeds", "0", "1"))
    assert not (tmp_path / "out").exists()


def test_tensorboard_shows_the_history(split, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    for settings in (dataclasses.replace(SETTINGS, seed=1), SETTINGS):  # of the run that was replaced nothing is left
        training.train(settings, split, tmp_path / "run", tensorboard=True, overwrite=True)
    lines = read_history(tmp_path / "run")
    for part, name in (("train", "loss"), ("validation", "val_miou")):
        events = EventAccumulator(str(tmp_path / "run" / "tensorboard" / part))
        events.Reload()
        shown = [
            float(tensor_util.make_ndarray(event.tensor_proto))
            for event in events.Tensors(f"epoch_{name.removeprefix('val_')}")
        ]
        np.testing.assert_allclose(shown, [line[name] for line in lines], atol=1e-6)


def test_precision_is_that_of_the_arithmetic_alone(monkeypatch):
    model = training.new_model(dataclasses.replace(SETTINGS, precision="mixed_bfloat16"))
    head = model.get_layer("head")
    assert (head.compute_dtype, head.variable_dtype) == ("bfloat16", "float32")
    assert model.output.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_trains_alike_and_goes_on_where_it_was_stopped(split, whole, tmp_path, monkeypatch, precision):
    settings = dataclasses.replace(SETTINGS, precision=precision)
    training.train(settings, split, tmp_path / "half")
    losses, expected = ([line["loss"] for line in history(folder)] for folder in (tmp_path / "half", whole))
    assert losses != expected
    np.testing.assert_allclose(losses, expected, atol=0.03)
    interrupt_at(monkeypatch, 4, 1)
    with pytest.raises(KeyboardInterrupt):
        training.train(settings, split, tmp_path / "stopped")
    training.train(settings, split, tmp_path / "stopped", resume=True)
    assert history(tmp_path / "stopped") == history(tmp_path / "half")
