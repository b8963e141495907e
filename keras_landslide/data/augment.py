"""Augmentation as one warp: small functions give 3×3 matrices, their product resamples image and labels together.

Matrices map places (x, y, 1) of the sample to places of the source, both measured from the centre in pixels. The
recipes are those of Table 2 (`paper`) and ours.
"""

import math
from dataclasses import dataclass

import tensorflow as tf

from ..settings import IGNORE_LABEL
from .letterbox import BAR_GREY


@dataclass(frozen=True)
class Recipe:
    """What may happen to a sample.

    `angles` in degrees are drawn from with `rotation_probability`, `angle_jitter` is added either way; `zoom` is the
    range of the part of each dimension that is kept (0.7: a crop to 0.7, resized back), placed at random inside;
    `brightness`, `contrast` and `tint` are the largest relative change of all values, of the distance from the mean,
    and of each channel.
    """

    angles: tuple[float, ...] = ()
    rotation_probability: float = 0.0
    angle_jitter: float = 0.0
    flip_probability: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    brightness: float = 0.0
    contrast: float = 0.0
    tint: float = 0.0


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
        angles=(0.0, 90.0, 180.0, 270.0),
        rotation_probability=1.0,
        angle_jitter=45.0,
        flip_probability=0.5,
        zoom=(0.4, 1.3),
        brightness=0.35,
        contrast=0.4,
        tint=0.15,
    ),
    "none": Recipe(),
}


def rotation(degrees):
    """Turn the picture by `degrees` anticlockwise."""
    angle = degrees * (math.pi / 180.0)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    return _matrix([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def flip(yes):
    """Mirror left and right where `yes`."""
    return _matrix([[tf.where(yes, -1.0, 1.0), 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def crop(part, right, down):
    """Keep `part` of each dimension, its centre moved `right` and `down` pixels, and enlarge it to the whole."""
    return _matrix([[part, 0.0, right], [0.0, part, down], [0.0, 0.0, 1.0]])


def _matrix(rows):
    return tf.stack([tf.stack([tf.cast(value, tf.float32) for value in row]) for row in rows])


def warp(image, labels, matrix):
    """Resample `(S, S, 3)` float32 (bilinear) and `(S, S)` uint8 (nearest) by `matrix`; what opens is grey, ignored."""
    centre = (tf.cast(tf.shape(image)[0], tf.float32) - 1.0) / 2.0
    to_centre = _matrix([[1.0, 0.0, -centre], [0.0, 1.0, -centre], [0.0, 0.0, 1.0]])
    from_centre = _matrix([[1.0, 0.0, centre], [0.0, 1.0, centre], [0.0, 0.0, 1.0]])
    transform = tf.reshape(from_centre @ matrix @ to_centre, [1, 9])[:, :8]

    def resample(picture, method, fill):
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=picture[tf.newaxis],
            transforms=transform,
            output_shape=tf.shape(picture)[:2],
            fill_value=tf.constant(fill, tf.float32),
            interpolation=method,
            fill_mode="CONSTANT",
        )[0]

    image = tf.ensure_shape(resample(image, "BILINEAR", BAR_GREY), image.shape)
    return image, tf.ensure_shape(resample(labels[..., tf.newaxis], "NEAREST", IGNORE_LABEL)[..., 0], labels.shape)


def augment(image, labels, recipe: Recipe, seed):
    """Draw one variant of a sample: `(S, S, 3)` and `(S, S)` uint8 to float32 0–255 and uint8, same shapes.

    `seed` is an int32 pair: the same seed gives the same variant, wherever and whenever it is drawn.
    """
    image = tf.cast(image, tf.float32)
    if recipe == RECIPES["none"]:
        return image, labels
    drawn = tf.random.stateless_uniform([12], seed)
    image, labels = warp(image, labels, _drawn_matrix(recipe, drawn, tf.shape(image)[0]))
    return _colours(image, recipe, drawn[7:]), labels


def _drawn_matrix(recipe: Recipe, drawn, size):
    degrees = tf.constant(0.0)
    if recipe.angles:
        choice = tf.cast(drawn[1] * len(recipe.angles), tf.int32)
        turned = tf.gather(tf.constant(recipe.angles), choice)
        degrees = tf.where(drawn[0] < recipe.rotation_probability, turned, 0.0)
    degrees += recipe.angle_jitter * (2.0 * drawn[2] - 1.0)
    least, most = recipe.zoom
    part = least + (most - least) * drawn[3]
    room = tf.maximum(1.0 - part, 0.0) * tf.cast(size, tf.float32)
    cropped = crop(part, room * (drawn[4] - 0.5), room * (drawn[5] - 0.5))
    return rotation(degrees) @ flip(drawn[6] < recipe.flip_probability) @ cropped


def _colours(image, recipe: Recipe, drawn):
    if not (recipe.brightness or recipe.contrast or recipe.tint):
        return image

    def factor(value, most):
        return 1.0 + most * (2.0 * value - 1.0)

    mean = tf.reduce_mean(image)
    image = (image - mean) * factor(drawn[0], recipe.contrast) + mean
    image *= factor(drawn[1], recipe.brightness) * factor(drawn[2:5], recipe.tint)
    return tf.clip_by_value(image, 0.0, 255.0)
