"""Training by several processes: what the environment may say, and that two train what one would."""

import dataclasses
import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from keras_landslide.data.layouts import find_samples
from keras_landslide.data.sample import Neighbour
from keras_landslide.errors import LandslideError
from keras_landslide.models.saving import read_layers
from keras_landslide.training.hosts import ADDRESSES, PROCESS, PROCESSES, Hosts, _digest, hosts
from keras_landslide.training.losses import SegmentationLoss
from keras_landslide.training.mean_iou import MeanIoU
from keras_landslide.training.runs import read_history
from tests.small import SETTINGS, environment

ALL_SET = {ADDRESSES: "10.0.0.1:1234", PROCESSES: "2", PROCESS: "1"}


@pytest.fixture
def said(monkeypatch):
    """What `hosts` makes of an environment, on JAX."""
    monkeypatch.setattr("keras_landslide.training.hosts.on_jax", lambda: True)

    def ask(**environment) -> Hosts:
        for name in ALL_SET:
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return hosts()

    return ask


def test_without_the_variables_a_process_is_alone(said):
    assert said() == Hosts(0, 1, joined=False)
    assert said().shard == (0, 1)


def test_the_variables_say_who_this_is(said, tmp_path):
    first, second = said(**{**ALL_SET, PROCESS: "0"}), said(**ALL_SET)
    assert (first.shard, first.writes, first.folder(tmp_path)) == ((0, 2), True, tmp_path)
    assert (second.shard, second.writes) == ((1, 2), False)
    own = second.folder(tmp_path)
    assert own.is_dir() and own not in (tmp_path, second.folder(tmp_path))


@pytest.mark.parametrize("missing", ALL_SET)
def test_half_of_the_variables_are_refused_by_name(said, missing):
    with pytest.raises(LandslideError, match=f"and .* set, {missing} not; set all three"):
        said(**{name: value for name, value in ALL_SET.items() if name != missing})


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        (PROCESS, "2", "give a whole number, 0 to 1"),
        (PROCESS, "one", "give a whole number, 0 to 1"),
        (PROCESSES, "0", "give a whole number, 1 or more"),
        (ADDRESSES, "10.0.0.1", "give HOST:PORT of process 0"),
        (ADDRESSES, "a:1,b:1,c:1", "has 3 addresses, .* is 2; give one for each process"),
    ],
)
def test_what_cannot_be_is_refused(said, name, value, remedy):
    with pytest.raises(LandslideError, match=remedy):
        said(**{**ALL_SET, name: value})


def test_tensorflow_is_refused_before_anything_is_read(fails, monkeypatch, tmp_path):
    for name, value in ALL_SET.items():
        monkeypatch.setenv(name, value)
    error = fails("train", "--data", tmp_path / "nothing", "--out", tmp_path / "run")
    assert "KERAS_BACKEND=jax" in error and f"unset {ADDRESSES}" in error


# --- processes that train together ---

# Trains a small network on a process's part of the images in a file, joined as `training.train` does it.
STEPS = """
import sys
import keras
import numpy as np
from keras_landslide.training.hosts import hosts
from keras_landslide.settings import Settings
from tests.training.test_hosts import steps
content, out = np.load(sys.argv[1]), sys.argv[2]
together = hosts()
keras.utils.set_random_seed(0)
together.join(Settings(frozen_batch_size=4, unfrozen_batch_size=4))
number, parts = together.shard
mine = slice(number * 4 // parts, (number + 1) * 4 // parts)
with together.scope():
    results = steps(content["images"][mine], content["labels"][mine], content)
if together.writes:
    np.savez(out, **results)
"""
# The command line for a network that is compiled in seconds.
CLI = """
import sys
from keras_landslide.cli import main
from tests.small import small_network
with small_network():
    sys.exit(main(sys.argv[1:]))
"""
TINY = (
    "--backbone-weights none --image-size 64 --fold 1/3 --augmentation default --samples-per-epoch 8 "
    "--frozen-epochs 1 --unfrozen-epochs 1 --frozen-batch-size 4 --unfrozen-batch-size 4 --frozen-learning-rate 1e-3 "
    "--unfrozen-learning-rate 1e-3"
).split()
NUMBERS = ("loss", "miou", "val_loss", "val_miou")
AGREE = 1e-4


def network() -> keras.Model:
    layers = keras.layers
    convolution = layers.Conv2D(4, 3, padding="same", use_bias=False)  # which the normalisation would take away
    stem = [layers.Input((8, 8, 3)), convolution, layers.BatchNormalization(momentum=0.5), layers.ReLU()]
    return keras.Sequential([*stem, layers.Conv2D(2, 1), layers.Softmax()])


def steps(images, labels, initial) -> dict[str, np.ndarray]:
    """Loss and mIoU of three steps of plain gradient descent from the weights in `initial`, and the weights then."""
    model = network()
    model.set_weights([initial[f"weight_{number}"] for number in range(len(model.weights))])
    model.compile(keras.optimizers.SGD(0.5), SegmentationLoss(), metrics=[MeanIoU()])
    logs = [model.train_on_batch(images, labels, return_dict=True) for _ in range(3)]
    weights = {f"weight_{number}": np.asarray(weight) for number, weight in enumerate(model.weights)}
    return {"loss": [log["loss"] for log in logs], "miou": [log["miou"] for log in logs], **weights}


