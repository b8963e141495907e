"""Trained models for other runtimes: SavedModel, ONNX, OpenVINO, LiteRT, Deepness, each compared with Keras first."""

import importlib.util
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from ..errors import LandslideError, unknown_name
from ..files.atomic import folder_written_beside, write_json
from ..files.checks import free_names
from ..models.description import Description
from ..models.loading import rebuilt
from ..models.saving import StoredWeights
from ..settings import SMALLEST_INPUT
from . import deepness

AT_A_TIME = 8  # images, at most
AGREEMENT = 1e-3  # the largest difference of a probability that is still the same model
INSTALL = 'pip install "keras-landslide[export]"'

Runner = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Format:
    """A runtime's file: what Keras calls it, the file's ending, the packages that write and run it.

    `any_size` marks formats in which the number and size of images stay open; the others take one square image.
    `load` makes a function from images `(N, H, W, 3)` float32 RGB 0–255 to probabilities `(N, H, W, classes)` of an
    exported file, whatever the file itself takes; where that can be said, it computes in so many threads, and for 0 in
    as many as the runtime likes. Of formats marked `loads_bfloat16` it takes `bfloat16=True`, for kernels of that type.
    `tiles` marks files for Deepness: those take 0–1, and have channels first. `others` are the endings of files that
    come with the model's.
    """

    keras_name: str
    suffix: str
    packages: tuple[str, ...]
    any_size: bool
    load: Callable[..., Runner]  # of a path, and of a number of threads
    tiles: bool = False
    loads_bfloat16: bool = False
    others: tuple[str, ...] = ()

    def shape(self, size: int) -> tuple[int | None, ...]:
        """That of the file's input; `None` is any number."""
        if self.any_size:
            return (None, None, None, 3)
        return (1, 3, size, size) if self.tiles else (1, size, size, 3)


@dataclass(frozen=True)
class Exported:
    """What was written, and the largest difference of a probability from Keras' on the images of the check.

    `notes` are sentences for whoever uses the file.
    """

    model: Path
    card: Path
    difference: float
    notes: tuple[str, ...] = ()


def _run_saved_model(path: Path, threads: int = 0) -> Runner:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    return lambda images: loaded.serve(images).numpy()


def _run_onnx(path: Path, threads: int = 0) -> Runner:
    import onnxruntime

    how = onnxruntime.SessionOptions()
    how.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), how, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]


def _run_openvino(path: Path, threads: int = 0, bfloat16: bool = False) -> Runner:
    import openvino

    core = openvino.Core()
    if bfloat16 and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise LandslideError("This processor has no instructions for bfloat16; leave --bfloat16 out.")
    # without the hint it computes in bfloat16 where the processor can
    precision = "bf16" if bfloat16 else "f32"
    # several images at a time, each in few threads: faster than one after another, each in all threads
    side_by_side = {"PERFORMANCE_HINT": "THROUGHPUT", "PERFORMANCE_HINT_NUM_REQUESTS": AT_A_TIME}
    how = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, **side_by_side}
    model = core.compile_model(path, "CPU", how)
    shape = tuple(model.output().shape)[1:]
    requests = openvino.AsyncInferQueue(model)
    requests.set_callback(lambda request, answer: np.copyto(answer, request.get_output_tensor().data[0]))

    def run(images):
        answers = np.empty((len(images), *shape), np.float32)
        for image, answer in zip(images, answers, strict=True):
            requests.start_async({0: image[np.newaxis]}, answer)
        requests.wait_all()
        return answers

    return run


def _run_litert(path: Path, threads: int = 0) -> Runner:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=threads or None)
    interpreter.allocate_tensors()
    given, answer = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(images):
        interpreter.set_tensor(given, images)
        interpreter.invoke()
        return interpreter.get_tensor(answer)

    return run


def _run_deepness(path: Path, threads: int = 0) -> Runner:
    run = _run_onnx(path, threads)
    return lambda images: np.moveaxis(run(deepness.tiles_of(images)), 1, -1)


# Of an open size OpenVINO's converter adds outputs of its own, and LiteRT's cannot express dilated convolutions.
FORMATS = {
    "savedmodel": Format("tf_saved_model", "_saved_model", ("tensorflow",), True, _run_saved_model),
    "onnx": Format("onnx", ".onnx", ("onnx", "tf2onnx", "onnxruntime"), True, _run_onnx),
    "openvino": Format("openvino", ".xml", ("openvino",), False, _run_openvino, loads_bfloat16=True, others=(".bin",)),
    "litert": Format("litert", ".tflite", ("ai_edge_litert",), False, _run_litert),
    "deepness": Format("onnx", "_deepness.onnx", ("onnx", "tf2onnx", "onnxruntime"), False, _run_deepness, tiles=True),
}


