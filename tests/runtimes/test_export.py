"""Exported models in their own runtimes, loaded here as their makers' manuals say, against Keras."""

import dataclasses
import itertools
import json

import keras
import numpy as np
import pytest

from keras_landslide.cli import main
from keras_landslide.models import Description, build_model, load_model, save_weights
from keras_landslide.models.calibration import calibrate_batch_normalization
from keras_landslide.models.description import Scale
from keras_landslide.prediction.predictor import Predictor
from keras_landslide.runtimes import deepness, export

SIDE = 128
AGREE = 1e-3
ROWS = ["unet_vgg16", "deeplabv3plus_mobilenet_v2", "pspnet_mobilenet_v2"]


@pytest.fixture
def written(images, tmp_path):
    """A function from a row to a model whose answers vary, and its weights file, which also says what else is given."""

    def write(row: str, side: int = SIDE, **said) -> tuple[keras.Model, str]:
        architecture, backbone = row.split("_", 1)
        keras.utils.set_random_seed(0)
        model = build_model(architecture, backbone, input_shape=(None, None, 3), backbone_weights=None)
        calibrate_batch_normalization(model, [images(side, side, count=4)])
        save_weights(model, tmp_path / row, Description(architecture, backbone, prediction_size=side, **said))
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


def in_deepness(folder, row, image):
    import onnxruntime

    tiles = np.transpose(image / np.float32(255), (0, 3, 1, 2))
    (answer,) = onnxruntime.InferenceSession(folder / f"{row}_deepness.onnx").run(None, {"image": tiles})
    return np.transpose(answer, (0, 2, 3, 1))


RUNTIMES = {
    "savedmodel": in_savedmodel,
    "onnx": in_onnx,
    "openvino": in_openvino,
    "litert": in_litert,
    "deepness": in_deepness,
}


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

    exact, asked = load_model(weights).predict_on_batch, itertools.count()

    def no_number_at_last(batch):
        return exact(batch) * (1 if next(asked) == 0 else np.nan)

    monkeypatch.setitem(
        export.FORMATS, "savedmodel", dataclasses.replace(wrong, any_size=True, load=lambda path: no_number_at_last)
    )
    assert main(command) == 1
    assert "differs from Keras by nan" in capsys.readouterr().err and next(asked) > 1
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


def test_the_second_file_of_a_format_is_not_replaced_unasked(written, tmp_path, fails):
    _, weights = written("pspnet_mobilenet", 64)
    out = tmp_path / "out"
    out.mkdir()
    (out / "pspnet_mobilenet.bin").write_bytes(b"mine")
    error = fails("export", "--weights", weights, "--format", "openvino", "--out", out)
    assert "pspnet_mobilenet.bin: exists; add --overwrite" in error
    assert (out / "pspnet_mobilenet.bin").read_bytes() == b"mine" and len(list(out.iterdir())) == 1


def test_mistakes_are_said_before_anything_is_written(written, tmp_path, fails, monkeypatch):
    _, weights = written("pspnet_mobilenet", 64)
    out = tmp_path / "out"
    assert "did you mean 'onnx'? Choose from: savedmodel, onnx, openvino, litert, deepness" in fails(
        "export", "--weights", weights, "--format", "onxx", "--out", out
    )
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else True)
    assert 'needs tf2onnx, not installed here; run: pip install "keras-landslide[export]"' in fails(
        "export", "--weights", weights, "--format", "onnx", "--out", out
    )
    assert not out.exists()


def read_by_the_plugin(path) -> dict:
    """What Deepness finds in a file: every value is JSON."""
    import onnxruntime

    found = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    return {name: json.loads(value) for name, value in found.items()}


def marked_by_the_plugin(answers: np.ndarray, threshold: float) -> np.ndarray:
    """The class of each pixel, `(S, S)`, as Deepness takes it from `(1, classes, S, S)`."""
    return np.where(answers < threshold, 0, answers).argmax(axis=1)[0]


