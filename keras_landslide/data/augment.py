"""Augmentation as one warp: small functions give 3×3 matrices, their product resamples image and labels together.

Matrices map places (x, y, 1) of the sample to places of the source, both measured from the centre in pixels. The
recipes are those of Table 2 (`paper`) and ours.
"""

import dataclasses
import math
from dataclasses import dataclass

import tensorflow as tf

from ..settings import IGNORE_LABEL
from .letterbox import BAR_GREY


@dataclass(frozen=True)
class Recipe:
    """What may happen to a sample.

    Geometry: `angles` in degrees are drawn from with `rotation_probability`, `angle_jitter` is added either way; then
    left and right, top and bottom are exchanged with `flip_probability` and `vertical_flip_probability`; `zoom` is the
    range of the part of each dimension that is kept (0.7: a crop to 0.7, resized back; 1.3: shrunk, with room around),
    placed at random. What opens beyond the sample is grey and ignored, or with `mirrored` the sample again.

    Colours, each the largest relative change: `brightness` of all values, `contrast` of the distance from the mean,
    `tint` of each channel, `saturation` of the distance from grey (seasons), `gamma` of the exponent (the response of
    another sensor), `shade` of the light between the middle and a corner (sun and haze).
    """

    angles: tuple[float, ...] = ()
    rotation_probability: float = 0.0
    angle_jitter: float = 0.0
    flip_probability: float = 0.0
    vertical_flip_probability: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    mirrored: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    tint: float = 0.0
    saturation: float = 0.0
    gamma: float = 0.0
    shade: float = 0.0


RECIPES = {
    "paper": Recipe(angles=(20.0, 90.0, -90.0), rotation_probability=0.5, flip_probability=1.0, zoom=(0.7, 0.7)),
    "default": Recipe(
        angles=(0.0, 90.0, 180.0, 270.0),
        rotation_probability=1.0,
        angle_jitter=15.0,
        flip_probability=0.5,
        zoom=(0.6, 1.0),
        brightness=0.2,
        contrast=0.2,
        tint=0.05,
    ),
    "strong": Recipe(
        angles=(0.0, 90.0),  # with both flips: all eight ways to lay a square
        rotation_probability=1.0,
        angle_jitter=45.0,
        flip_probability=0.5,
        vertical_flip_probability=0.5,
        zoom=(0.4, 1.3),
        brightness=0.35,
        contrast=0.4,
        tint=0.15,
        saturation=0.5,
        gamma=0.3,
        shade=0.3,
    ),
    "none": Recipe(),
}


ONE_SCALE = (0.8, 1.25)  # a quarter more or less: as far as satellites and seasons blur what a scale is


def at_one_scale(recipe: Recipe) -> Recipe:
    """The recipe for images that all have one scale: sizes vary by a quarter at most, and no corner is grey.

    In the windows of a scene ground goes on to the edges.
    """
    return recipe if recipe.zoom == (1.0, 1.0) else dataclasses.replace(recipe, zoom=ONE_SCALE, mirrored=True)


