"""The backbones against `keras.applications`, and the dilated networks against the strided.

The former once on random weights calibrated on images, which every machine has, and once on those of ImageNet.
"""

import dataclasses

import keras
import numpy as np
import pytest

from keras_landslide.errors import LandslideError
from keras_landslide.models.backbones import BACKBONES, build_backbone
from keras_landslide.models.build import build_model, local_backbone_file, normalise
from keras_landslide.models.saving import load_backbone_weights, read_layers

PREPROCESS = {
    "vgg16": keras.applications.vgg16.preprocess_input,
    "resnet50": keras.applications.resnet50.preprocess_input,
    "mobilenet": keras.applications.mobilenet.preprocess_input,
    "mobilenet_v2": keras.applications.mobilenet_v2.preprocess_input,
    "xception": keras.applications.xception.preprocess_input,
}
EXACT = 1e-5
# What the quick set looks at: no dilation, and at output stride 8 all that there can be.
QUICK = [("mobilenet_v2", 32, "calibrated"), ("mobilenet_v2", 8, "calibrated")]


def weighted(cases: list[tuple], kinds=("calibrated", "imagenet")) -> list:
    """Each case (backbone, output stride) with each kind of weights, and those slow that are not of `QUICK`."""
    return [
        pytest.param(*case, kind, marks=[pytest.mark.slow] * ((*case, kind) not in QUICK))
        for case in cases
        for kind in kinds
    ]


@pytest.fixture
def trained(request, monkeypatch):
    """A function that builds a backbone with weights of the kind that the case says."""

    def build(name: str, output_stride: int) -> keras.Model:
        folder = request.getfixturevalue(request.param)
        monkeypatch.setenv("KERAS_LANDSLIDE_BACKBONES", str(folder(name) if callable(folder) else folder))
        network = build_backbone(name, output_stride=output_stride)
        load_backbone_weights(network, local_backbone_file(name))
        return network

    return build


def application(name: str, sides: tuple[int, int], network: keras.Model, taps: list[str]) -> keras.Model:
    """The network of `keras.applications` with the ImageNet file as Keras itself loads it, ending at `taps`."""
    whole = BACKBONES[name].application(include_top=False, weights=None, input_shape=(*sides, 3))
    file = local_backbone_file(name)
    first_stages = file.name.removesuffix(".weights.h5").partition("_to_")[2]
    if first_stages:  # the stages that have no file are random: take the backbone's
        keras.Model(whole.input, whole.get_layer(first_stages).output).load_weights(file)
        stored = read_layers(file)
        for layer in network.layers:
            if layer.weights and layer.name not in stored:
                whole.get_layer(layer.name).set_weights(layer.get_weights())
    else:
        whole.load_weights(file)
    return keras.Model(whole.input, [whole.get_layer(tap).output for tap in taps])


UNDILATED = [(name, backbone.output_strides[-1]) for name, backbone in BACKBONES.items()]


@pytest.mark.parametrize(("name", "output_stride", "trained"), weighted(UNDILATED), indirect=["trained"])
def test_undilated_backbone_equals_the_application_network(
    name, output_stride, trained, images, difference, normalised_by_keras
):
    backbone = BACKBONES[name]
    network = trained(name, output_stride)
    for sides in [(96, 128), (97, 115)]:
        image = PREPROCESS[name](images(*sides))
        reference = application(name, sides, network, list(backbone.taps.values()))(image)
        features, shifted = network(image), network(np.roll(image, 1, axis=2))
        assert list(features) == [f"stride_{stride}" for stride in backbone.taps]
        for stride, wanted in zip(backbone.taps, reference, strict=True):
            assert difference(features[f"stride_{stride}"], wanted) < EXACT
            assert difference(shifted[f"stride_{stride}"], wanted) > 100 * EXACT


DILATED = [(name, stride) for name, backbone in BACKBONES.items() for stride in backbone.output_strides[:-1]]


@pytest.mark.parametrize(("name", "output_stride", "trained"), weighted(DILATED, ["calibrated"]), indirect=["trained"])
def test_dilated_backbone_equals_the_strided_one_at_its_positions(name, output_stride, trained, images, difference):
    """At the borders too, so padding is kept; sizes are such that maps of odd and even sides become dilated."""
    strides = BACKBONES[name].taps
    strided = trained(name, max(strides))
    dilated = build_backbone(name, output_stride=output_stride)
    dilated.set_weights(strided.get_weights())
    margin = 3 if name == "vgg16" else 0  # its pools drop a last odd row, which the dilated network sees
    for sides in [(128, 144), (137, 161)]:
        image = PREPROCESS[name](images(*sides))
        wanted, found = strided(image), dilated(image)
        offset, step = np.array([0, 0]), 1
        for stride in (stride for stride in strides if stride >= output_stride):
            small, dense = wanted[f"stride_{stride}"].numpy(), found[f"stride_{stride}"].numpy()
            inside = np.s_[:, : small.shape[1] - margin, : small.shape[2] - margin]
            positions = np.s_[:, offset[0] :: step, offset[1] :: step]
            assert difference(dense[positions][inside], small[inside]) < EXACT
            shifted = np.roll(dense, 1, axis=1)
            assert difference(shifted[positions][inside], small[inside]) > 100 * EXACT
            offset = offset + [step * centre_of_first_window(name, side) for side in small.shape[1:3]]
            step *= 2


def centre_of_first_window(name: str, side: int) -> int:
    """Of the strided convolutions of 3×3 that become dilated: 1 where they pad behind only."""
    return int({"mobilenet": True, "mobilenet_v2": side % 2 == 0}.get(name, False))


