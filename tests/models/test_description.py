"""What weights say of themselves: read back as it was written, of format 1 too, and refused where it is damaged."""

import dataclasses
import fcntl
import json
import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from keras_landslide.errors import LandslideError
from keras_landslide.models import load_model
from keras_landslide.models.description import Bands, Data, Description, Scale, Start, parsed
from keras_landslide.models.loading import shipped_weights
from keras_landslide.models.saving import halve, read_weights, save_weights

DATA = Data("paper510", ("a", "b"), fold="1/5", labels="completed", groups=("a",), negatives=("n",))
FULL = Description(
    "unet",
    "vgg16",
    class_names=("background", "landslide", "scree"),
    output_stride=16,
    rates=(6, 12, 18),
    prediction_size=416,
    scale=Scale(prediction=1.6, training=0.77),
    threshold=0.75,
    start=Start("voc.weights.h5", ("head",), Data("voc", ("2007_000032",))),
    settings={"seed": 3, "focal": 0.5},
    data=DATA,
    scores={"epoch": 7, "val_miou": 0.8},
    licence="For research only.",
)
# As format 1 was written; nothing that is not in a file of that time.
FORMAT_1 = {
    "format": 1,
    "architecture": "pspnet",
    "backbone": "mobilenet_v2",
    "classes": 2,
    "output_stride": 8,
    "prediction_size": 568,
    "settings": {"seed": 1, "backbone_weights": "imagenet", "init_weights": None},
    "data": {"split": "auto", "fold": None, "labels": "original", "trained_on": ["a"], "groups": [], "negatives": []},
    "initial_data": None,
    "scores": {"epoch": 4},
}


def test_what_is_written_is_read_back():
    assert parsed(json.dumps(FULL.to_json()), "x") == FULL
    plain = Description("pspnet", "resnet50")
    assert parsed(json.dumps(plain.to_json()), "x") == plain
    assert (plain.class_names, plain.threshold, plain.scale) == (("background", "landslide"), 0.5, None)
    assert FULL.to_json()["format"] == 2 and FULL.classes == 3 and FULL.name == "unet_vgg16"


def test_bands_are_those_by_which_the_backbone_normalises():
    """ImageNet's, in the order of the image, whatever order the network wants; −1 to 1 for MobileNet and Xception."""
    caffe = Description("unet", "vgg16").bands
    assert caffe == Bands(("red", "green", "blue"), (123.68, 116.779, 103.939), (1.0, 1.0, 1.0))
    assert Description("pspnet", "mobilenet_v2").bands == Bands(caffe.names, (127.5,) * 3, (127.5,) * 3)


def test_a_file_of_format_1_says_the_same_as_it_did():
    said = parsed(json.dumps(FORMAT_1), "x")
    assert said == Description(
        "pspnet",
        "mobilenet_v2",
        output_stride=8,
        prediction_size=568,
        start=Start("imagenet", random_layers=None),
        settings=FORMAT_1["settings"],
        data=Data("auto", ("a",)),
        scores={"epoch": 4},
    )


def test_classes_of_format_1_are_named_where_they_are_two_and_numbered_else():
    named = {number: parsed(json.dumps({**FORMAT_1, "classes": number}), "x").class_names for number in (2, 21)}
    assert named[2] == ("background", "landslide")
    assert named[21] == ("background", *(f"class_{number}" for number in range(1, 21)))


def test_format_1_says_which_weights_it_started_from():
    settings = {**FORMAT_1["settings"], "init_weights": "voc.weights.h5"}
    before = {"split": "voc", "fold": None, "labels": "original", "trained_on": ["v"], "groups": [], "negatives": []}
    said = parsed(json.dumps({**FORMAT_1, "settings": settings, "initial_data": before}), "x")
    assert said.start == Start("voc.weights.h5", None, Data("voc", ("v",)))
    bare = {name: FORMAT_1[name] for name in ("architecture", "backbone", "classes", "output_stride")}
    assert parsed(json.dumps(bare), "x").start is None


def changed(**parts) -> str:
    return json.dumps({**Description("pspnet", "mobilenet_v2").to_json(), **parts})


def without(name: str, content: dict) -> str:
    return json.dumps({key: value for key, value in content.items() if key != name})


DAMAGE = {
    "no JSON": ("{'architecture': ", "it is no JSON of this package"),
    "no object": ("[1, 2]", "it is no JSON of this package"),
    "no architecture": (without("architecture", FULL.to_json()), "architecture: Field required"),
    "no classes in format 1": (without("classes", FORMAT_1), "classes is missing"),
    "a side in words": (changed(prediction_size="568"), "prediction_size: Input should be a valid integer"),
    "a side below the smallest": (changed(prediction_size=9), "prediction_size: Input should be greater than or equal"),
    "one class": (changed(class_names=["landslide"]), "class_names: Tuple should have at least 2 items"),
    "a threshold of 1": (changed(threshold=1.0), "threshold: Input should be less than 1"),
    "a pixel of no length": (changed(scale={"prediction": 0, "training": 1}), "scale.prediction: Input should be"),
    "a later format": (changed(format=99), "has format 99, and this version of keras-landslide reads up to 2; update"),
    "a format in words": (changed(format="two"), "has format two"),
    "settings that are a list": (json.dumps({**FORMAT_1, "settings": []}), "damaged ("),
    "classes in words": (json.dumps({**FORMAT_1, "classes": "two"}), "damaged ("),
    "other bands": (
        changed(bands={"names": ["red", "near infrared"], "mean": [0.0, 0.0], "standard_deviation": [1.0, 1.0]}),
        "is for the bands red, near infrared",
    ),
    "an unknown backbone": (changed(backbone="vgg17"), "Unknown backbone 'vgg17'"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_description_is_one_sentence_that_names_the_file(damage):
    text, message = DAMAGE[damage]
    with pytest.raises(LandslideError) as error:
        parsed(text, "folder/some.weights.h5")
    said = str(error.value)
    assert message in said and said.startswith("folder/some.weights.h5: ") and "\n" not in said


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.attrs.__setitem__("keras_landslide", 5),
        lambda file: file.attrs.__setitem__("keras_landslide", np.arange(3)),
        lambda file: file.attrs.__setitem__("keras_landslide", h5py.Empty("S1")),
        lambda file: layer_of(file)["vars"].__setitem__("first", np.zeros(2)),
        lambda file: layer_of(file)["vars"].__setitem__("0", "in words"),
    ],
)
def test_weights_that_are_made_otherwise_are_damaged(tmp_path, damage):
    path = tmp_path / "other.weights.h5"
    shutil.copy(shipped_weights("pspnet_mobilenet_v2"), path)
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(LandslideError, match=r"other\.weights\.h5: .*damaged"):
        read_weights(path)


