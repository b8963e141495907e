"""The same weights give the same probabilities on TensorFlow and on JAX, each in a process of its own."""

import subprocess
import sys

import numpy as np
import pytest

from keras_landslide.models import Description, build_model, load_model, save_weights
from keras_landslide.models.calibration import calibrate_batch_normalization
from tests.small import environment

ROWS = ["unet_vgg16", "deeplabv3plus_xception", "pspnet_mobilenet_v2"]
SIDES = (96, 131)
AGREE = 1e-4
ON_JAX = """
import sys
import keras
import numpy as np
from keras_landslide import load_model
assert keras.backend.backend() == "jax"
folder, *rows = sys.argv[1:]
image = np.load(f"{folder}/image.npy")
for row in rows:
    np.save(f"{folder}/{row}.npy", load_model(f"{folder}/{row}.weights.h5").predict(image, verbose=0))
"""


@pytest.mark.slow  # builds three full networks on each of two backends
def test_rows_answer_alike_on_jax(images, difference, tmp_path):
    image = images(*SIDES)
    np.save(tmp_path / "image.npy", image)
    for row in ROWS:
        architecture, backbone = row.split("_", 1)
        model = build_model(architecture, backbone, input_shape=(64, 64, 3), backbone_weights=None)
        calibrate_batch_normalization(model, [images(64, 64, count=4)])
        save_weights(model, tmp_path / row, Description(architecture, backbone))
    command = [sys.executable, "-c", ON_JAX, str(tmp_path), *ROWS]
    done = subprocess.run(command, env=environment("jax"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for row in ROWS:
        model = load_model(tmp_path / f"{row}.weights.h5")
        found = np.load(tmp_path / f"{row}.npy")
        wanted = model.predict(image, verbose=0)
        assert np.ptp(wanted[..., 1]) > 0.3
        assert difference(found, wanted) < AGREE
        assert difference(found, model.predict(np.roll(image, 1, axis=2), verbose=0)) > 10 * AGREE
