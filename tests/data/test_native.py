"""One scale for every image: sizes, places of squares, and what of the ground they show."""

import numpy as np
import pytest
from PIL import Image

from keras_landslide.data.layouts import find_samples
from keras_landslide.data.native import drawn_square, full_square, resampled, resampled_labels
from keras_landslide.data.pipeline import training_stream

PLACES = (0.0, 0.25, 0.5, 0.75, 1.0)


def coordinates(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """An image whose colours say where a pixel is, and classes that do so by a checkerboard."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y, x, 0 * x + 7], -1).astype(np.uint8), ((y + x) % 2).astype(np.uint8)


@pytest.mark.parametrize(("zoom", "method"), [(0.5, Image.Resampling.BOX), (1.5, Image.Resampling.BILINEAR)])
def test_images_are_resampled_as_pillow_does_it(zoom, method):
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    found = resampled(image, zoom)
    wanted = np.asarray(Image.fromarray(image).resize((round(60 * zoom), round(40 * zoom)), method))
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted).max() <= 1


def test_labels_are_the_nearest_and_have_the_size_of_the_image():
    classes = np.array([[0, 1], [255, 0]], np.uint8)
    np.testing.assert_array_equal(resampled_labels(classes, 3.0), classes.repeat(3, 0).repeat(3, 1))
    for zoom in (0.01, 0.37, 1.0, 1.5):
        assert (
            resampled(*[coordinates(31, 18)[0], zoom]).shape[:2] == resampled_labels(coordinates(31, 18)[1], zoom).shape
        )


@pytest.mark.parametrize(("height", "width"), [(20, 90), (64, 64), (100, 70)])
def test_a_square_is_a_piece_of_the_image_and_ignored_elsewhere(height, width):
    image, labels = coordinates(height, width)
    for down in PLACES:
        for right in PLACES:
            square, classes = drawn_square(image, labels, 64, (down, right))
            assert square.shape == (64, 64, 3) and classes.shape == (64, 64)
            shown = classes != 255
            assert (square[~shown] == 128).all()
            tops, lefts = (square[..., axis].astype(int) - np.mgrid[:64, :64][axis] for axis in (0, 1))
            (top,), (left,) = set(tops[shown]), set(lefts[shown])
            np.testing.assert_array_equal(classes[shown], labels[square[shown][:, 0], square[shown][:, 1]])
            for side, start, seen in ((height, top, shown.any(1).sum()), (width, left, shown.any(0).sum())):
                most = min(side, 64)
                assert 0.5 * most - 1 <= seen <= most
                assert seen == min(side, start + 64) - max(0, start)


@pytest.mark.parametrize("side", [20, 40, 64])
def test_the_middle_of_an_image_comes_to_every_part_of_a_square(side):
    """Landslides stand there in Bijie. All sixteen parts of the square, edges too, get as many of the draws."""
    image, labels = coordinates(side, side)
    random, found = np.random.default_rng(0), []
    for _ in range(1600):
        square, _ = drawn_square(image, labels, 64, tuple(random.random(2)))
        places = np.argwhere((square[..., 0] == side // 2) & (square[..., 1] == side // 2) & (square[..., 2] == 7))
        found += places.tolist()
    counts = np.histogram2d(*np.array(found).T, bins=4, range=[(0, 64)] * 2)[0]
    assert counts.sum() > 1550  # the others lie one pixel outside
    assert counts.min() > 65 and counts.max() < 140  # four deviations


def test_what_lies_around_an_image_is_the_other_square_with_its_classes():
    image, labels = coordinates(30, 30)
    around = np.full((64, 64, 3), 200, np.uint8), np.full((64, 64), 4, np.uint8)
    for place in ((0.0, 0.0), (0.3, 0.6), (1.0, 1.0)):
        alone, known = drawn_square(image, labels, 64, place)
        square, classes = drawn_square(image, labels, 64, place, around)
        inside = known != 255
        np.testing.assert_array_equal(square, np.where(inside[..., None], alone, 200))
        np.testing.assert_array_equal(classes, np.where(inside, known, 4))
    assert (around[0] == 200).all() and (around[1] == 4).all()


@pytest.mark.parametrize(("height", "width"), [(100, 90), (20, 90), (30, 9)])
def test_a_full_square_is_cut_from_the_image_or_goes_on_mirrored(height, width):
    image, labels = coordinates(height, width)
    for place in ((0.0, 0.0), (0.5, 0.9)):
        square, classes = full_square(image, labels, 64, place)
        top, left = (int(part * (max(side - 64, 0) + 1)) for part, side in zip(place, (height, width), strict=True))

        def mirrored(start, side):  # there and back again
            there = np.arange(start, min(side, start + 64))
            return np.tile(np.concatenate([there, there[::-1]]), 8)[:64]

        wanted = np.ix_(mirrored(top, height), mirrored(left, width))
        np.testing.assert_array_equal(square, image[wanted])
        np.testing.assert_array_equal(classes, labels[wanted])


def test_half_of_the_squares_of_a_stream_show_another_sample_around(tmp_path):
    """One colour for each sample, which is its class, too: what is seen and what is marked must be of the same one."""
    for number in range(4):
        for name, content in (("image", np.full((40, 40, 3), 50 * number)), ("mask", np.full((40, 40), number % 2))):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(content.astype(np.uint8)).save(tmp_path / name / f"{number}.png")
    samples = find_samples(tmp_path)
    options = {"image_size": 64, "batch_size": 1, "augmentation": "none", "seed": 0, "sampling": "native"}
    seen = []
    for squares, classes in training_stream(samples, **options).take(200):
        values, known = squares.numpy()[0, ..., 0], classes.numpy()[0]
        np.testing.assert_array_equal(values == 128, known == 255)
        np.testing.assert_array_equal((values / 50 % 2)[known != 255], known[known != 255])
        seen.append(frozenset(np.unique(values)))
    grey = [128 in one for one in seen]
    assert 70 < sum(grey) < 130
    assert len({one for one, alone in zip(seen, grey, strict=True) if not alone}) == 4 * 3 // 2 + 4  # every pair


def test_the_stream_shows_squares_of_the_resampled_image(scenes):
    """The oracle: the visible part is looked for at every place of the image that was enlarged by Pillow.

    Squares with more around the image are not looked at: what is visible is no rectangle there.
    """
    (sample,) = [one for one in find_samples(scenes) if min(one.read()[1].shape) > 60][:1]
    image, labels = sample.read()
    height, width = (round(side * 1.5) for side in labels.shape)
    image = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)).astype(int)
    options = {"image_size": 64, "batch_size": 1, "augmentation": "none", "seed": 3, "sampling": "native", "zoom": 1.5}
    shown_places = set()
    for squares, classes in training_stream([sample], **options).take(12):
        if (classes.numpy() != 255).all():
            continue
        shown = np.argwhere(classes.numpy()[0] != 255)
        (top, left), (bottom, right) = shown.min(0), shown.max(0) + 1
        part = squares.numpy()[0, top:bottom, left:right]
        matches = [
            (y, x)
            for y in range(height - part.shape[0] + 1)
            for x in range(width - part.shape[1] + 1)
            if np.abs(image[y : y + part.shape[0], x : x + part.shape[1]] - part).max() <= 1
        ]
        assert len(matches) == 1
        shown_places.add((*matches[0], top, left))
    assert len(shown_places) >= 4


def test_augmentation_varies_one_scale_by_a_quarter_at_most(tmp_path):
    """Colours that say where a pixel is: how far they go from one pixel to the next is the scale. Table 2 has 0.7."""
    image, _ = coordinates(128, 128)
    for name, content in (("image", image), ("mask", np.zeros((128, 128), np.uint8))):
        (tmp_path / name).mkdir()
        Image.fromarray(content).save(tmp_path / name / "a.png")
    samples = find_samples(tmp_path)

    def scales(sampling: str) -> np.ndarray:
        options = {"image_size": 128, "batch_size": 1, "augmentation": "paper", "seed": 0, "sampling": sampling}
        found = []
        for squares, classes in training_stream(samples, **options).take(12):
            red, shown = squares.numpy()[0, ..., 0], classes.numpy()[0] != 255
            inside = shown[:-1, :-1] & shown[1:, :-1] & shown[:-1, 1:]
            steps = np.hypot(np.diff(red, axis=0)[:, :-1], np.diff(red, axis=1)[:-1])[inside]
            found.append(np.median(steps))
        return np.array(found)

    np.testing.assert_allclose(scales("squeeze"), 0.7, atol=0.02)
    native = scales("native")
    assert native.min() > 0.78 and native.max() < 1.27 and np.ptp(native) > 0.2
