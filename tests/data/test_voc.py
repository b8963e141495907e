"""Folders in VOC's form: class numbers as they are stored, lists as splits, and every mistake named."""

import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from keras_landslide.data.checks import check_samples
from keras_landslide.data.layouts import find_samples
from keras_landslide.data.splits import split_samples
from keras_landslide.data.voc import VOC_CLASSES, class_numbers, colour_map, voc_root
from keras_landslide.errors import LandslideError

NUMBERS = np.arange(22, dtype=np.uint8).reshape(2, 11)
NUMBERS[NUMBERS == 21] = 255


@pytest.fixture
def folder(voc, tmp_path):
    shutil.copytree(voc, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def landslides(folder, palette_png):
    """A user's folder: the same images, 0 background, 1 landslide, 255 where not sure."""
    for path in (folder / "SegmentationClass").iterdir():
        numbers = np.array(Image.open(path))
        palette_png(path, np.where(numbers == 255, numbers, numbers > 0).astype(np.uint8))
    return folder


def message(folder, classes=21) -> str:
    with pytest.raises(LandslideError) as error:
        check_samples(find_samples(folder), folder, classes=classes)
    return str(error.value)


def test_a_palette_is_read_as_numbers_and_not_as_colours(tmp_path, palette_png, voc_colours):
    palette_png(tmp_path / "mask.png", NUMBERS)
    by_opencv = cv2.imread(str(tmp_path / "mask.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert by_opencv[1, 4].tolist() == list(voc_colours[15])  # what must not happen
    np.testing.assert_array_equal(class_numbers(tmp_path / "mask.png"), NUMBERS)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_palettes_of_few_bits(tmp_path, bits):
    numbers = np.arange(12, dtype=np.uint8).reshape(3, 4) % 2**bits
    image = Image.fromarray(numbers)
    image.putpalette([50, 60, 70, 200, 10, 20] + [9, 9, 9] * 14)
    image.save(tmp_path / "mask.png", bits=bits)
    np.testing.assert_array_equal(class_numbers(tmp_path / "mask.png"), numbers)


def test_grey_numbers_and_one_bit_masks(tmp_path):
    cv2.imwrite(str(tmp_path / "grey.png"), NUMBERS)
    np.testing.assert_array_equal(class_numbers(tmp_path / "grey.png"), NUMBERS)
    Image.fromarray(NUMBERS % 2 == 1).save(tmp_path / "bit.png")
    np.testing.assert_array_equal(class_numbers(tmp_path / "bit.png"), NUMBERS % 2)


@pytest.mark.parametrize("alpha", [False, True])
def test_colours_of_vocs_colour_map_are_numbers(tmp_path, voc_colours, alpha):
    colours = np.array([voc_colours[number] for number in NUMBERS.ravel()], np.uint8).reshape(2, 11, 3)
    if alpha:
        colours = np.dstack([colours, np.full((2, 11), 255, np.uint8)])
    Image.fromarray(colours).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(class_numbers(tmp_path / "mask.png"), NUMBERS)


def test_the_colour_map_is_vocs_and_tells_all_numbers_apart(voc_colours):
    colours = colour_map()
    assert {number: tuple(colours[number].tolist()) for number in voc_colours} == voc_colours
    assert len(np.unique(colours, axis=0)) == 256 and len(VOC_CLASSES) == 21


@pytest.mark.parametrize("colour", [(1, 1, 1), (255, 255, 255), (128, 0, 1)])
def test_another_colour_is_refused(tmp_path, colour):
    picture = np.zeros((3, 3, 3), np.uint8)
    picture[1, 2] = colour
    Image.fromarray(picture).save(tmp_path / "mask.png")
    with pytest.raises(LandslideError, match=rf"mask\.png: has the colour \({', '.join(map(str, colour))}\)"):
        class_numbers(tmp_path / "mask.png")


def test_samples_are_those_of_the_lists_and_the_lists_are_the_split(voc):
    samples = find_samples(voc)
    assert [sample.name for sample in samples] == [f"2007_{number:06d}" for number in range(11)]
    for name in ("voc", "auto"):
        split = split_samples(samples, name)
        assert split.name == "voc" and split.counts == "7 train, 4 val, 0 test"
        assert [sample.name for sample in split.subset("val")] == [f"2007_{number:06d}" for number in range(7, 11)]
    image, classes = samples[3].read()
    assert classes.shape == image.shape[:2] == (64, 51) and classes.dtype == np.uint8
    expected = np.zeros((64, 51), np.uint8)
    for row, number in enumerate((3, 10, 17)):
        expected[2 + 20 * row : 20 + 20 * row, 6:42] = 255
        expected[3 + 20 * row : 19 + 20 * row, 7:41] = number
    np.testing.assert_array_equal(classes, expected)
    np.testing.assert_array_equal(image[..., ::-1], cv2.imread(str(samples[3].image)))


def test_a_good_folder_has_no_problems(voc, landslides):
    asked = []
    check_samples(find_samples(voc), voc, lambda items, total: asked.append(total) or items, classes=21)
    assert asked == [11]
    check_samples(find_samples(landslides), landslides)
    assert set(np.unique(find_samples(landslides)[0].read()[1])) == {0, 1, 255}


@pytest.mark.parametrize("inside", ["VOC2012", "VOCdevkit/VOC2012"])
def test_the_folder_as_it_is_unpacked(voc, tmp_path, inside):
    shutil.copytree(voc, tmp_path / inside)
    assert voc_root(tmp_path) == tmp_path / inside
    assert len(find_samples(tmp_path)) == 11


def test_a_test_list_with_masks_is_the_test_part(folder):
    lists = folder / "ImageSets" / "Segmentation"
    (lists / "val.txt").write_bytes(b"\xef\xbb\xbf2007_000007\r\n2007_000008 \r\n\r\n")  # as Windows' editor saves it
    (lists / "test.txt").write_text("2007_000009\n2007_000010")
    assert split_samples(find_samples(folder), "auto").counts == "7 train, 2 val, 2 test"


def test_without_lists_every_mask_counts_and_the_split_is_dealt(folder):
    shutil.rmtree(folder / "ImageSets")
    samples = find_samples(folder)
    assert len(samples) == 12  # with the one that no list has; the two without a mask are left out
    assert split_samples(samples, "auto").name == "auto"
    with pytest.raises(LandslideError, match="which are not here; use --split auto"):
        split_samples(samples, "voc")


def test_split_voc_of_an_ordinary_folder_is_refused(scenes):
    with pytest.raises(LandslideError, match="Split voc is for folders in VOC's form"):
        split_samples(find_samples(scenes), "voc")


def test_image_and_mask_come_before_vocs_form(folder):
    for part, source in (("image", "JPEGImages"), ("mask", "SegmentationClass")):
        (folder / part).mkdir()
        shutil.copy(next((folder / source).glob("2007_000000.*")), folder / part)
    (sample,) = find_samples(folder)
    assert sample.image.parent.name == "image" and sample.listed is None


def test_all_mistakes_of_the_lists_are_named_at_once(folder):
    lists = folder / "ImageSets" / "Segmentation"
    (lists / "val.txt").unlink()
    (lists / "test.txt").write_text("2007_000009\n2007_000003\n2007_000012\n")
    (folder / "JPEGImages" / "2007_000001.jpg").unlink()
    (folder / "SegmentationClass" / "2007_000002.png").unlink()
    with (lists / "train.txt").open("a") as file:
        file.write("nowhere\n")
    (folder / "JPEGImages" / "2007_000004.jpg").write_bytes(b"no picture")
    with pytest.raises(LandslideError, match="8 files cannot be used") as error:
        find_samples(folder)
    assert "mend or remove, with their names in ImageSets/Segmentation:" in error.value.message
    lines = "\n".join(error.value.files)
    for text in (
        "val.txt: is missing; write the names of the val images in it",
        "test.txt: lists 2007_000003, which train.txt lists too",
        "test.txt: lists 2007_000012, which has no mask",
        "train.txt: lists 2007_000001, which has no image",
        "train.txt: lists 2007_000002, which has no mask",
        "train.txt: lists nowhere, which has no image",
        "train.txt: lists nowhere, which has no mask",
        "2007_000004.jpg: is not a readable image",
    ):
        assert text in lines


def test_a_mask_without_image_where_there_are_no_lists(folder):
    shutil.rmtree(folder / "ImageSets")
    (folder / "JPEGImages" / "2007_000004.jpg").unlink()
    with pytest.raises(LandslideError, match=r"2007_000004\.png: has no image in .*JPEGImages"):
        find_samples(folder)


def test_the_number_of_classes_is_checked(voc):
    error = message(voc, classes=15)
    assert "9 files cannot be used" in error
    assert "2007_000001.png: has the value 15, but with 15 classes a mask has 0 to 14, and 255 where ignored" in error
    assert "2007_000000.png" not in error  # 0, 7 and 14


def test_bad_files_of_every_kind_are_named_at_once(folder, palette_png):
    samples = find_samples(folder)
    samples[0].mask.write_bytes(samples[0].mask.read_bytes()[:200])
    samples[1].mask.write_bytes(b"no picture")
    samples[2].image.write_bytes(b"")
    palette_png(samples[3].mask, np.zeros((5, 6), np.uint8))
    Image.fromarray(np.zeros((64, 52), np.uint16)).save(samples[4].mask)
    cv2.imwrite(str(samples[5].mask), np.full((64, 53, 3), 255, np.uint8))
    palette_png(samples[6].mask, np.full((64, 54), 21, np.uint8))
    first, *lines = message(folder).splitlines()
    assert "mend or remove, with their names in" in first and "prepare" not in first  # which does not read this form
    texts = ("not a readable", "not a readable", "not a readable", "6×5", "8-bit", "the colour", "the value 21")
    assert len(lines) == len(texts)
    for sample, text in zip(samples, texts, strict=False):
        (line,) = [line for line in lines if sample.name in line]
        assert text in line


def test_landslides_marked_with_the_ignored_255_are_noticed_and_the_remedy_works(landslides):
    for sample in find_samples(landslides):
        cv2.imwrite(str(sample.mask), np.where(sample.read()[1] == 1, 255, 0).astype(np.uint8))
    assert "hold only 0 and 255, which VOC's form ignores; write 1 for landslide" in message(landslides, classes=2)
    renamed = {"JPEGImages": "image", "SegmentationClass": "mask"}
    for part, name in renamed.items():
        (landslides / name).mkdir()
        for number in range(11):
            shutil.move(next((landslides / part).glob(f"2007_{number:06d}.*")), landslides / name)
        shutil.rmtree(landslides / part)
    samples = find_samples(landslides)
    check_samples(samples, landslides)
    assert len(samples) == 11 and all(set(np.unique(sample.read()[1])) == {0, 1} for sample in samples)
