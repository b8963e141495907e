"""Weights in the fastest runtime: which that is, converted once, answers in batches as Keras'."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from keras_landslide.errors import LandslideError
from keras_landslide.models import Description, build_model, save_weights
from keras_landslide.models.calibration import calibrate_batch_normalization
from keras_landslide.models.saving import StoredWeights, read_weights
from keras_landslide.runtimes import engines
from keras_landslide.runtimes.export import FORMATS

SIDE = 64
ROW = {"architecture": "pspnet", "backbone": "mobilenet_v2", "output_stride": 16}


@pytest.fixture
def stored(images, tmp_path, monkeypatch) -> StoredWeights:
    """Weights whose answers vary; what is converted of them goes to `tmp_path / "cache"`."""
    monkeypatch.setenv(engines.CACHE, str(tmp_path / "cache"))
    keras.utils.set_random_seed(0)
    model = build_model(**ROW, input_shape=(SIDE, SIDE, 3), backbone_weights=None)
    calibrate_batch_normalization(model, [images(SIDE, SIDE, count=4)])
    save_weights(model, tmp_path / "some", Description(**ROW, prediction_size=SIDE))
    return read_weights(tmp_path / "some.weights.h5")


@pytest.mark.parametrize(
    ("lacking", "fastest"), [((), "openvino"), (("openvino",), "onnx"), (("openvino", "tf2onnx"), "keras")]
)
def test_the_fastest_is_the_first_that_is_installed(monkeypatch, lacking, fastest):
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None if name in lacking else name)
    assert engines.fastest_runtime() == fastest


def test_an_unknown_runtime_is_told_and_nothing_is_converted(stored, tmp_path):
    with pytest.raises(LandslideError, match=r"openvina.*did you mean 'openvino'"):
        engines.engine(stored, "openvina", SIDE)
    assert not (tmp_path / "cache").exists()


class Processor:
    """Stands for OpenVINO on a processor that can do so much; notes what a model was compiled with."""

    def __init__(self, *can: str):
        self.can, self.asked = can, []

    def get_property(self, device, name):
        assert (device, name) == ("CPU", "OPTIMIZATION_CAPABILITIES")
        return list(self.can)

    def compile_model(self, path, device, how):
        self.asked.append(how["INFERENCE_PRECISION_HINT"])
        return SimpleNamespace(output=lambda: SimpleNamespace(shape=(1, SIDE, SIDE, 2)))


@pytest.mark.parametrize("runtime", ["onnx", "keras"])
def test_bfloat16_is_refused_by_runtimes_without_it_before_anything_is_read(runtime):
    with pytest.raises(LandslideError, match=f"--bfloat16.*openvino.*{runtime}"):
        engines.engine(None, runtime, SIDE, bfloat16=True)


def test_bfloat16_only_when_asked_and_where_the_processor_can(monkeypatch, tmp_path):
    load = FORMATS["openvino"].load
    monkeypatch.setattr("openvino.AsyncInferQueue", lambda model: SimpleNamespace(set_callback=lambda function: None))
    for can, asked, wanted in ((("FP32", "BF16"), True, "bf16"), (("FP32", "BF16"), False, "f32"), ((), False, "f32")):
        processor = Processor(*can)
        monkeypatch.setattr("openvino.Core", lambda processor=processor: processor)
        load(tmp_path, bfloat16=asked)
        assert processor.asked == [wanted]
    monkeypatch.setattr("openvino.Core", lambda: Processor("FP32"))
    with pytest.raises(LandslideError, match="no instructions for bfloat16; leave --bfloat16 out"):
        load(tmp_path, bfloat16=True)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_weights_are_converted_once_and_answer_as_keras_does(stored, images, runtime, monkeypatch):
    batch = images(SIDE, SIDE, count=3).astype(np.float32)
    wanted = engines.engine(stored, "keras", SIDE)(batch)
    assert wanted.shape == (3, SIDE, SIDE, 2) and np.ptp(wanted[..., 1]) > 0.1
    found = engines.engine(stored, runtime, SIDE)(batch)
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    assert np.abs(found - wanted[::-1]).max() > 0.01  # each at its own place
    monkeypatch.setattr(engines, "export_model", None)  # which nobody may ask again
    np.testing.assert_array_equal(engines.engine(stored, runtime, SIDE)(batch), found)
