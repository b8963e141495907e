"""Two devices train as one does: loss, gradients, normalisation statistics and mIoU, on two logical processors."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_landslide.files.atomic import read_json
from keras_landslide.training.runs import read_history
from tests.small import FLAGS

ROOT = Path(__file__).parents[2]
TWO_PROCESSORS = """
import dataclasses, sys
import numpy as np
import tensorflow as tf
processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
"""
ONE_STEP = (
    TWO_PROCESSORS
    + """
from keras_landslide.training.compute import devices
from keras_landslide.data.synthetic import mountain_scene
from keras_landslide.models.calibration import calibrate_batch_normalization
from keras_landslide.settings import preset
from keras_landslide.training.fit import _compile
from tests.small import small_model

scenes = [mountain_scene(seed, (64, 64)) for seed in range(5)]
images = np.stack([scene.image for scene in scenes]).astype("float32")
labels = np.stack([scene.mask for scene in scenes]).astype("uint8")
labels[:2, 5:] = 255  # the first device's half of the batch hardly counts
train = tf.data.Dataset.from_tensor_slices((images[:4], labels[:4])).batch(4)
# The last batch has one image for two devices, filled up as the pipeline does it.
filled = [np.concatenate([part, np.full_like(part[:3], value)]) for part, value in ((images, 0), (labels, 255))]
validation = tf.data.Dataset.from_tensor_slices(tuple(filled)).batch(4)
settings = preset("cpu", image_size=64)
nothing = {"prepare": lambda model: None}
local = {"sum_replicas": lambda value: value}
variants = {"one": (1, {}), "two": (2, {}), "unsynchronised": (2, nothing), "local_sums": (2, local)}
weights = None
for name, (count, changes) in variants.items():
    where = dataclasses.replace(devices(count), **changes)
    with where.scope():
        model = small_model()
        where.prepare(model)
        for layer in model.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0  # its draws differ between devices, as they should
        if weights is None:
            calibrate_batch_normalization(model, [images])
            weights = model.get_weights()
        model.set_weights(weights)
        _compile(model, settings, keras.optimizers.SGD(1.0), where)
    history = model.fit(train, validation_data=validation, shuffle=False, verbose=0).history
    changed = [after - before for after, before in zip(model.get_weights(), weights)]
    trained = {id(variable) for variable in model.trainable_variables}
    kinds = ["gradient" if id(variable) in trained else "statistic" for variable in model.weights]
    np.savez(
        f"{sys.argv[1]}/{name}.npz",
        scores=[history[score][0] for score in ("loss", "miou", "val_loss", "val_miou")],
        **{f"{kind}_{number}": change for number, (kind, change) in enumerate(zip(kinds, changed))},
    )
"""
)
WHOLE_RUN = (
    TWO_PROCESSORS
    + """
from keras_landslide.models import loading
from keras_landslide.training import plan
from keras_landslide.cli import main
from tests.small import small_model

def without_dropout(*arguments, **options):
    model = small_model(*arguments, **options)
    model.get_layer("dropout").rate = 0.0
    return model

plan.build_model = loading.build_model = without_dropout
for out, devices in (("one", "1"), ("all", "all")):
    code = main([*sys.argv[2:], "--out", f"{sys.argv[1]}/{out}", "--devices", devices])
    if code:
        sys.exit(code)
"""
)


def program(text: str, *arguments) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", text, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def difference(kind: str, found, expected) -> float:
    """Between all arrays of this kind taken as one vector, as a share of its length."""
    one, other = (
        np.concatenate([made[name].ravel() for name in expected.files if name.startswith(kind)])
        for made in (found, expected)
    )
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


@pytest.mark.slow  # a process that compiles a network four times
def test_a_step_on_two_devices_is_that_of_one(tmp_path):
    program(ONE_STEP, tmp_path)
    made = {name: np.load(tmp_path / f"{name}.npz") for name in ("one", "two", "unsynchronised", "local_sums")}
    one = made["one"]
    for kind in ("scores", "gradient", "statistic"):
        assert difference(kind, made["two"], one) < 1e-4, kind
    assert difference("statistic", made["unsynchronised"], one) > 1e-2
    assert difference("gradient", made["local_sums"], one) > 1e-2
    assert difference("scores", made["local_sums"], one) > 1e-2


@pytest.mark.slow  # two trainings
def test_a_whole_run_on_two_devices_is_that_of_one(scenes, tmp_path):
    program(WHOLE_RUN, tmp_path, "train", "--data", scenes, *FLAGS, "--unfrozen-batch-size", 4)
    one, both = (read_history(tmp_path / name) for name in ("one", "all"))
    assert read_json(tmp_path / "all" / "settings.json")["settings"]["devices"] == 2
    for score, tolerance in (("loss", 1e-3), ("val_loss", 1e-3), ("miou", 0.01), ("val_miou", 0.01)):
        expected, found = ([line[score] for line in history] for history in (one, both))
        np.testing.assert_allclose(found, expected, rtol=tolerance)  # a pixel on the edge changes its class by rounding
        assert abs(expected[-1] - expected[0]) > 0.05 * expected[0]  # what is compared moves
