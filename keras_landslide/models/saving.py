"""Weights that describe themselves, and weights mapped by layer name.

A `.weights.h5` of this package is Keras' own file (a plain Keras model of the same layers can load it) with one JSON
attribute at its root that says what it is. Keras keys layers by class and order; the layers' names stand in the
attributes of the `vars` groups, and all mapping here goes by those names.
"""

import json
import logging
from pathlib import Path

import h5py
import keras
import numpy as np

from ..errors import LandslideError
from ..files.atomic import check_space, written_beside
from .backbones import RESIDUAL_NAMES, fixed_names

DESCRIPTION = "keras_landslide"
WEIGHTS_SUFFIX = ".weights.h5"
HEADS = ("head", "auxiliary_head")  # the layers whose shape follows the number of classes
MISFITS_SHOWN = 5
HDF5_OVERHEAD = 2_000_000  # bytes of names and tables, generously: they are 0.5 MB for the deepest of the networks

log = logging.getLogger("keras_landslide")


def save_weights(model: keras.Model, path: Path | str, description: dict) -> None:
    """Write the weights of `model` with `description` (JSON: architecture, backbone, classes, …), atomically."""
    path = Path(path)
    with written_beside(path.with_name(path.name.removesuffix(WEIGHTS_SUFFIX) + WEIGHTS_SUFFIX)) as beside:
        # On a full disk HDF5 does not only fail, it takes the program down when that ends.
        check_space(beside, HDF5_OVERHEAD + sum(array.nbytes for array in model.get_weights()))
        # A model that is being trained would store its optimizer too, twice the size of its weights.
        keras.Model(model.inputs, model.outputs).save_weights(beside)
        with h5py.File(beside, "r+") as file:
            file.attrs[DESCRIPTION] = json.dumps(description)


def read_description(path: Path | str) -> dict:
    """What the weights file says of itself; raises `LandslideError` for files that are not this package's."""
    with _opened(path) as file:
        if DESCRIPTION not in file.attrs:
            raise LandslideError(
                f"{path}: does not say which model it belongs to; "
                f"give a {WEIGHTS_SUFFIX} file that keras-landslide wrote."
            )
        return json.loads(file.attrs[DESCRIPTION])


def load_weights(model: keras.Model, path: Path | str) -> None:
    """Load every weight of `model` by layer name; raises `LandslideError` naming what does not fit.

    What the file holds beyond the model, such as PSPNet's auxiliary branch, is not needed.
    """
    stored = read_layers(path)
    _refuse_misfits(model, path, _misfits(model, stored))
    for layer in layers_with_weights(model):
        layer.set_weights(stored[layer.name])


def initialise_from(model: keras.Model, path: Path | str) -> None:
    """Load the weights of a model of another class count: all but the heads, which stay as they are.

    One logged line says what was skipped. Raises `LandslideError`, and loads nothing, if any other layer is missing
    from the file or has another shape there.
    """
    stored = read_layers(path)
    misfits = _misfits(model, stored)
    skipped = {name: misfit for name, misfit in misfits.items() if name in HEADS and name in stored}
    _refuse_misfits(model, path, {name: misfit for name, misfit in misfits.items() if name not in skipped})
    for layer in layers_with_weights(model):
        if layer.name not in skipped:
            layer.set_weights(stored[layer.name])
    if skipped:
        log.warning("%s: skipped %s.", path, "; ".join(skipped.values()))


def _misfits(model: keras.Model, stored: dict[str, list[np.ndarray]]) -> dict[str, str]:
    """What to say of each layer of `model` whose weights are not in `stored` with the same shapes, by layer name."""
    misfits = {}
    for layer in layers_with_weights(model):
        wanted = [tuple(weight.shape) for weight in layer.weights]
        found = [array.shape for array in stored.get(layer.name, [])]
        if wanted != found:
            misfits[layer.name] = f"{layer.name}: the file has {_shapes(found)}, the model needs {_shapes(wanted)}"
    return misfits


def _refuse_misfits(model: keras.Model, path: Path | str, misfits: dict[str, str]) -> None:
    if misfits:
        shown = list(misfits.values())[:MISFITS_SHOWN]
        if len(misfits) > MISFITS_SHOWN:
            shown.append(f"and {len(misfits) - MISFITS_SHOWN} more layers")
        raise LandslideError(f"{path}: these weights are of another model than {model.name}:", files=shown)


def load_backbone_weights(network: keras.Model, path: Path | str) -> None:
    """Load what `path` holds into the backbone `network` by layer name, and log in one line what stays random.

    The file may hold a whole application network, with or without its classifier, or only its first stages. Raises
    `LandslideError` if no layer, or a layer of another shape, is in it.
    """
    stored = _with_fixed_names(read_layers(path), network)
    random_layers, loaded = [], 0
    for layer in layers_with_weights(network):
        if layer.name not in stored:
            random_layers.append(layer.name)
            continue
        wanted = [tuple(weight.shape) for weight in layer.weights]
        found = [array.shape for array in stored[layer.name]]
        if wanted != found:
            raise LandslideError(
                f"{path}: layer {layer.name} has {_shapes(found)}, this backbone needs {_shapes(wanted)}."
            )
        layer.set_weights(stored[layer.name])
        loaded += 1
    if not loaded:
        raise LandslideError(f"{path}: holds no layer of this backbone; give the weights of the same network.")
    if random_layers:
        log.warning(
            "%s holds %d of %d layers of the backbone; %s to %s stay random.",
            path, loaded, loaded + len(random_layers), random_layers[0], random_layers[-1],
        )  # fmt: skip


def read_layers(path: Path | str) -> dict[str, list[np.ndarray]]:
    """The arrays of every layer in a `.weights.h5` file, by layer name, in the order in which Keras keeps them."""
    found: dict[str, list[np.ndarray]] = {}

    def visit(_, group):
        if isinstance(group, h5py.Group) and group.name.endswith("/vars") and "name" in group.attrs and len(group):
            name = group.attrs["name"]
            found[name] = [group[key][()] for key in sorted(group, key=int)]

    with _opened(path) as file:
        try:
            file.visititems(visit)
        except (OSError, KeyError, RuntimeError) as error:
            raise _damaged(path) from error
    return found


def _with_fixed_names(stored: dict[str, list[np.ndarray]], network: keras.Model) -> dict[str, list[np.ndarray]]:
    """`stored` with the layers that Keras numbered (Xception's residual ones) under their names in `network`."""
    suffix = "_" + RESIDUAL_NAMES["conv2d"]
    blocks = [layer.name.removesuffix(suffix) for layer in network.layers if layer.name.endswith(suffix)]
    names = fixed_names(stored, blocks)
    return {names.get(name, name): arrays for name, arrays in stored.items()}


def layers_with_weights(model: keras.Model) -> list[keras.Layer]:
    """The layers of `model` that hold weights, in order, nested models opened; their names are unique."""
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found += layers_with_weights(layer)
        elif layer.weights:
            found.append(layer)
    return found


def _opened(path: Path | str) -> h5py.File:
    if not Path(path).is_file():
        raise LandslideError(f"{path}: no such weights file.")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise _damaged(path) from error


def _damaged(path: Path | str) -> LandslideError:
    return LandslideError(f"{path}: is damaged or not an HDF5 file; copy it again or train again.")


def _shapes(shapes: list[tuple[int, ...]]) -> str:
    return " ".join("×".join(map(str, shape)) for shape in shapes) or "nothing"