def run_together(program: str, *arguments, processes: int = 2, apart=()) -> list[subprocess.CompletedProcess]:
    """Run so many processes of `program` on JAX, joined over loopback unless there is one, and wait for them.

    `apart` has more arguments for each of them.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    started = []
    for number in range(processes):
        joined = {ADDRESSES: address, PROCESSES: str(processes), PROCESS: str(number)} if processes > 1 else {}
        command = [sys.executable, "-c", program, *map(str, arguments), *(apart[number] if apart else ())]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, env={**environment("jax"), **joined}, **pipes))
    texts = [process.communicate() for process in started]
    return [
        subprocess.CompletedProcess(process.args, process.returncode, *text)
        for process, text in zip(started, texts, strict=True)
    ]


@pytest.mark.slow  # two processes that start JAX
def test_two_unequal_shards_give_loss_gradients_and_statistics_of_the_whole_batch(tmp_path):
    random = np.random.default_rng(3)
    images = random.normal(size=(4, 8, 8, 3)).astype("float32") + np.arange(4, dtype="float32").reshape(4, 1, 1, 1)
    labels = random.integers(0, 2, (4, 8, 8)).astype("uint8")
    labels[2:, :, 1:] = 255  # process 1 has an eighth of the pixels of process 0
    keras.utils.set_random_seed(7)
    initial = {f"weight_{number}": np.asarray(weight) for number, weight in enumerate(network().weights)}
    np.savez(tmp_path / "content.npz", images=images, labels=labels, **initial)
    for done in run_together(STEPS, tmp_path / "content.npz", tmp_path / "results.npz"):
        assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "results.npz")
    whole, *halves = (steps(images[part], labels[part], initial) for part in (slice(4), slice(2), slice(2, 4)))
    assert sorted(found) == sorted(whole)
    for name in whole:
        np.testing.assert_allclose(found[name], whole[name], atol=AGREE, err_msg=name)
        mean_of_halves = (np.asarray(halves[0][name]) + np.asarray(halves[1][name])) / 2
        assert np.abs(mean_of_halves - whole[name]).max() > 10 * AGREE, name


@pytest.fixture
def narrow(scenes, tmp_path) -> Path:
    """The scenes, every other one cut to a strip, so that four fifths of its square are ignored."""
    folder = tmp_path / "narrow"
    shutil.copytree(scenes / "landslide", folder / "landslide")
    for sample in find_samples(folder)[::2]:
        for path in (sample.image, sample.mask):
            with Image.open(path) as image:
                cut = image.crop((image.width // 2 - 6, 0, image.width // 2 + 6, image.height))
            cut.save(path)
    return folder


def difference(one: Path, other: Path) -> float:
    lines = zip(read_history(one), read_history(other), strict=True)
    return max(abs(a[name] - b[name]) for a, b in lines for name in NUMBERS)


@pytest.mark.slow  # three processes that start JAX
def test_two_processes_train_what_one_would(narrow, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for out, processes in ((one, 1), (two, 2)):
        for done in run_together(CLI, "train", "--data", narrow, "--out", out, *TINY, processes=processes):
            assert done.returncode == 0, done.stderr
    frozen, unfrozen = read_history(two)
    assert (frozen["phase"], unfrozen["phase"]) == ("frozen", "unfrozen")
    assert difference(two, one) < AGREE
    assert min(abs(frozen[name] - unfrozen[name]) for name in NUMBERS) > 10 * AGREE
    scores = [json.loads((folder / "scores.json").read_text())["miou"] for folder in (one, two)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)
    ours, theirs = (read_layers(folder / "best.weights.h5") for folder in (two, one))
    assert list(ours) == list(theirs)
    for name, arrays in ours.items():
        for array, wanted in zip(arrays, theirs[name], strict=True):
            np.testing.assert_allclose(array, wanted, rtol=1e-3, atol=1e-3, err_msg=name)


def test_hosts_tell_trainings_apart_by_settings_images_and_labels(split):
    samples = split.subset("train")
    neighbour = Neighbour(samples[1].mask, 3, 4)
    completed = [dataclasses.replace(samples[0], neighbours=(neighbour,)), *samples[1:]]
    trainings = [
        (SETTINGS, [samples]),
        (dataclasses.replace(SETTINGS, seed=1), [samples]),
        (SETTINGS, [samples[1:]]),
        (SETTINGS, [completed]),
    ]
    assert len({_digest(*training) for training in trainings}) == len(trainings)
    assert _digest(dataclasses.replace(SETTINGS, num_workers=3), [list(samples)]) == _digest(*trainings[0])


@pytest.mark.slow  # two processes, twice
def test_processes_that_cannot_train_together_all_say_so_and_write_nothing(narrow, tmp_path):
    command = ("train", "--data", narrow, "--out", tmp_path / "run", *TINY)
    for apart, mistake in (
        ((["--seed", "0"], ["--seed", "1"]), "Other settings, images or labels than in process 0: process 1"),
        ((["--unfrozen-batch-size", "3"],) * 2, "--unfrozen-batch-size 3 cannot be dealt to 2 devices"),
    ):
        for done in run_together(CLI, *command, apart=apart):
            assert done.returncode == 2
            assert f"keras-landslide: {mistake}" in done.stderr
        assert not (tmp_path / "run").exists()
