"""Masks of every coding, against hand-made classes."""

import cv2
import numpy as np
import pytest

from keras_landslide.data.checks import check_samples
from keras_landslide.data.prepare.masks import read_mask
from keras_landslide.data.sample import Sample
from keras_landslide.errors import LandslideError

SHAPE = np.zeros((60, 80), np.uint8)
SHAPE[20:40, 30:65] = 1
SHAPE[10:25, 25:40] = 1


def coloured(background, landslide):
    """BGR."""
    return np.where(SHAPE[..., None] == 1, np.uint8(landslide), np.uint8(background))


@pytest.mark.parametrize(
    ("stored", "suffix", "coding", "as_it_is"),
    [
        (SHAPE, ".png", "0/1", True),
        (SHAPE * 255, ".png", "0/255", True),
        (SHAPE * 255, ".bmp", "0/255", True),
        (np.dstack([SHAPE * 255] * 3), ".png", "0/255", True),
        (SHAPE.astype(np.uint16) * 65535, ".png", "0/65535", True),
        (SHAPE + 1, ".png", "1/2", False),
        (SHAPE.astype(np.float32), ".tif", "0/1", False),
        (coloured((0, 0, 0), (0, 0, 128)), ".png", "colour #800000 on #000000", False),
        (coloured((255, 255, 255), (0, 0, 255)), ".png", "colour #ff0000 on #ffffff", False),  # as on a map
        (coloured((0, 0, 0), (255, 255, 128)), ".png", "colour #80ffff on #000000", False),
        (np.dstack([coloured((0, 0, 0), (0, 0, 128)), SHAPE * 255]), ".png", "transparency", False),
        (np.dstack([coloured((9, 9, 9), (9, 9, 9)), SHAPE * 255]), ".png", "transparency", False),
        (np.dstack([coloured((0, 0, 0), (0, 0, 128)), SHAPE * 0 + 200]), ".png", "colour #800000 on #000000", False),
        (cv2.GaussianBlur(SHAPE * 255, (3, 3), 0), ".png", "soft", False),
        (SHAPE * 255, ".jpg", "soft", False),
        (coloured((0, 0, 0), (0, 0, 255)), ".jpg", "soft #fe0000 on #000000", False),
    ],
)
def test_codings(tmp_path, stored, suffix, coding, as_it_is):
    path = tmp_path / f"mask{suffix}"
    cv2.imwrite(str(path), stored)
    mask = read_mask(path)
    assert (mask.coding, mask.as_it_is) == (coding, as_it_is)
    assert mask.classes.dtype == np.uint8
    off = mask.classes != SHAPE
    edge = cv2.dilate(SHAPE, np.ones((3, 3))) - cv2.erode(SHAPE, np.ones((3, 3)))
    assert not off[edge == 0].any() and off.sum() <= (8 if "soft" in coding else 0)


def with_palette(path, indices, colours):
    """A PNG with a palette, made by Pillow (OpenCV writes none)."""
    image = pytest.importorskip("PIL.Image").fromarray(indices).convert("P")
    image.putdata(indices.reshape(-1).tolist())
    image.putpalette([value for colour in colours for value in colour])
    image.save(path)


def test_a_palette_is_resolved(tmp_path):
    with_palette(tmp_path / "m.png", SHAPE, [(0, 0, 0), (128, 0, 0)])
    mask = read_mask(tmp_path / "m.png")
    assert (mask.coding, mask.as_it_is) == ("palette #800000 on #000000", False)
    np.testing.assert_array_equal(mask.classes, SHAPE)
    with_palette(tmp_path / "grey.png", SHAPE, [(0, 0, 0), (255, 255, 255)])
    mask = read_mask(tmp_path / "grey.png")
    assert (mask.coding, mask.as_it_is) == ("0/255", True)
    np.testing.assert_array_equal(mask.classes, SHAPE)


@pytest.mark.parametrize("value", [0, 1, 255])
def test_one_value(tmp_path, value):
    cv2.imwrite(str(tmp_path / "m.png"), np.full((9, 7), value, np.uint8))
    mask = read_mask(tmp_path / "m.png")
    assert mask.coding == f"only {value}" and (mask.classes == (value > 0)).all()


def several(*values):
    return np.resize(np.array(values, np.uint8), (40, 40))


@pytest.mark.parametrize(
    "stored",
    [several(0, 1, 2), several(0, 1, 255), several(*range(20)), several(*range(256)), several(0, 128, 255)],
    ids=["classes", "ignored", "many", "photograph", "three"],
)
def test_what_is_neither_two_classes_nor_soft_is_refused(tmp_path, stored):
    cv2.imwrite(str(tmp_path / "m.png"), stored)
    with pytest.raises(LandslideError, match=r"has the values 0, .*neither two classes nor"):
        read_mask(tmp_path / "m.png")


