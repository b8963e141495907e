"""Weights that describe themselves, and weights mapped by layer name.

A `.weights.h5` of this package is Keras' own file (a plain Keras model of the same layers can load it) with one JSON
attribute at its root that says what it is. Keras keys layers by class and order; the layers' names stand in the
attributes of the `vars` groups, and all mapping here goes by those names.
"""

import dataclasses
import hashlib
import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import h5py
import keras
import numpy as np

from ..errors import LandslideError
from ..files.atomic import check_space, written_beside
from .backbones import RESIDUAL_NAMES, fixed_names
from .description import Description, parsed

DESCRIPTION = "keras_landslide"
WEIGHTS_SUFFIX = ".weights.h5"
HEADS = ("head", "auxiliary_head")  # the layers whose shape follows the number of classes
MISFITS_SHOWN = 5
HDF5_OVERHEAD = 2_000_000  # bytes of names and tables, generously: they are 0.5 MB for the deepest of the networks

log = logging.getLogger("keras_landslide")


@dataclass(frozen=True)
class StoredWeights:
    """A weights file, read once: what it says of itself, and the arrays of every layer by its name."""

    path: Path
    description: Description
    layers: dict[str, list[np.ndarray]]

    def stamp(self) -> dict:
        """Which file it is, for results that must be told apart later: its path and SHA-256."""
        with self.path.open("rb") as file:
            return {"file": str(self.path), "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def save_weights(model: keras.Model, path: Path | str, description: Description) -> None:
    """Write the weights of `model` with `description`, atomically."""
    path = Path(path)
    with written_beside(path.with_name(path.name.removesuffix(WEIGHTS_SUFFIX) + WEIGHTS_SUFFIX)) as beside:
        # On a full disk HDF5 does not only fail, it takes the program down when that ends.
        check_space(beside, HDF5_OVERHEAD + sum(array.nbytes for array in model.get_weights()))
        # A model that is being trained would store its optimizer too, twice the size of its weights.
        keras.Model(model.inputs, model.outputs).save_weights(beside)
        _write_description(beside, description)


def describe(path: Path | str, **changes) -> None:
    """Change fields of what a weights file says of itself (`Description`), atomically."""
    path = Path(path)
    description = dataclasses.replace(read_description(path), **changes)
    with written_beside(path) as beside:
        check_space(beside, path.stat().st_size)
        shutil.copyfile(path, beside)
        _write_description(beside, description)


def halve(path: Path | str, out: Path | str, **changes) -> None:
    """Write a weights file with its kernels in 16 bits to `out`, half as large; it is read like any other.

    Biases and the statistics of batch normalisation keep 32 bits: they are few, and their range is wide. `changes` are
    of fields of what the file says of itself.
    """
    description = dataclasses.replace(read_description(path), **changes)
    with _opened(path) as file, written_beside(Path(out)) as beside:
        check_space(beside, Path(path).stat().st_size)
        with h5py.File(beside, "w") as halved:
            for name, value in file.attrs.items():
                halved.attrs[name] = value
            file.visititems(lambda name, item: _copy_halved(item, halved, name))
        _write_description(beside, description)


def _copy_halved(item: h5py.Group | h5py.Dataset, out: h5py.File, name: str) -> None:
    if isinstance(item, h5py.Dataset):
        values = item[()]
        copied = out.create_dataset(name, data=values.astype(np.float16) if values.ndim > 1 else values)
    else:
        copied = out.require_group(name)
    for key, value in item.attrs.items():
        copied.attrs[key] = value


def _write_description(path: Path, description: Description) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs[DESCRIPTION] = json.dumps(description.to_json())


def read_weights(path: Path | str) -> StoredWeights:
    """All that a weights file of this package holds; raises `LandslideError` for others, and for damaged ones."""
    with _opened(path) as file:
        return StoredWeights(Path(path), _description_in(file, path), _layers_in(file, path))


def read_description(path: Path | str) -> Description:
    """What the weights file says of itself; raises `LandslideError` for files that are not this package's."""
    with _opened(path) as file:
        return _description_in(file, path)


def _description_in(file: h5py.File, path: Path | str) -> Description:
    if DESCRIPTION not in file.attrs:
        raise LandslideError(
            f"{path}: does not say which model it belongs to; give a {WEIGHTS_SUFFIX} file that keras-landslide wrote."
        )
    return parsed(file.attrs[DESCRIPTION], path)


def load_weights(model: keras.Model, path: Path | str) -> None:
    """Load every weight of `model` by layer name; raises `LandslideError` naming what does not fit."""
    set_weights(model, read_layers(path), path)


def set_weights(model: keras.Model, stored: dict[str, list[np.ndarray]], path: Path | str) -> None:
    """Give every layer of `model` its arrays of `stored`, as `load_weights` does with those of the file `path`.

    What is stored beyond the model, such as PSPNet's auxiliary branch, is not needed.
    """
    _refuse_misfits(model, path, _misfits(model, stored))
    for layer in layers_with_weights(model):
        layer.set_weights(stored[layer.name])


def initialise_from(model: keras.Model, weights: StoredWeights) -> list[str]:
    """Load the weights of a model of another class count: all but the heads, which stay as they are.

    Returns the names of those that were skipped, which one logged line says too. Raises `LandslideError`, and loads
    nothing, if any other layer is missing from the file or has another shape there.
    """
    path, stored = weights.path, weights.layers
    misfits = _misfits(model, stored)
    skipped = {name: misfit for name, misfit in misfits.items() if name in HEADS and name in stored}
    _refuse_misfits(model, path, {name: misfit for name, misfit in misfits.items() if name not in skipped})
    for layer in layers_with_weights(model):
        if layer.name not in skipped:
            layer.set_weights(stored[layer.name])
    if skipped:
        log.warning("%s: skipped %s.", path, "; ".join(skipped.values()))
    return list(skipped)


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


def load_backbone_weights(network: keras.Model, path: Path | str) -> list[str]:
    """Load what `path` holds into the backbone `network` by layer name, and log in one line what stays random.

    Returns the names of the layers that stay random. The file may hold a whole application network, with or without
    its classifier, or only its first stages. Raises `LandslideError`, and loads nothing, if it has no layer of the
    backbone, or one of another shape.
    """
    stored, layers = _with_fixed_names(read_layers(path), network), layers_with_weights(network)
    random_layers = [layer.name for layer in layers if layer.name not in stored]
    if len(random_layers) == len(layers):
        raise LandslideError(f"{path}: holds no layer of this backbone; give the weights of the same network.")
    misfits = _misfits(network, stored)
    _refuse_misfits(network, path, {name: misfit for name, misfit in misfits.items() if name in stored})
    for layer in layers:
        if layer.name in stored:
            layer.set_weights(stored[layer.name])
    if random_layers:
        log.warning(
            "%s holds %d of %d layers of the backbone; %s to %s stay random.",
            path, len(layers) - len(random_layers), len(layers), random_layers[0], random_layers[-1],
        )  # fmt: skip
    return random_layers


def read_layers(path: Path | str) -> dict[str, list[np.ndarray]]:
    """The arrays of every layer in a `.weights.h5` file, by layer name, in the order in which Keras keeps them.

    Raises `LandslideError` for a file that is missing or damaged, or that holds what is not a number.
    """
    with _opened(path) as file:
        return _layers_in(file, path)


def _layers_in(file: h5py.File, path: Path | str) -> dict[str, list[np.ndarray]]:
    found: dict[str, list[np.ndarray]] = {}

    def visit(_, group):
        if isinstance(group, h5py.Group) and group.name.endswith("/vars") and "name" in group.attrs and len(group):
            name = group.attrs["name"]
            found[name] = [group[key][()] for key in sorted(group, key=int)]

    try:
        file.visititems(visit)
        spoilt = [name for name, arrays in found.items() if not all(np.isfinite(array).all() for array in arrays)]
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise _damaged(path) from error
    if spoilt:
        raise LandslideError(
            f"{path}: {len(spoilt)} of its {len(found)} layers, {spoilt[0]} first, hold values that are not finite "
            "numbers; train again, or take earlier weights."
        )
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
        with Path(path).open("rb"):  # HDF5 does not say why it cannot
            pass
        return h5py.File(path, "r")
    except BlockingIOError as error:
        raise LandslideError(f"{path}: another program is writing it; wait for that.") from error
    except PermissionError as error:
        raise LandslideError(f"{path}: may not be read ({error.strerror}); ask its owner.") from error
    except OSError as error:
        raise _damaged(path) from error


def _damaged(path: Path | str) -> LandslideError:
    return LandslideError(f"{path}: is damaged or not an HDF5 file; copy it again or train again.")


def _shapes(shapes: list[tuple[int, ...]]) -> str:
    return " ".join("×".join(map(str, shape)) for shape in shapes) or "nothing"
