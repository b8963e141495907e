"""One scale for every image: sizes, places of squares, and what of the ground they show."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from keras_landslide.data import pipeline
from keras_landslide.data.layouts import find_samples
from keras_landslide.data.native import full_square, resampled, resampled_labels, surrounded_square, with_a_collar
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


@pytest.mark.parametrize(("height", "width"), [(20, 90), (64, 64), (100, 70), (30, 9)])
def test_a_full_square_is_a_piece_of_the_image_and_its_mirror_images(height, width):
    image, labels = coordinates(height, width)
    around = [(64, 64), (64, 64)]
    larger = np.pad(image, [*around, (0, 0)], mode="symmetric"), np.pad(labels, around, mode="symmetric")
    for place in [(down, right) for down in PLACES for right in PLACES]:
        square, classes = full_square(image, labels, 64, place)
        # half of what is shown of a side lies beyond at most
        top, left = (
            int(part * max(side, 64) + min(side - 64, 0) - min(side, 64) / 2) + 64
            for part, side in zip(place, (height, width), strict=True)
        )
        there = [
            (y, x)
            for y in range(max(0, top - 1), top + 3)
            for x in range(max(0, left - 1), left + 3)
            if np.array_equal(larger[0][y : y + 64, x : x + 64], square)
        ]
        assert len(there) == 1
        ((y, x),) = there
        np.testing.assert_array_equal(classes, larger[1][y : y + 64, x : x + 64])
        for start, side in ((y - 64, height), (x - 64, width)):
            assert min(side, start + 64) - max(0, start) >= 0.5 * min(side, 64) - 1


@pytest.mark.parametrize("side", [20, 40, 64])
def test_the_middle_of_an_image_comes_to_every_part_of_a_square(side):
    """Landslides stand there in Bijie. All sixteen parts of the square, edges too, get as many of the draws."""
    image, labels = coordinates(side, side)
    nothing = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.uint8)
    random, found = np.random.default_rng(0), []
    for _ in range(1600):
        square, _ = surrounded_square(image, labels, 64, tuple(random.random(2)), nothing)
        places = np.argwhere((square[..., 0] == side // 2) & (square[..., 1] == side // 2) & (square[..., 2] == 7))
        found += places.tolist()
    counts = np.histogram2d(*np.array(found).T, bins=4, range=[(0, 64)] * 2)[0]
    assert counts.sum() > 1550  # the others lie one pixel outside
    assert counts.min() > 65 and counts.max() < 140  # four deviations


def test_what_lies_around_an_image_is_the_other_square_with_its_classes():
    """Where a square of the image alone shows the image itself, not its mirror image, that is seen; else the other."""
    image, labels = coordinates(30, 20)
    marked = image.copy()
    marked[..., 2] = 9
    around = np.full((64, 64, 3), 200, np.uint8), np.full((64, 64), 4, np.uint8)
    for place in ((0.0, 0.0), (0.3, 0.6), (1.0, 1.0)):
        square, classes = surrounded_square(marked, labels, 64, place, around)
        inside = square[..., 2] == 9
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        assert len(rows) >= 15 and len(columns) >= 10 and inside.sum() == len(rows) * len(columns)
        alone, known = full_square(marked, labels, 64, place)
        np.testing.assert_array_equal(square[inside], alone[inside])
        np.testing.assert_array_equal(classes[inside], known[inside])
        assert (square[~inside] == 200).all() and (classes[~inside] == 4).all()
        assert (np.diff(square[inside.any(1)][:, columns[0], 0].astype(int)) == 1).all()  # not a mirror image
    assert (around[0] == 200).all() and (around[1] == 4).all()


def test_a_collar_is_grey_and_ignored_and_the_rest_stays():
    image, labels = coordinates(64, 64)
    square, classes = with_a_collar(image, labels, 0.25)
    assert (square[48:] == 128).all() and (classes[48:] == 255).all()
    np.testing.assert_array_equal(square[:48], image[:48])
    np.testing.assert_array_equal(classes[:48], labels[:48])
    assert labels.max() == 1


def test_a_stream_shows_samples_alone_and_among_others_and_some_with_a_collar(tmp_path):
    """One colour for each sample, which is its class, too: what is seen and what is marked must be of the same one."""
    for number in range(4):
        for name, content in (("image", np.full((40, 40, 3), 50 * number)), ("mask", np.full((40, 40), number % 2))):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(content.astype(np.uint8)).save(tmp_path / name / f"{number}.png")
    samples = find_samples(tmp_path)
    options = {"image_size": 64, "batch_size": 1, "augmentation": "none", "seed": 0, "sampling": "native"}
    seen, collars = [], []
    for squares, classes in training_stream(samples, **options).take(400):
        values, known = squares.numpy()[0, ..., 0], classes.numpy()[0]
        np.testing.assert_array_equal(values == 128, known == 255)
        np.testing.assert_array_equal((values / 50 % 2)[known != 255], known[known != 255])
        rows = (known == 255).all(1)
        assert rows.sum() * 64 == (known == 255).sum() and not (np.diff(rows.astype(int)) < 0).any()  # the lowest
        collars.append(rows.mean())
        seen.append(frozenset(np.unique(values[~rows])))
    pairs = {one for one in seen if len(one) == 2}
    assert len(pairs) == 4 * 3 // 2 and 100 < sum(one in pairs for one in seen) < 200  # a quarter shows itself again
    collars = np.array(collars)
    assert 60 < (collars > 0).sum() < 140 and 0.5 < collars.max() <= 0.6


def test_the_stream_shows_squares_of_the_resampled_image(scenes, monkeypatch):
    """The oracle: what is seen is looked for in the image that Pillow enlarged, and NumPy mirrored."""
    (sample,) = [one for one in find_samples(scenes) if min(one.read()[1].shape) > 60][:1]
    image, labels = sample.read()
    height, width = (round(side * 1.5) for side in labels.shape)
    image = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)).astype(int)
    larger = np.pad(image, [(32, 32), (32, 32), (0, 0)], mode="symmetric")
    options = {"image_size": 64, "batch_size": 1, "augmentation": "none", "seed": 3, "sampling": "native", "zoom": 1.5}
    monkeypatch.setattr(pipeline, "SURROUNDED", 0.0)
    found = set()
    for squares, classes in training_stream([sample], **options).take(8):
        shown = ~(classes.numpy()[0] == 255).all(1)
        part = squares.numpy()[0, shown]
        places = {
            (y, x)
            for y in range(larger.shape[0] - 63)
            for x in range(larger.shape[1] - 63)
            if np.abs(larger[y : y + len(part), x : x + 64] - part).max() <= 1
        }
        assert len(places) == 1
        found |= places
    assert len(found) == 8


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


@pytest.mark.parametrize("name", ["paper", "default", "strong"])
def test_augmentation_at_one_scale_opens_no_grey(scenes, name, monkeypatch):
    """Grey that follows an image would say where it ends, and with that where its landslide is."""
    monkeypatch.setattr(pipeline, "COLLARED", 0.0)

    def ignored() -> int:
        options = {"image_size": 64, "batch_size": 1, "augmentation": name, "seed": 0, "sampling": "native"}
        stream = training_stream(find_samples(scenes)[:6], **options).take(12)
        return sum(int((labels.numpy() == 255).sum()) for _, labels in stream)

    assert ignored() == 0
    usual = pipeline.at_one_scale
    monkeypatch.setattr(pipeline, "at_one_scale", lambda recipe: dataclasses.replace(usual(recipe), mirrored=False))
    assert ignored() > 500
