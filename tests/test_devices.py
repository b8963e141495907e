"""Two devices train as one does: loss, gradients, normalisation statistics and mIoU, on two logical processors."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
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
from keras_landslide.compute import devices
from keras_landslide.data.synthetic import mountain_scene
from keras_landslide.models.calibration import calibrate_batch_normalization
from keras_landslide.settings import preset
from keras_landslide.training import _compile, new_model

scenes = [mountain_scene(seed, (64, 64)) for seed in range(5)]
images = np.stack([scene.image for scene in scenes]).astype("float32")
labels = np.stack([scene.mask for scene in scenes]).astype("uint8")
labels[:2, 5:] = 255  # the first device's half of the batch hardly counts
train = tf.data.Dataset.from_tensor_slices((images[:4], labels[:4])).batch(4)
validation = tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)  # the last batch has one image for two
settings = preset("cpu", image_size=64, precision="float32", backbone_weights=None, batch_normalization_momentum=0.5)
nothing = {"prepare": lambda model: None}
local = {"sum_replicas": lambda value: value}
variants = {"one": (1, {}), "two": (2, {}), "unsynchronised": (2, nothing), "local_sums": (2, local)}
weights = None
for name, (count, changes) in variants.items():
    where = dataclasses.replace(devices(count), **changes)
    with where.scope():
        model = new_model(settings)
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
WHOLE_RUN = TWO_PROCESSORS + "from keras_landslide.cli import main\nsys.exit(main(sys.argv[1:]))"


def program(text: str, *arguments) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", text, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def largest_difference(kind: str, found, expected) -> float:
    """Of any array of this kind, as a share of the largest value of its own."""
    names = [name for name in expected.files if name.startswith(kind)]
    assert len(names) > 50 or kind == "scores"
    largest = max(np.abs(expected[name]).max() for name in names)
    return max(
        np.abs(found[name] - expected[name]).max() / max(np.abs(expected[name]).max(), 1e-3 * largest) for name in names
    )


@pytest.mark.slow  # compiles a network four times
def test_a_step_on_two_devices_is_that_of_one(tmp_path):
    program(ONE_STEP, tmp_path)
    made = {name: np.load(tmp_path / f"{name}.npz") for name in ("one", "two", "unsynchronised", "local_sums")}
    one = made["one"]
    for kind in ("scores", "gradient", "statistic"):
        print(kind, {name: largest_difference(kind, found, one) for name, found in made.items()})
    for kind in ("scores", "gradient", "statistic"):
        assert largest_difference(kind, made["two"], one) < 1e-4
    assert largest_difference("statistic", made["unsynchronised"], one) > 1e-2
    assert largest_difference("gradient", made["local_sums"], one) > 1e-2
    assert largest_difference("scores", made["local_sums"], one) > 1e-2
