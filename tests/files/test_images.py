"""Image files are read as RGB and as they are stored, or refused."""

import cv2
import numpy as np
import pytest
from PIL import Image

from keras_landslide.errors import LandslideError
from keras_landslide.files.images import read_grey, read_image, read_indexed, write_image


def test_images_are_rgb(tmp_path):
    image = np.zeros((4, 6, 3), np.uint8)
    image[..., 0] = 200
    write_image(tmp_path / "red.png", image)
    assert cv2.imread(str(tmp_path / "red.png"))[0, 0].tolist() == [0, 0, 200]  # OpenCV reads blue first
    np.testing.assert_array_equal(read_image(tmp_path / "red.png"), image)


def test_a_grey_mask_stored_in_three_equal_channels_is_grey(tmp_path):
    mask = np.eye(5, dtype=np.uint8) * 255
    cv2.imwrite(str(tmp_path / "mask.png"), np.dstack([mask] * 3))
    np.testing.assert_array_equal(read_grey(tmp_path / "mask.png"), mask)


def test_what_opencv_would_change_is_read_as_stored_or_refused(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    turned = Image.Exif()
    turned[0x0112] = 6  # a viewer turns it by 90°
    Image.fromarray(rgb).save(tmp_path / "turned.png", exif=turned)
    Image.fromarray(np.dstack([rgb, rgb[..., 0] // 2])).save(tmp_path / "four.tif")
    Image.fromarray(np.dstack([rgb[..., 0], rgb[..., 1]])).save(tmp_path / "two.png")
    np.testing.assert_array_equal(read_image(tmp_path / "turned.png"), rgb)
    np.testing.assert_array_equal(read_image(tmp_path / "two.png"), rgb[..., :1].repeat(3, 2))
    cv2.imwrite(str(tmp_path / "deep.png"), rgb.astype(np.uint16) * 12)
    for name, text in (("deep.png", "holds uint16 values; store 8 bits a band"), ("four.tif", "has 4 bands")):
        with pytest.raises(LandslideError, match=text):
            read_image(tmp_path / name)


def test_what_the_system_refuses_is_not_called_a_broken_image(tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(LandslideError, match=r"folder\.png: cannot be read \(Is a directory\)"):
        read_indexed(tmp_path / "folder.png")
    with pytest.raises(LandslideError, match=r"broken\.png: is not a readable image; replace or remove"):
        read_indexed(tmp_path / "broken.png")