def layer_of(file: h5py.File) -> h5py.Group:
    """A layer that is not there otherwise."""
    layer = file.require_group("layers/other")
    layer.require_group("vars").attrs["name"] = "other"
    return layer


def test_weights_that_may_not_be_read_are_not_called_damaged(tmp_path, monkeypatch):
    path = tmp_path / "some.weights.h5"
    shutil.copy(shipped_weights("pspnet_mobilenet_v2"), path)
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as HDF5 does while it writes
        with pytest.raises(LandslideError, match="another program is writing it; wait for that"):
            read_weights(path)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(LandslideError, match=r"may not be read \(Permission denied\); ask its owner"):
        read_weights(path)


@pytest.fixture
def spoilt(tiny_run, tmp_path):
    """A function to a copy of trained weights with another description or with a value that is not a number."""
    path = tmp_path / "spoilt.weights.h5"

    def copy(description: str | None):
        shutil.copy(tiny_run / "best.weights.h5", path)
        with h5py.File(path, "r+") as file:
            if description is not None:
                file.attrs["keras_landslide"] = description
            else:
                kernels = []
                file.visit(lambda name: kernels.append(name) if name.endswith("conv2d/vars/0") else None)
                file[kernels[0]][0] = np.nan
        return path

    return copy


@pytest.mark.parametrize(
    ("description", "message"),
    [(*DAMAGE["no JSON"],), (*DAMAGE["no architecture"],), (*DAMAGE["a later format"],), (None, "not finite numbers")],
    ids=["no JSON", "no architecture", "a later format", "NaN"],
)
def test_spoilt_weights_are_refused_wherever_weights_are_read(fails, spoilt, scenes, tmp_path, description, message):
    path, out = spoilt(description), tmp_path / "out"
    image = next((scenes / "landslide" / "image").iterdir())
    said = [
        fails("predict", "--weights", path, image, "--out", out),
        fails("evaluate", "--weights", path, "--data", scenes, "--json", out),
        fails("export", "--weights", path, "--format", "savedmodel", "--out", out),
        fails("train", "--data", scenes, "--out", out, "--init-weights", path, "--image-size", 64),
    ]
    for text in said:
        assert message in text and text.startswith(f"keras-landslide: {path}: ") and text.count("\n") == 1
    with pytest.raises(LandslideError, match="spoilt"):
        load_model(path)
    assert not out.exists()


def test_a_model_hands_on_what_its_file_says(tiny_run):
    model = load_model(tiny_run / "best.weights.h5")
    with h5py.File(tiny_run / "best.weights.h5") as file:
        written = json.loads(file.attrs["keras_landslide"])
    assert isinstance(model, keras.Model) and model.description.to_json() == {
        **written,
        # JSON has no tuples
        "class_names": ("background", "landslide"),
        "bands": {name: tuple(values) for name, values in written["bands"].items()},
        "start": {**written["start"], "random_layers": tuple(written["start"]["random_layers"])},
        "data": {
            **written["data"],
            **{name: tuple(written["data"][name]) for name in ("trained_on", "groups", "negatives")},
        },
    }


def test_halved_weights_are_half_as_large_and_the_same_to_11_bits(tmp_path, images, difference):
    """Biases and statistics to the bit, also where 16 bits would overflow; Keras itself reads the file."""
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(64, 3, name="first")])
    model.add(keras.layers.BatchNormalization(name="normalisation"))
    model.add(keras.layers.Conv2D(96, 3, name="second"))
    model.get_layer("normalisation").moving_variance.assign(np.geomspace(1e-9, 1e9, 64))
    whole, half = tmp_path / "whole.weights.h5", tmp_path / "half.weights.h5"
    save_weights(model, whole, FULL)
    halve(whole, half, threshold=0.6)
    before, after = read_weights(whole), read_weights(half)
    assert after.description == dataclasses.replace(FULL, threshold=0.6) and before.layers.keys() == after.layers.keys()
    for name, arrays in before.layers.items():
        for array, halved in zip(arrays, after.layers[name], strict=True):
            if array.ndim == 1:
                np.testing.assert_array_equal(halved, array)
            else:
                assert halved.dtype == np.float16
                np.testing.assert_allclose(halved, array, rtol=2**-11, atol=1e-7)
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    image = images(8, 8) / 255
    wanted = model(image).numpy()
    model.get_layer("second").set_weights([np.zeros((3, 3, 64, 96)), np.zeros(96)])
    model.load_weights(half)
    assert difference(model(image), wanted) < 1e-3
