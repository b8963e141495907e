"""Files are whole or not there; images are RGB."""

import json
import os
import tempfile

import cv2
import numpy as np
import pytest
from PIL import Image

from keras_landslide.errors import LandslideError
from keras_landslide.io import (
    folder_written_beside,
    free_folder,
    json_text,
    read_grey,
    read_image,
    write_image,
    write_json,
    written_beside,
)


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


def test_a_writer_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("good")
    with pytest.raises(RuntimeError), written_beside(path) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "good"
    assert [file.name for file in tmp_path.iterdir()] == ["result.txt"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(RuntimeError), folder_written_beside(out) as beside:
        (beside / "half").mkdir()
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    for number, replace in enumerate((False, False, True)):
        with folder_written_beside(out, replace=replace) as beside:
            (beside / "model").mkdir()
            (beside / "model" / f"part{number}").touch()
            (beside / f"card{number}").touch()
        inside = {path.relative_to(out).as_posix() for path in out.rglob("*")}
        kept = set() if replace else {f"card{before}" for before in range(number)}
        assert inside == {"model", f"model/part{number}", f"card{number}"} | kept
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("absolute", [False, True], ids=["own", "absolute"])
@pytest.mark.parametrize("way", ["dot", "relative", "link"])
def test_the_content_of_a_folder_that_stays_is_replaced(tmp_path, monkeypatch, way, absolute):
    """From Python 3.12 on a temporary folder in a relative one has an absolute path."""
    if absolute:
        make = tempfile.mkdtemp
        monkeypatch.setattr(tempfile, "mkdtemp", lambda *given, **named: os.path.abspath(make(*given, **named)))
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").touch()
    (tmp_path / "link").symlink_to(out)
    monkeypatch.chdir(out)
    named = {"dot": ".", "relative": "../out", "link": tmp_path / "link"}[way]
    with pytest.raises(RuntimeError), folder_written_beside(named, replace=True) as beside:
        raise RuntimeError
    assert [one.name for one in out.iterdir()] == ["old"]
    with folder_written_beside(named, replace=True) as beside:
        (beside / "new").touch()
    assert [one.name for one in out.iterdir()] == ["new"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link", "out"]


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


def test_json_reads_back(tmp_path):
    content = {"a": [1, 2], "per_image": {f"image{n}": [[n, 0], [0, n]] for n in range(40)}, "none": None, "é": 0.1}
    write_json(tmp_path / "x.json", content)
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == content
    assert max(map(len, json_text(content).splitlines())) < 120


def test_a_free_folder_is_only_checked(tmp_path):
    free_folder(tmp_path / "new" / "deep")
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(LandslideError, match="is a file"):
        free_folder(tmp_path / "file")
    with pytest.raises(LandslideError, match="--overwrite"):
        free_folder(tmp_path)
    free_folder(tmp_path, overwrite=True)
