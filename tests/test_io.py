"""Files are whole or not there; images are RGB."""

import json

import cv2
import numpy as np
import pytest

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
