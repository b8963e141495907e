"""The two phases really trained, on a small network: resuming to the bit, precision, both outputs."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_landslide.files.atomic import read_json, write_json
from keras_landslide.models.saving import layers_with_weights, read_description, read_layers
from keras_landslide.training import callbacks, plan
from keras_landslide.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from keras_landslide.training.runs import read_history
from tests.small import SETTINGS, assert_equal_weights, history, small_model, small_network, train


@pytest.fixture(autouse=True)
def small():
    with small_network():
        yield


def interrupt_at(monkeypatch, epoch: int, step: int) -> None:
    """Ctrl-C in this step of this epoch, both counted from 0, once."""
    usual, at = callbacks.StopAtNaN.on_train_batch_end, [(epoch, step)]

    def interrupted(self, batch, logs=None):
        usual(self, batch, logs)
        if (self.epoch, batch) in at:
            at.clear()
            raise KeyboardInterrupt

    monkeypatch.setattr(callbacks.StopAtNaN, "on_train_batch_end", interrupted)


@pytest.fixture(scope="module")
def whole(split, made_once) -> Path:
    """A run that nothing stopped, with the steps of each phase's optimizer in `optimizer_steps.json`; for reading."""

    def make(out: Path) -> None:
        usual, steps = keras.Model.fit, []

        def counted(model, *arguments, **options):
            usual(model, *arguments, **options)
            steps.append(int(model.optimizer.iterations))

        with small_network(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(keras.Model, "fit", counted)
            train(SETTINGS, split, out)
        write_json(out / "optimizer_steps.json", steps)

    return made_once("whole", make)


@pytest.mark.parametrize(("epoch", "step"), [(2, 2), (5, 1), pytest.param(3, 0, marks=pytest.mark.slow)])
def test_an_interrupted_run_ends_like_one_that_was_not(split, whole, tmp_path, monkeypatch, epoch, step):
    out = tmp_path / "run"
    interrupt_at(monkeypatch, epoch, step)
    with pytest.raises(KeyboardInterrupt):
        train(SETTINGS, split, out, resume=True)
    assert (out / "best.weights.h5").exists()
    keras.utils.set_random_seed(99)  # whatever a new process would start from
    train(SETTINGS, split, out, resume=True)
    assert history(out) == history(whole)
    for name in ("best.weights.h5", "last/last.weights.h5"):
        assert_equal_weights(out / name, whole / name)
    assert read_description(out / "best.weights.h5").scores.keys() == read_history(whole)[0].keys()
    assert not (out / "last" / "checkpoint.npz").exists()


@pytest.mark.parametrize("forgotten", ["model", "optimizer"])
def test_what_a_checkpoint_forgets_would_show(split, whole, tmp_path, monkeypatch, forgotten):
    out = tmp_path / "run"
    interrupt_at(monkeypatch, 4, 1)
    with pytest.raises(KeyboardInterrupt):
        train(SETTINGS, split, out)
    checkpoint = read_checkpoint(out / "last" / "checkpoint.npz")
    arrays = [np.zeros_like(array) if array.ndim == 1 else array for array in checkpoint.arrays[forgotten]]
    spoilt = Checkpoint(checkpoint.state, {**checkpoint.arrays, forgotten: arrays})
    write_checkpoint(out / "last" / "checkpoint.npz", spoilt)
    train(SETTINGS, split, out, resume=True)
    assert history(out)[:4] == history(whole)[:4]
    assert history(out)[4]["loss"] != history(whole)[4]["loss"]


def test_learning_rates_and_steps_of_both_phases(whole):
    """13 images: 3 batches of 4 while frozen, 4 of 3 after; the cosine is that of each phase alone."""
    expected = [0.01 * (1 + np.cos(np.pi * epoch / 3)) / 2 for epoch in (1, 2, 3)]
    expected += [0.002 * (1 + np.cos(np.pi * epoch / 3)) / 2 for epoch in (1, 2, 3)]
    np.testing.assert_allclose([line["learning_rate"] for line in read_history(whole)], expected, atol=1e-8)
    assert read_json(whole / "optimizer_steps.json") == [9, 12]


def test_both_outputs_are_trained_and_validated_with_an_auxiliary_branch(split, tmp_path):
    """The loss of both outputs is there and falls, and the first one's mIoU is the run's."""
    settings = dataclasses.replace(SETTINGS, aux_branch=True, unfrozen_epochs=0, frozen_epochs=2)
    train(settings, split, tmp_path / "run")
    first, second = read_history(tmp_path / "run")
    for loss in ("probabilities_loss", "auxiliary_loss", "val_probabilities_loss", "val_auxiliary_loss"):
        assert 0 < second[loss] < first[loss]
    assert first["loss"] == pytest.approx(first["probabilities_loss"] + 0.4 * first["auxiliary_loss"], abs=2e-3)
    assert 0 < first["val_miou"] <= 1


def test_frozen_means_that_nothing_of_the_backbone_moves(split, tmp_path):
    settings = dataclasses.replace(SETTINGS, unfrozen_epochs=0, frozen_epochs=1)
    keras.utils.set_random_seed(settings.seed)
    before = {layer.name: layer.get_weights() for layer in layers_with_weights(small_model())}
    train(settings, split, tmp_path / "run")
    after = read_layers(tmp_path / "run" / "best.weights.h5")
    for name, arrays in after.items():
        same = all(np.array_equal(found, start) for found, start in zip(arrays, before[name], strict=True))
        assert same == (name != "head")


def test_averaged_weights_are_those_of_all_steps_and_what_is_kept(split, tmp_path, monkeypatch):
    """The oracle: the average in NumPy, over the weights as they are after every step."""
    settings = dataclasses.replace(SETTINGS, unfrozen_epochs=0, frozen_epochs=2, weight_averaging=0.8)
    steps, validated, usual = [], [], callbacks.StopAtNaN.on_train_batch_end

    def watched(self, batch, logs=None):
        usual(self, batch, logs)
        steps.append([np.array(weight) for weight in self.model.trainable_weights])

    monkeypatch.setattr(callbacks.StopAtNaN, "on_train_batch_end", watched)
    monkeypatch.setattr(
        callbacks.StopAtNaN,
        "on_test_batch_begin",
        lambda self, batch, logs=None: validated.append([np.array(weight) for weight in self.model.trainable_weights]),
    )
    train(settings, split, tmp_path / "run")
    average = steps[0]
    for weights in steps[1:]:
        average = [0.8 * before + 0.2 * now for before, now in zip(average, weights, strict=True)]
    last = read_layers(tmp_path / "run" / "last" / "last.weights.h5")["head"]
    for found, seen, wanted, trained in zip(last, validated[-1], average, steps[-1], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(seen, wanted, rtol=1e-4, atol=1e-6)
        assert np.abs(wanted - trained).max() > 1e-4


@pytest.mark.parametrize("epoch", [4, pytest.param(2, marks=pytest.mark.slow)])
def test_an_interrupted_run_goes_on_with_its_average(split, tmp_path, monkeypatch, epoch):
    settings = dataclasses.replace(SETTINGS, weight_averaging=0.8)
    train(settings, split, tmp_path / "whole")
    interrupt_at(monkeypatch, epoch, 1)
    with pytest.raises(KeyboardInterrupt):
        train(settings, split, tmp_path / "stopped")
    train(settings, split, tmp_path / "stopped", resume=True)
    assert history(tmp_path / "stopped") == history(tmp_path / "whole")
    for name in ("best.weights.h5", "last/last.weights.h5"):
        assert_equal_weights(tmp_path / "stopped" / name, tmp_path / "whole" / name)


def test_precision_is_that_of_the_arithmetic_alone(monkeypatch):
    model, _ = plan.new_model(dataclasses.replace(SETTINGS, precision="mixed_bfloat16"), None)
    head = model.get_layer("head")
    assert (head.compute_dtype, head.variable_dtype) == ("bfloat16", "float32")
    assert model.output.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_trains_alike_and_goes_on_where_it_was_stopped(split, whole, tmp_path, monkeypatch, precision):
    settings = dataclasses.replace(SETTINGS, precision=precision)
    train(settings, split, tmp_path / "half")
    losses, expected = ([line["loss"] for line in history(folder)] for folder in (tmp_path / "half", whole))
    assert losses != expected
    np.testing.assert_allclose(losses, expected, atol=0.03)
    if precision == "mixed_bfloat16":  # of which only float16 has more to remember: the scale of its loss
        return
    interrupt_at(monkeypatch, 4, 1)
    with pytest.raises(KeyboardInterrupt):
        train(settings, split, tmp_path / "stopped")
    train(settings, split, tmp_path / "stopped", resume=True)
    assert history(tmp_path / "stopped") == history(tmp_path / "half")