def blocks(*values):
    """One square of each value on the first."""
    classes = np.zeros((90, 120, *np.shape(values[0])), np.uint8) + np.uint8(values[0])
    for number, value in enumerate(values[1:]):
        classes[10:30, 10 + 35 * number : 40 + 35 * number] = value
    return classes


@pytest.mark.parametrize(
    "stored",
    [
        blocks((0, 0, 0), (0, 0, 128), (0, 128, 0), (0, 128, 128)),  # VOC's colours: equal in their brightest channel
        blocks((0, 0, 0), (0, 0, 255), (255, 0, 0)),
        blocks((0, 0, 0), (0, 0, 100), (0, 0, 170), (0, 0, 255)),
        blocks(0, 85, 170, 255),
        blocks(0, 1, 2, 255),
    ],
    ids=["voc", "three", "one hue", "grey", "ignored"],
)
def test_blocks_of_several_classes_are_not_taken_for_two(tmp_path, stored):
    cv2.imwrite(str(tmp_path / "m.png"), stored)
    with pytest.raises(LandslideError, match="neither two classes nor"):
        read_mask(tmp_path / "m.png")


@pytest.mark.parametrize("quality", [75, 95])
@pytest.mark.parametrize(
    ("background", "landslide"),
    [((0, 0, 0), (0, 0, 128)), ((0, 0, 0), (0, 255, 255)), ((240, 240, 240), (60, 80, 240))],
)
def test_colours_of_a_lossy_file_are_two_classes(tmp_path, background, landslide, quality):
    large = cv2.resize(SHAPE, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)
    stored = np.where(large[..., None] == 1, np.uint8(landslide), np.uint8(background))
    cv2.imwrite(str(tmp_path / "m.jpg"), stored, [cv2.IMWRITE_JPEG_QUALITY, quality])
    mask = read_mask(tmp_path / "m.jpg")
    assert mask.coding.startswith("soft #") and (mask.classes != large).mean() < 0.005


def test_a_palette_of_several_classes_is_not_taken_for_soft(tmp_path):
    indices = np.zeros((60, 60), np.uint8)
    indices[:3, :3], indices[5:9, 5:9], indices[20:23] = 1, 2, 3
    with_palette(tmp_path / "m.png", indices, [(0, 0, 0), (60, 0, 0), (0, 120, 0), (255, 255, 0)])
    with pytest.raises(LandslideError, match="neither two classes"):
        read_mask(tmp_path / "m.png")


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        (coloured((255, 0, 0), (0, 0, 255)), "neither black nor white"),
        (np.dstack([coloured((0, 0, 0), (0, 0, 255)), 1 - SHAPE]), "another in its"),
    ],
)
def test_what_cannot_be_known_is_refused(tmp_path, stored, text):
    cv2.imwrite(str(tmp_path / "m.png"), stored)
    with pytest.raises(LandslideError, match=text):
        read_mask(tmp_path / "m.png")


def test_numbers_that_are_no_classes(tmp_path):
    cv2.imwrite(str(tmp_path / "m.tif"), np.where(SHAPE, np.float32(0.7), np.float32(0)))
    with pytest.raises(LandslideError, match="no whole numbers"):
        read_mask(tmp_path / "m.tif")


def test_training_takes_exactly_what_is_fine_as_it_is(tmp_path):
    """`as_it_is` here and the check before training must agree, and so must the classes."""
    files = {"a.png": SHAPE, "b.png": SHAPE + 1, "c.tif": SHAPE.astype(np.float32), "d.jpg": SHAPE * 255}
    files |= {"e.png": SHAPE.astype(np.uint16) * 999, "f.png": coloured((0, 0, 0), (9, 0, 99)), "g.bmp": SHAPE * 7}
    files |= {"h.png": np.dstack([coloured((9, 9, 9), (9, 9, 9)), SHAPE * 255])}  # only its transparency has the shape
    cv2.imwrite(str(tmp_path / "image.png"), coloured((1, 2, 3), (4, 5, 6)))
    for name, stored in files.items():
        cv2.imwrite(str(tmp_path / name), stored)
        sample = Sample(name, tmp_path / "image.png", tmp_path / name, name)
        mask = read_mask(sample.mask)
        if mask.as_it_is:
            check_samples([sample], tmp_path)
            np.testing.assert_array_equal(sample.read()[1], mask.classes)
        else:
            with pytest.raises(LandslideError, match=r"`keras-landslide prepare .* --out CLEAN`"):
                check_samples([sample], tmp_path)
