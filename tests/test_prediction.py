"""Names of outputs, and overlays."""

import numpy as np
import pytest

from keras_landslide.errors import LandslideError
from keras_landslide.io import write_image
from keras_landslide.prediction import OUTLINE, find_images, output_names, overlay


@pytest.fixture
def folders(tmp_path):
    for name in ("may/x.png", "june/x.png", "june/y.png", "2021/june/x.png", "june/x.jpg"):
        write_image(tmp_path / name, np.zeros((4, 4, 3), np.uint8))
    return tmp_path


def test_equal_stems_do_not_overwrite_each_other(folders):
    images = find_images(
        [folders / "may", folders / "june" / "x.png", folders / "june" / "y.png", folders / "2021/june"]
    )
    names = output_names(images)
    assert len(set(names)) == 4
    assert names[0] == "may_x" and names[2] == "y"
    assert names[3].endswith("june_x") and names[3] != names[1]


def test_equal_stems_in_one_folder(folders):
    assert len(set(output_names(find_images([folders / "june"])))) == 3


def test_an_image_given_twice_is_predicted_once(folders):
    assert len(find_images([folders / "may", folders / "may" / "x.png", folders / "june/../may"])) == 1


def test_everything_missing_is_named(folders):
    (folders / "notes.txt").write_text("")
    with pytest.raises(LandslideError) as error:
        find_images([folders / "nothing.png", folders / "notes.txt", folders / "2021", folders / "may"])
    assert len(error.value.files) == 3


def test_the_outline_is_drawn_where_the_mask_ends():
    landslide = np.zeros((40, 50), bool)
    landslide[10:20, 15:35] = True
    drawn = overlay(np.full((40, 50, 3), 90, np.uint8), landslide)
    changed = (drawn == OUTLINE).all(-1)
    assert changed[10, 15:35].all() and changed[10:20, 34].all()
    assert not changed[13:17, 20:30].any() and not changed[:8].any()
    assert (drawn[~changed] == 90).all()


def test_of_a_folder_in_vocs_form_the_photographs_are_found(voc):
    assert find_images([voc]) == sorted((voc / "JPEGImages").iterdir())
