"""What the QGIS plugin Deepness asks of an ONNX file: tiles with channels first, and what it reads in the file.

The plugin cuts a raster into square tiles, gives them to the file in ONNX Runtime, and draws what it marks as polygons.
"""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from ..data.classes import MOST_PROBABLE
from ..models.description import Description

# Half a tile, as the windows of a prediction: the plugin keeps of two tiles the halves nearer to their middles, where
# a network sees what surrounds a pixel.
OVERLAP = 50


def for_tiles(model: keras.Model) -> keras.Model:
    """`model`, `(N, S, S, 3)` RGB 0–255 to `(N, S, S, classes)`, as a model of tiles, `(N, 3, S, S)` 0–1 float32.

    The new model answers with the same probabilities, `(N, classes, S, S)` float32, and shares the weights.
    """
    height, width, channels = model.input_shape[1:]
    tiles = layers.Input((channels, height, width), name="image", dtype="float32")
    images = layers.Permute((2, 3, 1), dtype="float32")(tiles)
    images = layers.Rescaling(255.0, dtype="float32")(images)
    outputs = layers.Permute((3, 1, 2), dtype="float32")(model(images))
    return keras.Model(tiles, outputs, name=f"{model.name}_tiles")


def tiles_of(images: np.ndarray) -> np.ndarray:
    """Images `(N, H, W, 3)` RGB 0–255 as the plugin gives them to a model: `(N, 3, H, W)` 0–1 float32."""
    return np.ascontiguousarray(np.moveaxis(images, -1, 1) / 255, np.float32)


def metadata(description: Description, size: int) -> dict[str, Any]:
    """What the plugin reads in the file, by its names, for tiles of `size` pixels.

    Of weights without a scale there is no `resolution`, centimetres a pixel.
    """
    # The plugin takes the most probable of the classes whose probability reaches the threshold, and the first where
    # none does: of more than two the most probable one may reach no threshold.
    threshold = description.threshold if description.classes == 2 else 0
    said = {
        "model_type": "Segmentor",
        "class_names": {str(number): name for number, name in enumerate(description.class_names)},
        "tiles_size": size,  # the name in the plugin's manual
        "tile_size": size,  # the name that its code reads
        "tiles_overlap": OVERLAP,
        "seg_thresh": threshold,
        "seg_small_segment": 0,  # `predict` leaves out no small landslides
    }
    if description.scale is not None:
        said["resolution"] = round(100 * description.scale.prediction, 2)  # as fine as the plugin's field
    return said


def finish(path: Path, said: dict[str, Any]) -> None:
    """Mend the resizing in the ONNX file `path`, and add `said` to what it says of itself, each value as JSON."""
    import onnx

    model = onnx.load(path)
    _mend_resizing(model.graph)
    for name, value in said.items():
        model.metadata_props.add(key=name, value=json.dumps(value))
    onnx.save(model, path)


def _mend_resizing(graph) -> None:
    """Make the factors of resizing in an `onnx.GraphProto` the least bit larger, but for whole numbers.

    For images of one size the converter writes quotients of sizes, rounded, and runtimes round their products with a
    size down: 236 pixels times 473 / 236 became 472. A factor just above the quotient gives 473.
    """
    from onnx import numpy_helper

    factors = {node.input[2] for node in graph.node if node.op_type == "Resize" and len(node.input) > 2}
    for constant in graph.initializer:
        if constant.name in factors:
            written = numpy_helper.to_array(constant)
            larger = np.nextafter(written, np.float32(np.inf))
            mended = np.where(written == np.round(written), written, larger)
            constant.CopyFrom(numpy_helper.from_array(mended, constant.name))


def notes(description: Description) -> tuple[str, ...]:
    """What somebody who uses the file must know, a sentence each."""
    found = []
    if description.scale is None:
        found.append(
            "The weights do not say how many metres a pixel has: set the resolution in the plugin, so that a tile "
            "shows as much ground as an image of the training did."
        )
    if description.classes == 2 and description.threshold < MOST_PROBABLE:
        found.append(
            "The plugin never marks landslide where background is more probable, so that it marks less than predict, "
            f"which does so from {description.threshold:g} on."
        )
    return tuple(found)