def export_model(
    weights: StoredWeights,
    format_name: str,
    out: Path | str,
    *,
    images: Sequence[np.ndarray],
    image_size: int | None = None,
    overwrite: bool = False,
    report: Callable[[str], object] = lambda line: None,
) -> Exported:
    """Write the model of `weights` (`read_weights`) for another runtime into the folder `out`, with a card beside it.

    The model takes RGB 0–255 as float32, `(1, S, S, 3)` or, as SavedModel and ONNX, `(N, H, W, 3)` of any size, and
    answers with float32 probabilities `(N, H, W, classes)`. S is `image_size`, by default what the weights say. For
    Deepness it takes RGB 0–1, `(1, 3, S, S)`, answers with `(1, classes, S, S)`, and says in the file what it is.
    The written file is loaded in its own runtime and compared with Keras on `images`, `(S, S, 3)` each, and where any
    size is possible on the upper two thirds of the first.

    Raises `LandslideError`, before anything is written, for an unknown format, a package that is not installed, or a
    folder in use, and `FloatingPointError`, with nothing kept, if the file disagrees with Keras by more than 0.001.
    """
    chosen = usable(format_name)
    description = weights.description
    file = f"{description.name}{chosen.suffix}"
    others = [f"{description.name}{ending}" for ending in chosen.others]
    folder = free_names(out, [file, f"{file}.json", *others], overwrite=overwrite)
    size = image_size or description.prediction_size
    report("Converting, then comparing with Keras: up to two minutes.")
    sides = (None, None) if chosen.any_size else (size, size)
    model = rebuilt(weights, input_shape=(*sides, 3))
    with folder_written_beside(folder) as beside:
        path = beside / file
        _convert(deepness.for_tiles(model) if chosen.tiles else model, path, chosen.keras_name, chosen.shape(size))
        if chosen.tiles:
            deepness.finish(path, deepness.metadata(description, size))
        if chosen.any_size:
            images = [*images, images[0][: max(SMALLEST_INPUT, size * 2 // 3)]]
        difference = _difference(model, chosen.load(path), images)
        if not difference <= AGREEMENT:  # NaN too
            raise FloatingPointError(
                f"The {format_name} model differs from Keras by {difference:.1g}, more than {AGREEMENT}: nothing kept."
            )
        card = beside / f"{file}.json"
        write_json(card, _card(description, format_name, path.name, size, difference))
    notes = deepness.notes(description) if chosen.tiles else ()
    return Exported(folder / path.name, folder / card.name, difference, notes)


def usable(name: str) -> Format:
    """The format called `name`, if its packages are installed."""
    if name not in FORMATS:
        raise unknown_name("format", name, FORMATS)
    missing = [package for package in FORMATS[name].packages if importlib.util.find_spec(package) is None]
    if missing:
        raise LandslideError(f"Format {name} needs {', '.join(missing)}, not installed here; run: {INSTALL}")
    return FORMATS[name]


def _convert(model: keras.Model, path: Path, keras_name: str, shape: tuple) -> None:
    signature = [keras.InputSpec(shape=shape, dtype="float32", name="image")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converters' about NumPy and themselves
        if keras_name == "openvino":
            _convert_to_openvino(model, path, signature)
        else:
            model.export(str(path), format=keras_name, verbose=False, input_signature=signature)


def _convert_to_openvino(model: keras.Model, path: Path, signature: list) -> None:
    """By way of a SavedModel: on Python 3.13 OpenVINO converts files, but not the models in memory that Keras gives."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, format="tf_saved_model", verbose=False, input_signature=signature)
        openvino.save_model(openvino.convert_model(folder), path, compress_to_fp16=False)


def _difference(model: keras.Model, run: Runner, images: Sequence[np.ndarray]) -> float:
    """The largest difference of a probability over `images`, one at a time; NaN where one of them is."""
    batches = [np.asarray(image, np.float32)[np.newaxis] for image in images]
    return float(np.max([np.abs(run(batch) - model.predict_on_batch(batch)).max() for batch in batches]))


def _card(description: Description, format_name: str, file: str, size: int, difference: float) -> dict:
    """What a program needs to know to use the file."""
    chosen = FORMATS[format_name]
    values = "RGB, 0 to 1, channels first" if chosen.tiles else "RGB, 0 to 255"
    layout = ", channels first" if chosen.tiles else ""
    return {
        "model": description.name,
        "format": format_name,
        "file": file,
        "input": {"name": "image", "dtype": "float32", "shape": list(chosen.shape(size)), "values": values},
        "image_size": size,
        "output": f"probabilities of the classes, float32, one for each input pixel{layout}",
        "classes": description.classes,
        "class_names": list(description.class_names),
        "difference_from_keras": difference,
        "settings": description.settings,
    }