@pytest.mark.slow
def test_deepness_marks_in_a_tile_what_predict_marks(written, images, difference, tmp_path, capsys):
    import onnx
    import onnxruntime

    row, threshold = "pspnet_mobilenet_v2", 0.65
    _, weights = written(row, threshold=threshold, scale=Scale(0.77, 0.77))
    assert main(["export", "--weights", weights, "--format", "deepness", "--out", str(tmp_path / "out")]) == 0
    assert "resolution" not in capsys.readouterr().out
    path = tmp_path / "out" / f"{row}_deepness.onnx"
    assert read_by_the_plugin(path) == {
        "model_type": "Segmentor",
        "class_names": {"0": "background", "1": "landslide"},
        "resolution": 77.0,
        "tiles_size": SIDE,
        "tile_size": SIDE,
        "tiles_overlap": 50,
        "seg_thresh": threshold,
        "seg_small_segment": 0,
    }

    file = onnx.load(path)
    assert file.ir_version <= 8  # the plugin installs ONNX Runtime 1.12.1 or later, which reads these
    assert all(part.version <= (17 if part.domain == "" else 3) for part in file.opset_import)

    session = onnxruntime.InferenceSession(path)
    (given,), (answered,) = session.get_inputs(), session.get_outputs()
    assert given.shape == [1, 3, SIDE, SIDE] and answered.shape == [1, 2, SIDE, SIDE]
    assert given.type == answered.type == "tensor(float)"

    image = images(SIDE, SIDE, seed=3)[0].astype(np.uint8)
    # the tile as a whole: `predict` itself looks at every pixel of weights with a scale through four windows
    predictor = dataclasses.replace(Predictor.of(load_model(weights)), zoom=None)
    wanted = np.transpose(predictor(image), (2, 0, 1))[np.newaxis]
    assert ((wanted[:, 1] > 0.5) & (wanted[:, 1] < threshold)).any(), "the threshold would decide nothing"

    def seen(tile: np.ndarray) -> np.ndarray:
        return session.run(None, {given.name: np.float32(tile)})[0]

    tile = np.transpose(image, (2, 0, 1))[np.newaxis] / 255
    found = seen(tile)
    assert difference(found, wanted) < AGREE
    sure = np.abs(wanted[0, 1] - threshold) > AGREE
    assert (marked_by_the_plugin(found, threshold) == predictor.classes(image))[sure].all()
    assert (marked_by_the_plugin(found, 0.5) != predictor.classes(image))[sure].any()
    for wrong in (tile * 255, tile[:, ::-1], np.swapaxes(tile, 2, 3)):  # not scaled, blue first, columns first
        assert difference(seen(wrong), wanted) > 10 * AGREE


def test_deepness_says_what_it_cannot_know(written, tmp_path, monkeypatch, capsys):
    """Without a scale, and with a threshold that the plugin cannot keep; a stub stands for the converted file."""
    from onnx import TensorProto, helper, save

    def convert(model, path, keras_name, shape):
        assert model.input_shape[1:] == shape[1:] == (3, 64, 64) and model.output_shape[1:] == (2, 64, 64)
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("image", "answer")]
        node = helper.make_node("Identity", ["image"], ["answer"])
        save(helper.make_model(helper.make_graph([node], "stub", ends[:1], ends[1:]), ir_version=8), path)

    _, weights = written("pspnet_mobilenet", 64, threshold=0.3)
    monkeypatch.setattr(export, "_convert", convert)
    same = export.Format("onnx", "_deepness.onnx", (), False, lambda path: load_model(weights).predict_on_batch, True)
    monkeypatch.setitem(export.FORMATS, "deepness", same)
    assert main(["export", "--weights", weights, "--format", "deepness", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-2].startswith("The weights do not say how many metres a pixel has: set the resolution in the plugin")
    assert said[-1].startswith("The plugin never marks landslide where background is more probable")
    found = read_by_the_plugin(tmp_path / "out" / "pspnet_mobilenet_deepness.onnx")
    assert found["seg_thresh"] == 0.3 and "resolution" not in found
    card = json.loads((tmp_path / "out" / "pspnet_mobilenet_deepness.onnx.json").read_text())
    assert card["input"]["shape"] == [1, 3, 64, 64] and card["input"]["values"] == "RGB, 0 to 1, channels first"


@pytest.mark.parametrize(("side", "wanted"), [(48, 97), (236, 473), (237, 473), (53, 105), (64, 128), (90, 45)])
def test_deepness_resizes_to_the_size_that_is_meant(side, wanted, tmp_path):
    """A file with a factor as the converter writes it, in ONNX Runtime."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper, save

    factors = np.array([1, 1, wanted / side, wanted / side], np.float32)
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, side, side])
    answer = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    node = helper.make_node("Resize", ["x", "", "factors"], ["y"], mode="linear")
    graph = helper.make_graph([node], "one", [given], [answer], [numpy_helper.from_array(factors, "factors")])
    path = tmp_path / "resized.onnx"
    save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 15)]), path)

    def resized() -> tuple:
        image = np.zeros((1, 1, side, side), np.float32)
        return onnxruntime.InferenceSession(path).run(None, {"x": image})[0].shape

    if (side, wanted) == (236, 473):
        assert resized() == (1, 1, wanted - 1, wanted - 1)  # the control: what the mending is for
    deepness.finish(path, {})
    assert resized() == (1, 1, wanted, wanted)


def test_deepness_takes_the_most_probable_of_several_classes():
    """However improbable it is: a threshold would have the plugin mark the first where none reaches it."""
    several = Description("unet", "vgg16", class_names=("background", "slide", "flow"), scale=Scale(1 / 3, 0.5))
    said = deepness.metadata(several, 96)
    assert said["class_names"] == {"0": "background", "1": "slide", "2": "flow"}
    assert said["resolution"] == 33.33 and said["tiles_size"] == said["tile_size"] == 96
    probabilities = np.array([0.3, 0.25, 0.45]).reshape(1, 3, 1, 1)
    assert marked_by_the_plugin(probabilities, said["seg_thresh"]).item() == 2
    assert marked_by_the_plugin(probabilities, several.threshold).item() == 0
    assert deepness.notes(several) == ()
