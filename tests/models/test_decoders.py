"""Each decoder, and the head behind it, against the same written out in NumPy, with random weights by layer name."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

from keras_landslide.models import ARCHITECTURES
from keras_landslide.models.build import _probabilities

IMAGE = (46, 38)
CHANNELS = 8
CLASSES = 3
EXACT = 1e-4
# Sides of the maps by stride, as odd and even as they come.
MAPS = {2: (23, 19), 4: (12, 10), 8: (6, 5), 16: (3, 3), 32: (2, 2)}
LAST = (14, 11)  # of DeepLabv3+ and PSPNet, so that all their windows and dilations differ


class ByHand:
    """The layers in NumPy, `(N, H, W, C)` float64; weights are looked up by the names of `model`."""

    def __init__(self, model: keras.Model):
        self.weights = {layer.name: [np.float64(one) for one in layer.get_weights()] for layer in model.layers}

    def convolution(self, x, name: str, rate: int = 1, depthwise: bool = False):
        kernel, *bias = self.weights[name]
        reach, (height, width) = rate * (len(kernel) // 2), x.shape[1:3]
        padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
        total = sum(bias)
        for row in range(len(kernel)):
            for column in range(len(kernel)):
                part = padded[:, rate * row : rate * row + height, rate * column : rate * column + width]
                total = total + (part * kernel[row, column, :, 0] if depthwise else part @ kernel[row, column])
        return total

    def normalised_relu(self, x, name: str):
        gamma, beta, mean, variance = self.weights[f"{name}_bn"]
        return np.maximum((x - mean) / np.sqrt(variance + 1e-3) * gamma + beta, 0)

    def block(self, x, name: str):
        return self.normalised_relu(self.convolution(x, f"{name}_conv"), name)

    def separable(self, x, name: str, rate: int = 1):
        x = self.convolution(x, f"{name}_depthwise_conv", rate, depthwise=True)
        return self.block(self.normalised_relu(x, f"{name}_depthwise"), f"{name}_pointwise")

    def probabilities(self, x, sides: tuple[int, int]):
        scores = np.exp(resized(self.convolution(x, "head"), sides))
        return scores / scores.sum(axis=-1, keepdims=True)


def resized(x, sides):
    """Bilinear, pixels by their middles, no averaging."""
    for axis, side in ((1, sides[0]), (2, sides[1])):
        length = x.shape[axis]
        place = np.clip((np.arange(side) + 0.5) * length / side - 0.5, 0, length - 1)
        distance = np.abs(place[:, None] - np.arange(length))
        x = np.moveaxis(np.tensordot(np.maximum(1 - distance, 0), x, axes=(1, axis)), 0, axis)
    return x


def unet_by_hand(hand: ByHand, maps: dict[int, np.ndarray]):
    *skips, x = (maps[stride] for stride in sorted(maps))
    for stage, skip in enumerate([*reversed(skips), None], start=1):
        x = resized(x, IMAGE if skip is None else skip.shape[1:3])
        x = x if skip is None else np.concatenate([x, skip], axis=-1)
        for number in (1, 2):
            x = hand.block(x, f"decoder_{stage}_{number}")
    return x


def deeplabv3plus_by_hand(hand: ByHand, maps: dict[int, np.ndarray]):
    fine, last = maps[4], maps[16]
    branches = [hand.block(last, "branch_point")]
    branches += [hand.separable(last, f"branch_atrous_{number}", 6 * number) for number in (1, 2, 3)]
    branches += [resized(hand.block(last.mean(axis=(1, 2), keepdims=True), "branch_mean"), last.shape[1:3])]
    x = resized(hand.block(np.concatenate(branches, axis=-1), "projection"), fine.shape[1:3])
    x = np.concatenate([x, hand.block(fine, "fine")], axis=-1)
    return hand.separable(hand.separable(x, "decoder_1"), "decoder_2")


def pspnet_by_hand(hand: ByHand, maps: dict[int, np.ndarray]):
    last = maps[16]
    levels = [last]
    for bins in (1, 2, 3, 6):
        parts = [
            [slice(number * side // bins, -(-(number + 1) * side // bins)) for number in range(bins)]
            for side in last.shape[1:3]
        ]
        means = np.stack([[last[:, rows, columns].mean(axis=(1, 2)) for columns in parts[1]] for rows in parts[0]])
        levels.append(resized(hand.block(np.moveaxis(means, 2, 0), f"pyramid_{bins}"), last.shape[1:3]))
    return hand.normalised_relu(hand.convolution(np.concatenate(levels, axis=-1), "fuse_conv"), "fuse")


# Of each: the maps that it takes, itself by hand, and a convolution over joined maps, whose order counts.
CASES: dict[str, tuple[dict, Callable, str]] = {
    "unet": (MAPS, unet_by_hand, "decoder_2_1_conv"),
    "deeplabv3plus": ({4: MAPS[4], 16: LAST}, deeplabv3plus_by_hand, "projection_conv"),
    "pspnet": ({8: MAPS[8], 16: LAST}, pspnet_by_hand, "fuse_conv"),
}


def draw_weights(model: keras.Model) -> None:
    """Kernels that keep a map's spread, statistics and scales that differ from channel to channel."""
    random = np.random.default_rng(2)
    for layer in model.layers:
        for weight in layer.weights:
            if "kernel" in weight.name:
                inputs = np.prod(weight.shape[: 2 if "depthwise" in layer.name else 3])
                weight.assign(random.normal(0, np.sqrt(2 / inputs), weight.shape))
            elif weight.name in ("gamma", "moving_variance"):
                weight.assign(random.uniform(0.5, 1.5, weight.shape))
            else:
                weight.assign(random.normal(0, 0.3, weight.shape))


@pytest.mark.parametrize("architecture", CASES)
def test_a_decoder_is_what_it_is_by_hand(architecture, difference):
    sides, by_hand, joined = CASES[architecture]
    image = keras.Input((*IMAGE, 3))
    inputs = {f"stride_{stride}": keras.Input((*side, CHANNELS)) for stride, side in sides.items()}
    x = ARCHITECTURES[architecture].decoder(inputs, image)
    model = keras.Model([image, *inputs.values()], _probabilities(x, image, CLASSES, name="probabilities"))
    draw_weights(model)
    random = np.random.default_rng(3)
    maps = {stride: random.normal(0, 1, (2, *side, CHANNELS)) for stride, side in sides.items()}

    def found():
        return model([np.zeros((2, *IMAGE, 3)), *maps.values()])

    hand = ByHand(model)
    wanted = hand.probabilities(by_hand(hand, maps), IMAGE)
    assert np.ptp(wanted[..., 1]) > 0.3
    assert difference(found(), wanted) < EXACT
    kernel = model.get_layer(joined).kernel
    kernel.assign(np.roll(kernel, CHANNELS, axis=2))  # the control: as if the maps were joined in another order
    assert difference(found(), wanted) > 100 * EXACT


def test_every_decoder_is_written_out():
    assert CASES.keys() == ARCHITECTURES.keys()
