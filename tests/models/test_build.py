"""Options of `build_model` beyond the contract: auxiliary branch, rates, output stride, refusals, weights files."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_landslide.errors import LandslideError
from keras_landslide.models import Description, build_model, initialise_from, load_model, read_weights, save_weights
from keras_landslide.training.losses import SegmentationLoss

LIGHT = {"backbone": "mobilenet", "input_shape": (64, 64, 3), "backbone_weights": None, "output_stride": 16}
DESCRIPTION = Description("pspnet", "mobilenet", output_stride=16)


def test_auxiliary_branch_is_a_second_output_that_trains(images):
    model = build_model("pspnet", **LIGHT, aux_branch=True)
    outputs = model(images(64, 64))
    assert set(outputs) == {"probabilities", "auxiliary"}
    assert outputs["auxiliary"].shape == (1, 64, 64, 2)
    np.testing.assert_allclose(outputs["auxiliary"].numpy().sum(-1), 1, atol=1e-5)
    assert model.get_layer("auxiliary_conv").output.shape[1:] == (4, 4, 128)  # stride 16, a quarter of 512 channels
    before = model.get_layer("auxiliary_head").get_weights()[0]
    loss = {name: SegmentationLoss() for name in outputs}
    weights = {"probabilities": 1.0, "auxiliary": 0.4}
    model.compile("adam", loss, loss_weights=weights, run_eagerly=True)
    labels = np.ones((1, 64, 64))
    model.train_on_batch(images(64, 64), {"probabilities": labels, "auxiliary": labels})
    assert not np.array_equal(before, model.get_layer("auxiliary_head").get_weights()[0])


def test_the_inference_model_of_a_file_has_no_auxiliary_branch(images, difference, tmp_path, caplog):
    model = build_model("pspnet", **LIGHT, aux_branch=True, batch_normalization_momentum=0.0)
    model(images(64, 64, count=4), training=True)
    save_weights(model, tmp_path / "aux.weights.h5", DESCRIPTION)
    loaded = load_model(tmp_path / "aux.weights.h5")
    assert difference(loaded(images(64, 64)), model(images(64, 64))["probabilities"]) < 1e-5
    assert not any("auxiliary" in layer.name for layer in loaded.layers)
    assert not caplog.messages


def test_rates_become_dilation_and_travel_with_the_file(tmp_path):
    model = build_model("deeplabv3plus", **LIGHT, rates=(2, 4))
    path = tmp_path / "rates.weights.h5"
    save_weights(model, path, dataclasses.replace(DESCRIPTION, architecture="deeplabv3plus", rates=(2, 4)))
    for built, rates in [
        (model, (2, 4)),
        (load_model(path), (2, 4)),
        (build_model("deeplabv3plus", **LIGHT), (6, 12, 18)),
    ]:
        found = [
            layer.dilation_rate[0]
            for layer in built.layers
            if layer.name.startswith("branch_atrous") and "depthwise_conv" in layer.name
        ]
        assert tuple(found) == rates


@pytest.mark.parametrize(
    ("architecture", "output_stride", "side"), [("pspnet", 8, 12), ("pspnet", 32, 3), ("unet", 8, 3)]
)
def test_output_stride_is_that_of_the_last_features_but_for_unet(architecture, output_stride, side):
    options = {**LIGHT, "input_shape": (96, 96, 3), "output_stride": output_stride}
    network = build_model(architecture, **options).get_layer("backbone")
    shape = keras.models.clone_model(network, input_tensors=keras.Input((96, 96, 3))).output["stride_32"].shape
    assert shape == (None, side, side, 1024)


@pytest.mark.parametrize(
    ("architecture", "backbone", "channels"),
    [
        (
            "unet",
            "mobilenet",
            {"join_1": 1024 + 512, "join_4": 128 + 64, "decoder_4_2_relu": 64, "decoder_5_2_relu": 64},
        ),
        ("unet", "vgg16", {"join_1": 512 + 512, "join_4": 128 + 64, "decoder_1_1_relu": 512, "decoder_4_2_relu": 64}),
        ("deeplabv3plus", "mobilenet", {"branches": 5 * 256, "with_fine": 256 + 48, "decoder_2_pointwise_relu": 256}),
        ("pspnet", "mobilenet", {"pyramid_1_relu": 256, "pyramid_6_relu": 256, "dropout": 256}),
    ],
)
def test_decoders_have_the_widths_of_the_paper(architecture, backbone, channels):
    model = build_model(architecture, **{**LIGHT, "backbone": backbone})
    assert {name: model.get_layer(name).output.shape[-1] for name in channels} == channels
    if architecture == "pspnet":
        assert model.get_layer("fuse_conv").kernel.shape == (3, 3, 1024 + 4 * 256, 256)


REFUSED = {
    "Unknown architecture 'pspnett'; did you mean 'pspnet'? Choose from: unet": {"architecture": "pspnett"},
    "Unknown backbone 'vgg'; did you mean 'vgg16'? Choose from: vgg16, resnet50": {"backbone": "vgg"},
    "Input shape (63, 64, 3) is not possible; give (height, width, 3) with sides of 64": {"input_shape": (63, 64, 3)},
    "Input shape (64, 64, 4) is not possible": {"input_shape": (64, 64, 4)},
    "1 classes are not possible; give 2 or more": {"classes": 1},
    "Output stride 4 is not possible for mobilenet. Choose from: 8, 16, 32.": {"output_stride": 4},
    "Output stride 32 is not possible for vgg16. Choose from: 8, 16.": {"backbone": "vgg16", "output_stride": 32},
    "unet has no auxiliary branch; leave out aux_branch or choose from: pspnet": {
        "architecture": "unet",
        "aux_branch": True,
    },
    "pspnet has no rates; leave out rates or choose from: deeplabv3plus": {"rates": (6, 12)},
    "Rates (6, 0) are not possible; give whole numbers of 1 or more": {
        "architecture": "deeplabv3plus",
        "rates": (6, 0),
    },
    "nowhere.weights.h5: no such weights file": {"backbone_weights": "nowhere.weights.h5"},
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_built_says_what_can(message):
    with pytest.raises(LandslideError) as error:
        build_model(**{"architecture": "pspnet", **LIGHT, **REFUSED[message]})
    assert message in str(error.value)


@pytest.fixture
def two_classes(tmp_path):
    """A model and its file."""
    model = build_model("pspnet", **LIGHT)
    save_weights(model, tmp_path / "two.weights.h5", DESCRIPTION)
    return model, tmp_path / "two.weights.h5"


def test_initialising_from_another_class_count_keeps_all_but_the_head(two_classes, caplog):
    source, path = two_classes
    model = build_model("pspnet", **LIGHT, classes=5)
    head = model.get_layer("head").get_weights()[0]
    assert initialise_from(model, read_weights(path)) == ["head"]
    (line,) = caplog.messages
    assert "skipped head: the file has 1×1×256×2 2, the model needs 1×1×256×5 5" in line
    np.testing.assert_array_equal(head, model.get_layer("head").get_weights()[0])
    pairs = list(zip(source.get_weights()[:-2], model.get_weights()[:-2], strict=True))
    assert len(pairs) > 100
    assert all(np.array_equal(*pair) for pair in pairs)


def test_initialising_from_the_same_class_count_loads_the_head_and_says_nothing(two_classes, caplog):
    source, path = two_classes
    model = build_model("pspnet", **LIGHT)
    assert initialise_from(model, read_weights(path)) == []
    assert not caplog.messages
    assert all(np.array_equal(*pair) for pair in zip(source.get_weights(), model.get_weights(), strict=True))


def test_initialising_from_another_network_is_refused_and_loads_nothing(two_classes):
    _, path = two_classes
    model = build_model("pspnet", **{**LIGHT, "backbone": "mobilenet_v2"})
    before = model.get_weights()
    with pytest.raises(LandslideError, match="of another model than pspnet_mobilenet_v2") as error:
        initialise_from(model, read_weights(path))
    assert "Conv1: the file has nothing, the model needs 3×3×3×32" in error.value.files
    assert error.value.files[-1].endswith("more layers")
    assert all(np.array_equal(*pair) for pair in zip(before, model.get_weights(), strict=True))