def rotation(degrees):
    """Turn the picture by `degrees` anticlockwise."""
    angle = degrees * (math.pi / 180.0)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    return _matrix([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def flip(left_right, top_bottom=False):
    """Mirror left and right, top and bottom, where true."""
    across, down = tf.where(left_right, -1.0, 1.0), tf.where(top_bottom, -1.0, 1.0)
    return _matrix([[across, 0.0, 0.0], [0.0, down, 0.0], [0.0, 0.0, 1.0]])


def crop(part, right, down):
    """Keep `part` of each dimension, its centre moved `right` and `down` pixels, and enlarge it to the whole."""
    return _matrix([[part, 0.0, right], [0.0, part, down], [0.0, 0.0, 1.0]])


def _matrix(rows):
    return tf.stack([tf.stack([tf.cast(value, tf.float32) for value in row]) for row in rows])


def warp(image, labels, matrix, mirrored: bool = False):
    """Resample `(H, W, 3)` (bilinear, to float32) and `(H, W)` uint8 (nearest).

    What opens is grey and ignored, or with `mirrored` the picture again, reflected at its edge.

    Plain gathers and arithmetic: slow one by one, but XLA makes them one loop over the pixels, at less than half the
    cost of TensorFlow's own projective transform (`benchmarks/augmentation.py`).
    """
    height, width = labels.shape
    row = width + 3  # a pixel of padding before, two after: whatever lies outside is looked up there
    pixels = tf.reshape(tf.pad(image, [[1, 2], [1, 2], [0, 0]], constant_values=BAR_GREY), [-1, 3])
    classes = tf.reshape(tf.pad(labels, [[1, 2], [1, 2]], constant_values=IGNORE_LABEL), [-1])
    down, right = tf.meshgrid(_from_centre(height), _from_centre(width), indexing="ij")
    x = matrix[0, 0] * right + matrix[0, 1] * down + (matrix[0, 2] + (width - 1) / 2)
    y = matrix[1, 0] * right + matrix[1, 1] * down + (matrix[1, 2] + (height - 1) / 2)
    if mirrored:
        x, y = _reflected(x, width), _reflected(y, height)
    x, y = tf.clip_by_value(x, -1.0, float(width)) + 1.0, tf.clip_by_value(y, -1.0, float(height)) + 1.0
    left, top = tf.floor(x), tf.floor(y)
    across, along = x - left, y - top
    place = tf.cast(top, tf.int32) * row + tf.cast(left, tf.int32)

    def between(place):
        first, second = (tf.cast(tf.gather(pixels, place + step), tf.float32) for step in (0, 1))
        return first + (second - first) * across[..., tf.newaxis]

    upper, lower = between(place), between(place + row)
    nearest = place + tf.cast(across >= 0.5, tf.int32) + row * tf.cast(along >= 0.5, tf.int32)
    return upper + (lower - upper) * along[..., tf.newaxis], tf.gather(classes, nearest)


def _reflected(place, length: int):
    """Places beyond either end of a side, back inside, half a pixel beyond its first and last pixel the mirror.

    Between the mirror and the middle of that pixel there is nothing but the pixel.
    """
    beyond = tf.abs(place + 0.5)  # from the edge
    return tf.clip_by_value(length - tf.abs(length - beyond) - 0.5, 0.0, length - 1.0)


def _from_centre(length: int):
    return tf.range(length, dtype=tf.float32) - (length - 1) / 2


def augment(image, labels, recipe: Recipe, seed):
    """Draw one variant of a sample: `(H, W, 3)` and `(H, W)` uint8 to float32 0–255 and uint8, same shapes.

    `seed` is an int32 pair: the same seed gives the same variant, wherever and whenever it is drawn.
    """
    if recipe == RECIPES["none"]:
        return tf.cast(image, tf.float32), labels
    return _variant(image, labels, recipe, draws(seed))


@tf.function(jit_compile=True, autograph=False)
def _variant(image, labels, recipe: Recipe, drawn):
    image, labels = warp(image, labels, drawn_matrix(recipe, drawn, *labels.shape), recipe.mirrored)
    return colours(image, recipe, drawn), labels


def draws(seed):
    """What `drawn_matrix` and `colours` take, `(17,)` float32 in [0, 1); not in XLA, whose generator may differ."""
    return tf.random.stateless_uniform([17], seed)


def drawn_matrix(recipe: Recipe, drawn, height: int, width: int):
    """The matrix, `(3, 3)` float32, from places of a sample of `height × width` to places of its source."""
    degrees = tf.constant(0.0)
    if recipe.angles:
        choice = tf.cast(drawn[1] * len(recipe.angles), tf.int32)
        turned = tf.gather(tf.constant(recipe.angles), choice)
        degrees = tf.where(drawn[0] < recipe.rotation_probability, turned, 0.0)
    degrees += recipe.angle_jitter * (2.0 * drawn[2] - 1.0)
    least, most = recipe.zoom
    part = least + (most - least) * drawn[3]
    room = tf.abs(1.0 - part)
    cropped = crop(part, room * width * (drawn[4] - 0.5), room * height * (drawn[5] - 0.5))
    mirrored = flip(drawn[6] < recipe.flip_probability, drawn[16] < recipe.vertical_flip_probability)
    return rotation(degrees) @ mirrored @ cropped


def colours(image, recipe: Recipe, drawn):
    """Other light, season and sensor: `(H, W, 3)` float32 0–255 to the same."""

    def factor(value, most):
        return 1.0 + most * (2.0 * value - 1.0)

    if recipe.contrast:
        mean = tf.reduce_mean(image)
        image = (image - mean) * factor(drawn[7], recipe.contrast) + mean
    if recipe.brightness or recipe.tint:
        image *= factor(drawn[8], recipe.brightness) * factor(drawn[9:12], recipe.tint)
    if recipe.saturation:
        grey = tf.reduce_mean(image, axis=-1, keepdims=True)
        image = (image - grey) * factor(drawn[12], recipe.saturation) + grey
    if recipe.shade:
        height, width = image.shape[:2]
        down, right = tf.meshgrid(tf.linspace(-0.5, 0.5, height), tf.linspace(-0.5, 0.5, width), indexing="ij")
        slope = right * (2.0 * drawn[14] - 1.0) + down * (2.0 * drawn[15] - 1.0)
        image *= (1.0 + recipe.shade * slope)[..., tf.newaxis]
    image = tf.clip_by_value(image, 0.0, 255.0)
    if recipe.gamma:
        image = 255.0 * (image / 255.0) ** factor(drawn[13], recipe.gamma)
    return image
