"""Costs against hand-computed ones, and of the paper's rows against those of public code."""

import keras
import pytest
from keras import layers

from keras_landslide.models import build_model
from keras_landslide.models.costs import Cost, cost, model_cost
from keras_landslide.paper import PUBLIC_MULTIPLY_ADDS, row


def test_cost_of_a_tiny_model_is_that_computed_by_hand():
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same")(inputs)  # 5 x 6 positions, 3 * 3 * 3 * 4 each
    inner = keras.Input((None, None, 4))
    nested = keras.Model(inner, {"only": layers.DepthwiseConv2D(3, padding="valid", use_bias=False)(inner)})
    x = nested(x)["only"]  # 3 x 4 positions, 3 * 3 * 4 each
    x = layers.BatchNormalization()(x)
    x = layers.SeparableConv2D(5, 3, padding="same")(x)  # 3 x 4 positions, 3 * 3 * 4 + 4 * 5 each
    x = layers.Dense(2)(layers.GlobalAveragePooling2D()(x))  # 5 * 2
    model = keras.Model(inputs, x)
    parameters = (108 + 4) + 36 + 16 + (36 + 20 + 5) + (10 + 2)
    assert cost(model, 10, 12) == Cost(parameters, 30 * 108 + 12 * 36 + 12 * 56 + 10)
    assert cost(model, 20, 12).multiply_adds > 30 * 108 * 2


def test_a_network_for_one_size_is_not_counted():
    fixed = build_model("pspnet", "mobilenet_v2", input_shape=(64, 64, 3), backbone_weights=None)
    with pytest.raises(ValueError, match="takes any size"):
        cost(fixed, 64, 64)


PARAMETERS = {"pspnet_mobilenet_v2": 2.41e6, "pspnet_resnet50": 46.7e6, "unet_vgg16": 24.9e6, "unet_resnet50": 44.0e6}


@pytest.mark.parametrize("name", PUBLIC_MULTIPLY_ADDS)
def test_rows_cost_what_public_code_of_the_same_models_does(name):
    side, billions = PUBLIC_MULTIPLY_ADDS[name]
    found = model_cost(row(name).architecture, row(name).backbone, side)
    assert found.parameters == pytest.approx(PARAMETERS[name], rel=0.01)
    assert found.multiply_adds == pytest.approx(1e9 * billions, rel=0.05)
