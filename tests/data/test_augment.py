"""Every augmentation moves image and mask together, and does what it is called."""

import numpy as np
import pytest
import tensorflow as tf

from keras_landslide.data.augment import RECIPES, augment, crop, flip, rotation, warp

SIZE = 48


@pytest.fixture
def aligned():
    """A smooth image and a mask that is a function of it: landslide where red is over 128."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    red = 128 + 100 * np.sin(x / 12) * np.cos(y / 15)
    image = np.stack([red, 4 * x, 4 * y], -1)
    return image.clip(0, 255).astype(np.uint8), (red > 128).astype(np.uint8)


def warped(image, labels, matrix):
    moved, moved_labels = warp(tf.constant(image, tf.float32), tf.constant(labels), matrix)
    return moved.numpy(), moved_labels.numpy()


def test_quarter_turns_and_flip_are_numpys(aligned):
    image, labels = aligned
    for degrees, turns in ((90.0, 1), (-90.0, -1), (180.0, 2)):
        moved, moved_labels = warped(image, labels, rotation(degrees))
        np.testing.assert_allclose(moved, np.rot90(image, turns), atol=0.01)
        np.testing.assert_array_equal(moved_labels, np.rot90(labels, turns))
    moved, moved_labels = warped(image, labels, flip(True))
    np.testing.assert_allclose(moved, image[:, ::-1], atol=0.01)
    np.testing.assert_array_equal(moved_labels, labels[:, ::-1])


def test_twenty_degrees_against_opencv(aligned):
    import cv2

    image, labels = aligned
    centre = (SIZE - 1) / 2
    matrix = cv2.getRotationMatrix2D((centre, centre), 20.0, 1.0)
    expected = cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderValue=(128, 128, 128))
    moved, moved_labels = warped(image, labels, rotation(20.0))
    inside = moved_labels != 255
    assert 0.7 < inside.mean() < 0.95
    assert np.abs(moved - expected)[inside].mean() < 1.0
    assert np.abs(warped(image, labels, rotation(-20.0))[0] - expected)[inside].mean() > 10.0


def test_corners_that_open_are_ignored_and_grey(aligned):
    moved, labels = warped(*aligned, rotation(45.0))
    assert labels[0, 0] == 255 and labels[-1, -1] == 255 and (moved[0, 0] == 128).all()
    assert labels[SIZE // 2, SIZE // 2] != 255


def test_crop_enlarges_the_part_it_keeps(aligned):
    image, labels = aligned
    moved, _ = warped(image, labels, crop(0.5, 6.0, -4.0))
    centre = (SIZE - 1) / 2
    # green is 4 x and blue 4 y of the source: the sample's centre shows the moved place, its edge half as far away
    assert moved[24, 24, 1] == pytest.approx(4 * (centre + 6 + 0.5 * (24 - centre)), abs=1.0)
    assert moved[24, 40, 1] == pytest.approx(4 * (centre + 6 + 0.5 * (40 - centre)), abs=1.0)
    assert moved[10, 24, 2] == pytest.approx(4 * (centre - 4 + 0.5 * (10 - centre)), abs=1.0)


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "none"])
def test_image_and_mask_stay_aligned(aligned, name):
    """The mask says where red was over 128; after any warp it must say so still (colours are undone by rank)."""
    image, labels = aligned
    for number in range(20):
        moved, moved_labels = augment(image, labels, RECIPES[name], (number, 7))
        inside = moved_labels.numpy() != 255
        red, truth = moved.numpy()[..., 0][inside], moved_labels.numpy()[inside] == 1
        if 0.05 < truth.mean() < 0.95:
            threshold = np.quantile(red, 1 - truth.mean())
            assert ((red > threshold) == truth).mean() > 0.95, number


def test_the_alignment_test_notices_a_shift(aligned):
    image, labels = aligned
    moved, _ = augment(image, labels, RECIPES["paper"], (1, 7))
    _, other = augment(np.roll(image, 9, 1), np.roll(labels, 9, 1), RECIPES["paper"], (1, 7))
    inside = other.numpy() != 255
    assert ((moved.numpy()[..., 0] > 128)[inside] == (other.numpy() == 1)[inside]).mean() < 0.9


def test_table_2_as_written(aligned):
    """Half are rotated, by 20° or a quarter turn; all are flipped and cropped to 0.7."""
    angles, parts, mirrored = [], [], []
    ramp = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), -1).astype(np.float32)
    image = np.concatenate([2 * ramp, np.zeros((SIZE, SIZE, 1))], -1).astype(np.uint8)
    for number in range(200):
        moved = augment(image, np.zeros((SIZE, SIZE), np.uint8), RECIPES["paper"], (number, 1))[0].numpy()
        middle = moved[22:26, 22:26, :2].astype(np.float64) / 2
        right, down = np.gradient(middle, axis=1).mean((0, 1)), np.gradient(middle, axis=0).mean((0, 1))
        determinant = right[0] * down[1] - right[1] * down[0]
        mirrored.append(determinant < 0)
        parts.append(np.sqrt(abs(determinant)))
        angles.append(round(np.degrees(np.arctan2(-right[1], -right[0]))))
    assert all(mirrored)
    assert np.allclose(parts, 0.7, atol=0.05)
    assert 0.38 < np.mean(np.abs(angles) < 5) < 0.62
    assert {round(abs(angle) / 10) * 10 for angle in angles} == {0, 20, 90}


def test_none_changes_nothing(aligned):
    image, labels = augment(*aligned, RECIPES["none"], (0, 0))
    np.testing.assert_array_equal(image, aligned[0])
    np.testing.assert_array_equal(labels, aligned[1])


def test_the_same_eagerly_and_in_a_graph(aligned):
    image, labels = aligned
    eager = augment(image, labels, RECIPES["default"], (4, 2))
    dataset = tf.data.Dataset.from_tensors((image, labels)).map(lambda i, m: augment(i, m, RECIPES["default"], (4, 2)))
    in_graph = next(iter(dataset))
    np.testing.assert_allclose(eager[0], in_graph[0], atol=1e-3)
    np.testing.assert_array_equal(eager[1], in_graph[1])