def test_residual_layers_of_xception_are_found_by_their_order_under_any_numbers(tmp_path):
    for _ in range(8):  # so that the numbers have one digit and two
        keras.layers.Conv2D(1, 1)
        keras.layers.BatchNormalization()
    application = keras.applications.Xception(include_top=False, weights=None, input_shape=(71, 71, 3))
    convolutions = [layer for layer in application.layers if layer.name.startswith("conv2d")]
    assert [layer.name for layer in convolutions] == ["conv2d_8", "conv2d_9", "conv2d_10", "conv2d_11"]
    application.save_weights(tmp_path / "renumbered.weights.h5")
    network = build_backbone("xception")
    load_backbone_weights(network, tmp_path / "renumbered.weights.h5")
    for layer, block in zip(convolutions, BACKBONES["xception"].residual_blocks, strict=True):
        loaded = network.get_layer(f"{block}_residual_conv").get_weights()[0]
        np.testing.assert_array_equal(loaded, layer.get_weights()[0])


@pytest.mark.parametrize("name", ["xception", "mobilenet_v2"])
def test_weights_that_keras_downloads_arrive_in_every_layer(name, monkeypatch):
    line = BACKBONES[name]
    downloaded = line.application(include_top=False, weights=None, input_shape=(224, 224, 3))
    random = np.random.default_rng(0)
    for layer in downloaded.layers:  # what begins as 0 or 1 would be taken for another of its shape
        layer.set_weights([random.random(array.shape, np.float32) for array in layer.get_weights()])

    def application(weights, **options):
        return downloaded if weights == "imagenet" else line.application(weights=weights, **options)

    monkeypatch.setitem(BACKBONES, name, dataclasses.replace(line, application=application))
    network = build_model("pspnet", name, input_shape=(64, 64, 3)).get_layer("backbone")
    found, wanted = ([layer for layer in model.layers if layer.weights] for model in (network, downloaded))
    assert len(found) > 50
    for ours, theirs in zip(found, wanted[: len(found)], strict=True):
        assert ours.name == theirs.name or ours.name.endswith(("_residual_conv", "_residual_bn"))
        for weights, downloads in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(weights, downloads, err_msg=ours.name)


def test_a_download_that_fails_says_what_to_do(monkeypatch):
    def application(weights, **options):
        if weights == "imagenet":
            raise OSError("no route")
        return keras.applications.MobileNet(weights=weights, **options)

    monkeypatch.setitem(BACKBONES, "mobilenet", dataclasses.replace(BACKBONES["mobilenet"], application=application))
    with pytest.raises(LandslideError, match=r"mobilenet\.weights\.h5 .* KERAS_LANDSLIDE_BACKBONES .* random"):
        build_model("pspnet", "mobilenet", input_shape=(64, 64, 3))


def test_first_stages_are_loaded_and_the_rest_is_said_to_be_random(tmp_path, caplog):
    whole = build_backbone("mobilenet")
    first = keras.Model(whole.input, whole.get_layer("conv_pw_11_relu").output)
    first.save_weights(tmp_path / "first.weights.h5")
    network = build_backbone("mobilenet")
    load_backbone_weights(network, tmp_path / "first.weights.h5")
    (line,) = caplog.messages
    assert "holds 46 of 54 layers of the backbone; conv_dw_12 to conv_pw_13_bn stay random" in line
    for layer, equal in [("conv_pw_11", True), ("conv_pw_12", False)]:
        pair = [model.get_layer(layer).get_weights()[0] for model in (whole, network)]
        assert np.array_equal(*pair) == equal


@pytest.mark.parametrize(("name", "kept"), [("mobilenet_v2", "block_16_project_BN"), ("vgg16", "block5_conv3")])
def test_layers_beyond_the_last_features_are_left_out(name, kept):
    assert build_backbone(name, output_stride=16).layers[-1].name == kept


def test_momentum_replaces_that_of_every_normalisation():
    layers = build_backbone("xception", momentum=0.5).layers
    found = [layer.momentum for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert found == [0.5] * 40


@pytest.mark.parametrize("name", BACKBONES)
def test_normalisation_equals_that_of_the_application(name, images, difference):
    image = images(5, 7)
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, normalise(inputs, BACKBONES[name].normalisation))
    model = keras.Model.from_config(model.get_config())
    assert difference(model(image), PREPROCESS[name](image.copy())) < 1e-6
    assert difference(model(image), PREPROCESS[name](image[..., ::-1].copy())) > 0.01


def test_wrong_names_and_strides_say_what_is_possible():
    with pytest.raises(LandslideError, match=r"'resnet5'; did you mean 'resnet50'\? Choose from: vgg16, .*xception"):
        build_backbone("resnet5")
    with pytest.raises(LandslideError, match=r"Output stride 32 is not possible for vgg16. Choose from: 8, 16."):
        build_backbone("vgg16", output_stride=32)


def test_a_whole_file_comes_before_one_of_first_stages_and_names_are_not_confused(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_LANDSLIDE_BACKBONES", str(tmp_path))
    for name in ("mobilenet_v2", "resnet50_to_conv4_block6_out"):
        (tmp_path / f"{name}.weights.h5").touch()
    assert local_backbone_file("mobilenet") is None
    assert local_backbone_file("resnet50").name == "resnet50_to_conv4_block6_out.weights.h5"
    (tmp_path / "resnet50.weights.h5").touch()
    assert local_backbone_file("resnet50").name == "resnet50.weights.h5"
