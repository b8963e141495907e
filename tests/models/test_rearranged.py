"""Networks for one size, whose dilated stages stand in another order, against those for any size, which do not."""

from collections import Counter

import keras
import numpy as np
import pytest

from keras_landslide.models.backbones import build_backbone
from keras_landslide.models.rearranged import BatchToSpace, SpaceToBatch
from keras_landslide.models.saving import layers_with_weights, load_backbone_weights


def orders(network: keras.Model) -> Counter:
    """How many layers there are of each kind that changes the order."""
    return Counter(type(layer).__name__ for layer in network.layers if isinstance(layer, SpaceToBatch))


def names(network: keras.Model) -> list[str]:
    return [layer.name for layer in layers_with_weights(network)]


@pytest.mark.parametrize("rate", [2, 3])
def test_an_order_dilates_and_is_taken_back(rate, difference):
    features = np.random.default_rng(0).normal(size=(2, 2 * rate, 3 * rate, 3)).astype("float32")
    rearranged = SpaceToBatch(rate)(features)
    interleaved = [features[:, row::rate, column::rate] for row in range(rate) for column in range(rate)]
    np.testing.assert_array_equal(rearranged, np.concatenate(interleaved))
    np.testing.assert_array_equal(BatchToSpace(rate)(rearranged), features)
    dilated = keras.layers.DepthwiseConv2D(3, padding="same", dilation_rate=rate, use_bias=False)
    plain = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)
    wanted = dilated(features)
    plain.build(features.shape)
    plain.set_weights(dilated.get_weights())
    assert difference(BatchToSpace(rate)(plain(rearranged)), wanted) < 1e-6


@pytest.mark.parametrize(
    ("name", "output_stride", "sides", "there", "back"),
    [
        ("mobilenet_v2", 8, (64, 96), 4, 3),  # a stage of rate 2 and, on from there, one of rate 4
        ("mobilenet_v2", 8, (80, 48), 2, 3),  # sides of 10 and 6 are multiples of 2, not of 4
        ("mobilenet_v2", 16, (96, 64), 2, 1),
        ("mobilenet", 8, (64, 64), 2, 3),
        ("xception", 16, (96, 96), 1, 1),
        pytest.param("xception", 8, (96, 128), 4, 4, marks=pytest.mark.slow),
    ],
)
def test_a_network_for_one_size_is_that_for_any(
    name, output_stride, sides, there, back, calibrated, images, difference
):
    fixed, dynamic = (build_backbone(name, output_stride=output_stride, sides=size) for size in (sides, (None, None)))
    assert orders(fixed) == {"SpaceToBatch": there, "BatchToSpace": back} and not orders(dynamic)
    assert names(fixed) == names(dynamic)  # Keras numbers layers in files by their order
    for network in (fixed, dynamic):
        load_backbone_weights(network, calibrated(name) / f"{name}.weights.h5")
    image = images(*sides, count=2) / 127.5 - 1
    wanted, got = (network.predict(image, verbose=0) for network in (dynamic, fixed))
    assert wanted.keys() == got.keys()
    assert max(difference(got[key], wanted[key]) for key in wanted) < 1e-5
