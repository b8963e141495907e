"""A user's folder: found, paired, and every bad file named in one go."""

import shutil

import cv2
import numpy as np
import pytest

from keras_landslide.data.checks import check_samples
from keras_landslide.data.dataset import load_split
from keras_landslide.data.layouts import find_negatives, find_samples, has_negatives
from keras_landslide.errors import LandslideError
from keras_landslide.files.images import write_image


@pytest.fixture
def folder(scenes, tmp_path):
    shutil.copytree(scenes / "landslide", tmp_path / "data" / "landslide")
    return tmp_path / "data"


def problems(folder) -> list[str]:
    with pytest.raises(LandslideError) as error:
        check_samples(find_samples(folder), folder)
    return error.value.files


def test_pairs_are_found_in_both_layouts(folder):
    names = [sample.name for sample in find_samples(folder)]
    assert len(names) == 16 and names == sorted(names)
    assert [sample.name for sample in find_samples(folder / "landslide")] == names


def test_each_sample_is_a_group_unless_a_table_says_otherwise(folder):
    names = [sample.name for sample in find_samples(folder)]
    assert [sample.group for sample in find_samples(folder)] == names
    table = folder / "landslide" / "groups.csv"
    table.write_text(f"name,group\n{names[1]},ridge\n{names[2]},ridge\ngone,ridge\n")
    assert [sample.group for sample in find_samples(folder)][:4] == [names[0], "ridge", "ridge", names[3]]
    table.write_bytes(f"\ufeffname,group\r\n{names[1]}.png,ridge\r\n{names[2]}.png,ridge\r\n\r\n".encode())  # Excel's
    assert [sample.group for sample in find_samples(folder)][:4] == [names[0], "ridge", "ridge", names[3]]
    table.write_text(f"name,group\n{names[0]},\n{names[1]},ridge\n{names[2]},ridge\n{names[3]}, \n")  # blank: no group
    assert [sample.group for sample in find_samples(folder)][:4] == [names[0], "ridge", "ridge", names[3]]
    twice = f"name,group\n{names[1]},a\n{names[1]},b\n".encode()
    mistakes = {b"": "is not a table", b"name;group\na;b\n": "is not a table", b"name,group\na,b,c\n": "is not a table"}
    mistakes |= {b'name,group\n"a,b\n' + b"x,y\n" * 50_000: "is not a table"}  # a quote that is never closed
    mistakes |= {b"name,group\ngr\xfcn,a\n": "not in UTF-8", b"name,group\na,b\n": "names none", twice: "the groups a"}
    for content, text in mistakes.items():
        table.write_bytes(content)
        with pytest.raises(LandslideError, match=rf"groups\.csv: .*{text}"):
            find_samples(folder)


