"""Exported models in their own runtimes, loaded here as their makers' manuals say, against Keras."""

import json

import keras
import numpy as np
import pytest

from keras_landslide.cli import main
from keras_landslide.models import Description, build_model, load_model, save_weights
from keras_landslide.models.calibration import calibrate_batch_normalization
from keras_landslide.runtimes import export

SIDE = 128
AGREE = 1e-3
ROWS = ["unet_vgg16", "deeplabv3plus_mobilenet_v2", "pspnet_mobilenet_v2"]


@pytest.fixture
def written(images, tmp_path):
    """A function from a row to a model whose answers vary, and its weights file."""

    def write(row: str, side: int = SIDE) -> tuple[keras.Model, str]:
        architecture, backbone = row.split("_", 1)
        keras.utils.set_random_seed(0)
        model = build_model(architecture, backbone, input_shape=(None, None, 3), backbone_weights=None)
        calibrate_batch_normalization(model, [images(side, side, count=4)])
        save_weights(model, tmp_path / row, Description(architecture, backbone, prediction_size=side))
        return model, str(tmp_path / f"{row}.weights.h5")

    return write


def in_savedmodel(folder, row, image):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder / f"{row}_saved_model"))
    return loaded.signatures["serving_default"](tf.constant(image))["output_0"].numpy()


def in_onnx(folder, row, image):
    import onnxruntime

    return onnxruntime.InferenceSession(folder / f"{row}.onnx").run(None, {"image": image})[0]


def in_openvino(folder, row, image):
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(core.read_model(folder / f"{row}.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled({"image": image})[0]


def in_litert(folder, row, image):
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=str(folder / f"{row}.tflite")).get_signature_runner()
    (answer,) = runner(image=image).values()
    return answer


RUNTIMES = {"savedmodel": in_savedmodel, "onnx": in_onnx, "openvino": in_openvino, "litert": in_litert}


def test_every_format_is_tested():
    assert set(RUNTIMES) == set(export.FORMATS)


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_exported_rows_agree_with_keras(row, written, images, difference, tmp_path):
    model, weights = written(row)
    image = images(SIDE, SIDE, seed=3)
    wanted = model.predict_on_batch(image)
    assert np.ptp(wanted[..., 1]) > 0.3
    for name, run in RUNTIMES.items():
        out = tmp_path / name
        assert main(["export", "--weights", weights, "--format", name, "--out", str(out)]) == 0
        assert difference(run(out, row, image), wanted) < AGREE
        assert difference(run(out, row, np.roll(image, 1, axis=2)), wanted) > 10 * AGREE
        if export.FORMATS[name].any_size:
            pair = images(97, 130, count=2)
            assert difference(run(out, row, pair), model.predict_on_batch(pair)) < AGREE
        card = json.loads(next(out.glob(f"{row}*.json")).read_text())
        assert (out / card["file"]).exists() and card["image_size"] == SIDE


def test_a_file_that_disagrees_is_not_kept_and_one_format_replaces_itself_alone(
    written, tmp_path, monkeypatch, capsys, fails
):
    _, weights = written("pspnet_mobilenet", 64)
    monkeypatch.setattr(export, "_convert", lambda model, path, *_: path.mkdir())
    wrong = export.FORMATS["savedmodel"]
    wrong = export.Format(wrong.keras_name, wrong.suffix, (), False, lambda path: lambda images: images[..., :2] * 0)
    monkeypatch.setitem(export.FORMATS, "savedmodel", wrong)
    command = ["export", "--weights", weights, "--format", "savedmodel", "--out", str(tmp_path / "out")]
    assert main(command) == 1
    assert "differs from Keras by" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["pspnet_mobilenet.weights.h5"]

    right = export.Format("", "_saved_model", (), False, lambda path: load_model(weights).predict_on_batch)
    monkeypatch.setitem(export.FORMATS, "savedmodel", right)  # the control: what agrees is kept
    assert main(command) == 0
    assert (tmp_path / "out" / "pspnet_mobilenet_saved_model.json").is_file()

    (tmp_path / "out" / "pspnet_mobilenet.onnx").write_text("of another format")
    (tmp_path / "out" / "mine.txt").write_text("kept")
    before = (tmp_path / "out" / "pspnet_mobilenet_saved_model.json").read_text()
    assert "pspnet_mobilenet_saved_model: exists; add --overwrite" in fails(*command)
    assert main([*command, "--overwrite"]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "pspnet_mobilenet_saved_model",
        "pspnet_mobilenet_saved_model.json",
        "pspnet_mobilenet.onnx",
        "mine.txt",
    }
    assert (tmp_path / "out" / "pspnet_mobilenet_saved_model.json").read_text() == before


def test_mistakes_are_said_before_anything_is_written(written, tmp_path, fails, monkeypatch):
    _, weights = written("pspnet_mobilenet", 64)
    out = tmp_path / "out"
    assert "did you mean 'onnx'? Choose from: savedmodel, onnx, openvino, litert" in fails(
        "export", "--weights", weights, "--format", "onxx", "--out", out
    )
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else True)
    assert 'needs tf2onnx, not installed here; run: pip install "keras-landslide[export]"' in fails(
        "export", "--weights", weights, "--format", "onnx", "--out", out
    )
    assert not out.exists()