def test_classes_are_zero_and_one(folder):
    sample = find_samples(folder)[0]
    mask = cv2.imread(str(sample.mask), cv2.IMREAD_UNCHANGED)
    image, classes = sample.read()
    np.testing.assert_array_equal(classes, mask // 255)
    np.testing.assert_array_equal(image[..., ::-1], cv2.imread(str(sample.image)))


def test_masks_of_zero_and_one_are_taken(folder):
    sample = find_samples(folder)[0]
    before = sample.read()[1]
    cv2.imwrite(str(sample.mask), before)
    check_samples([sample], folder)
    np.testing.assert_array_equal(sample.read()[1], before)


def test_a_good_folder_has_no_problems_and_counts_its_files(folder):
    asked = []
    check_samples(find_samples(folder), folder, lambda items, total: asked.append(total) or items)
    assert asked == [16]


def test_pairs_that_are_none_are_all_named(folder):
    (folder / "landslide/image/synth_0003.png").unlink()
    (folder / "landslide/mask/synth_0005.png").unlink()
    (folder / "landslide/mask/synth_0006.png").unlink()
    with pytest.raises(LandslideError, match="3 files cannot be used") as error:
        find_samples(folder)
    assert [line.split(": ")[0].rsplit("/", 2)[1:] for line in error.value.files] == [
        ["image", "synth_0005.png"],
        ["image", "synth_0006.png"],
        ["mask", "synth_0003.png"],
    ]


def test_files_without_a_partner_and_unreadable_ones_are_named_at_once(folder):
    (folder / "landslide/mask/synth_0005.png").unlink()
    (folder / "landslide/image/synth_0001.png").write_text("no image")
    with pytest.raises(LandslideError, match="2 files cannot be used") as error:
        find_samples(folder)
    assert ["has no mask" in error.value.files[0], "is not a readable image" in error.value.files[1]] == [True, True]


def test_bad_files_of_every_kind_are_named_at_once(folder):
    samples = find_samples(folder)
    samples[0].image.write_bytes(b"not a picture")
    samples[1].mask.write_bytes(samples[1].mask.read_bytes()[:40])
    samples[2].mask.write_bytes(b"")
    cv2.imwrite(str(samples[3].mask), np.zeros((10, 12), np.uint8))
    soft = cv2.imread(str(samples[4].mask), 0)
    cv2.imwrite(str(samples[4].mask), cv2.GaussianBlur(soft, (5, 5), 0))
    cv2.imwrite(str(samples[5].mask), np.dstack([soft, soft // 2, soft]))
    found = problems(folder)
    assert len(found) == 6
    texts = ("not a readable", "not a readable", "not a readable", "12×10", "values 0,", "channel")
    for sample, text in zip(samples, texts, strict=False):
        (line,) = [line for line in found if sample.name in line]
        assert text in line


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda folder: folder / "nowhere", "no such folder"),
        (lambda folder: folder / "landslide" / "image", "has neither"),
    ],
)
def test_another_folder(folder, make, text):
    with pytest.raises(LandslideError, match=text):
        find_samples(make(folder))


def test_an_empty_folder(tmp_path):
    (tmp_path / "image").mkdir()
    (tmp_path / "mask").mkdir()
    with pytest.raises(LandslideError, match="holds no images"):
        find_samples(tmp_path)


def test_images_without_landslide_are_all_background(scenes):
    negatives = find_negatives(scenes)
    assert [sample.name for sample in negatives] == [f"synth_{number:04d}" for number in range(17, 23)]
    image, classes = negatives[0].read()
    np.testing.assert_array_equal(image[..., ::-1], cv2.imread(str(scenes / "non-landslide/image/synth_0017.png")))
    assert classes.shape == image.shape[:2] and classes.dtype == np.uint8 and not classes.any()


def test_a_broken_image_without_landslide_is_named_among_the_others(folder, scenes):
    shutil.copytree(scenes / "non-landslide", folder / "non-landslide")
    samples, negatives = find_samples(folder), find_negatives(folder)
    check_samples(negatives, folder)
    negatives[2].image.write_bytes(b"no picture")
    samples[0].mask.write_bytes(b"")
    with pytest.raises(LandslideError, match="2 files cannot be used") as error:
        check_samples([*samples, *negatives], folder)
    assert samples[0].name in error.value.files[0] and negatives[2].name in error.value.files[1]


def test_pairs_and_images_without_landslide_are_named_at_once(folder, scenes):
    shutil.copytree(scenes / "non-landslide", folder / "non-landslide")
    (folder / "landslide/mask/synth_0005.png").unlink()
    (folder / "landslide/image/synth_0001.png").write_text("no image")
    (folder / "non-landslide/image/synth_0018.png").write_bytes(b"")
    with pytest.raises(LandslideError, match="3 files cannot be used") as error:
        load_split(folder, "auto", negatives=True)
    wanted = [
        ("synth_0005.png", "has no mask"),
        ("synth_0001.png", "not a readable"),
        ("synth_0018.png", "not a readable"),
    ]
    for (name, text), line in zip(wanted, error.value.files, strict=True):
        assert name in line and text in line


def test_other_files_are_no_images_without_landslide(folder):
    place = folder / "non-landslide" / "image"
    place.mkdir(parents=True)
    for name in (".DS_Store", "Thumbs.db", "._a.png"):
        (place / name).write_bytes(b"a desktop's own")
    assert not has_negatives(folder)
    write_image(place / "a.png", np.zeros((70, 70, 3), np.uint8))
    assert has_negatives(folder)


def test_no_images_without_landslide(folder):
    with pytest.raises(LandslideError, match=r"non-landslide/image: holds no images"):
        find_negatives(folder)
