"""The expanded set on disk, and the sheet of what training sees."""

import itertools
import shutil

import cv2
import numpy as np
import pytest

from keras_landslide.cli import main
from keras_landslide.data.augment import RECIPES, Recipe
from keras_landslide.data.checks import check_samples
from keras_landslide.data.expansion import contact_sheet, expand, variant
from keras_landslide.data.layouts import find_samples
from keras_landslide.data.pipeline import training_stream
from keras_landslide.data.splits import split_samples
from keras_landslide.data.synthetic import mountain_scene
from keras_landslide.errors import LandslideError
from keras_landslide.files.atomic import read_json
from keras_landslide.files.images import write_image
from keras_landslide.pictures import OUTLINE

HEIGHT, WIDTH = 40, 60


@pytest.fixture
def aligned():
    """A picture that is not square, its green and blue the places, and a mask that is a function of red."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    red = 128 + 100 * np.sin(x / 12) * np.cos(y / 15)
    image = np.stack([red, 4 * x, 4 * y], -1).astype(np.uint8)
    return image, (red > 128).astype(np.uint8)


@pytest.fixture
def recipe(monkeypatch):
    """Make a recipe that is known by the name `test`."""
    return lambda **options: monkeypatch.setitem(RECIPES, "test", Recipe(**options))


def pairs(folder) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {sample.name: sample.read() for sample in find_samples(folder)}


@pytest.mark.parametrize("degrees", [90.0, -90.0, 180.0])
def test_quarter_turns_and_flips_are_numpys_and_exchange_the_sides(aligned, recipe, degrees):
    recipe(angles=(degrees,), rotation_probability=1.0, flip_probability=1.0)
    for moved, source in zip(variant(*aligned, "test", (1, 2)), aligned, strict=True):
        np.testing.assert_array_equal(moved, np.rot90(source, int(degrees // 90))[:, ::-1])


def test_corners_are_reflected_and_labels_with_them(aligned, recipe):
    recipe(angles=(20.0,), rotation_probability=1.0)
    matrix = cv2.getRotationMatrix2D(((WIDTH - 1) / 2, (HEIGHT - 1) / 2), 20.0, 1.0)
    wide = [np.pad(part, ((40, 40), (40, 40), (0, 0))[: part.ndim], mode="reflect") for part in aligned]
    matrix[:, 2] -= matrix[:, :2] @ (40, 40)
    image = cv2.warpAffine(wide[0], matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    classes = cv2.warpAffine(wide[1], matrix, (WIDTH, HEIGHT), flags=cv2.INTER_NEAREST)
    moved, moved_classes = variant(*aligned, "test", (1, 2))
    assert np.abs(moved.astype(int) - image).max() <= 6  # OpenCV places to 1/32 pixel
    assert (moved_classes == classes).mean() > 0.99


def test_a_crop_keeps_its_part_of_each_side_somewhere_inside(aligned, recipe):
    recipe(zoom=(0.7, 0.7))
    lefts = []
    for number in range(30):
        moved = variant(*aligned, "test", (number, 2))[0].astype(float) / 4
        x, y = moved[5:-5, 5:-5, 1].mean(0), moved[5:-5, 5:-5, 2].mean(1)
        assert np.diff(x).mean() == pytest.approx(0.7, abs=0.02) and np.diff(y).mean() == pytest.approx(0.7, abs=0.02)
        lefts.append(x[0] - 5 * 0.7)
    assert min(lefts) < 4 and max(lefts) > 0.3 * WIDTH - 4 and 0 <= min(lefts) <= max(lefts) <= 0.3 * WIDTH


@pytest.mark.parametrize("name", ["paper", "default"])
def test_image_and_mask_stay_aligned(aligned, name):
    for number in range(10):
        moved, classes = variant(*aligned, name, (number, 4))
        truth = classes == 1
        assert ((moved[..., 0] > np.quantile(moved[..., 0], 1 - truth.mean())) == truth).mean() > 0.95, number


def test_a_set_is_one_that_train_takes(scenes, tmp_path):
    samples, done = find_samples(scenes)[:4], []

    def tracked(items, total):
        assert total == 10
        for item in items:
            yield item
            done.append(item)

    expand(samples, tmp_path, 10, augmentation="paper", track=tracked)
    written = find_samples(tmp_path)
    check_samples(written, tmp_path)
    assert len(written) == len(done) == 10
    groups = [sample.group for sample in written]
    assert sorted(groups.count(sample.name) for sample in samples) == [2, 2, 3, 3]
    assert {sample.name for sample in written} >= {f"{sample.name}_{number}" for sample in samples for number in (1, 2)}
    assert set(np.unique(cv2.imread(str(written[0].mask), cv2.IMREAD_UNCHANGED))) == {0, 255}
    subsets = split_samples(written, "auto").subsets
    sides = [{sample.group for sample in subset} for subset in subsets.values()]
    assert sum(map(len, sides)) == 4 and len(subsets["val"]) >= 2
    images = [image.tobytes() for image, _ in pairs(tmp_path).values()]
    assert len(set(images)) == 10


def test_the_same_seed_gives_the_same_set(scenes, tmp_path):
    samples = find_samples(scenes)[:3]
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        expand(samples, tmp_path / folder, 4, augmentation="strong", seed=seed)
    first, same, other = ({name: one[0].tobytes() for name, one in pairs(tmp_path / f).items()} for f in "abc")
    assert first == same and first != other


def test_only_an_earlier_set_is_ever_replaced(scenes, tmp_path, fails, capsys):
    arguments = ["augment", "--data", str(scenes), "--out", str(tmp_path / "out"), "--count"]
    assert main([*arguments, "20"]) == 0
    assert f"20 variants of 13 images: {tmp_path / 'out'}" in capsys.readouterr().out
    assert "add --overwrite" in fails(*arguments, "3")
    assert len(find_samples(tmp_path / "out")) == 20
    assert main([*arguments, "3", "--overwrite"]) == 0
    assert len(find_samples(tmp_path / "out")) == 3
    how = read_json(tmp_path / "out" / "augment.json")
    assert how == {"images": 13, "variants": 3, "augmentation": "paper", "seed": 0}


def test_the_data_itself_is_never_replaced(scenes, tmp_path, fails):
    """Not where it is a set with groups of its own, either."""
    mine = tmp_path / "mine"
    shutil.copytree(scenes / "landslide", mine)
    (mine / "groups.csv").write_text("name,group\nsynth_0000,a\nsynth_0001,a\n")
    before = {path: path.read_bytes() for path in mine.rglob("*.*")}
    for out in (mine, mine / "more", tmp_path):
        assert "is in the way of" in fails("augment", "--data", mine, "--out", out, "--count", "3", "--overwrite")
    assert "holds something else" in fails("augment", "--data", scenes, "--out", mine, "--count", "3", "--overwrite")
    assert {path: path.read_bytes() for path in mine.rglob("*.*")} == before and len(before) == 33


def test_a_set_that_is_cut_short_does_not_appear(scenes, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        expand(find_samples(scenes), tmp_path / "out", 4, augmentation="paper", track=interrupted)
    assert not list(tmp_path.iterdir())


def interrupted(items, total):
    yield next(iter(items))
    raise KeyboardInterrupt


def test_the_labels_asked_for_are_written(tmp_path):
    """Five pairs of images of the same ground; each mask marks what the other leaves out."""
    for number, name in itertools.product(range(5), "ab"):
        mask = np.zeros((64, 64), np.uint8)
        mask[20:30, 20:30] = 255 * (name == "a")
        mask[40:50, 40:50] = 255 * (name == "b")
        write_image(tmp_path / "data" / "image" / f"{name}{number}.png", mountain_scene(number, (64, 64)).image)
        write_image(tmp_path / "data" / "mask" / f"{name}{number}.png", mask)
    arguments = f"augment --data {tmp_path / 'data'} --augmentation none --count 6 --out".split()
    for labels, marked in (("original", 100), ("completed", 200)):
        assert main([*arguments, str(tmp_path / labels), "--labels", labels]) == 0
        assert [np.count_nonzero(classes) for _, classes in pairs(tmp_path / labels).values()] == [marked] * 6


def test_only_the_training_part_unless_asked(scenes, tmp_path):
    subsets = split_samples(find_samples(scenes), "auto").subsets
    for subset, *asked in (("train",), ("test", "--subset", "test")):
        out = tmp_path / subset
        assert main(["augment", "--data", str(scenes), "--out", str(out), "--count", "40", *asked]) == 0
        assert {s.group for s in find_samples(out)} == {s.name for s in subsets[subset]}


def test_the_sheet_shows_what_training_sees(scenes, tmp_path):
    """Thirty tiles, each the stream's image with the outline of its label."""
    samples, path = find_samples(scenes), tmp_path / "sheet.png"
    contact_sheet(samples, path, augmentation="default", image_size=64, seed=5, tile=68)
    sheet = cv2.imread(str(path))[..., ::-1]
    assert sheet.shape == (5 * 68, 6 * 68, 3)
    stream = training_stream(
        samples, image_size=64, batch_size=30, samples_per_epoch=30, augmentation="default", seed=5
    )
    images, labels = (batch.numpy() for batch in next(iter(stream)))
    outlined = 0
    for number, (image, truth) in enumerate(zip(images, labels, strict=True)):
        top, left = 68 * (number // 6) + 2, 68 * (number % 6) + 2
        tile = sheet[top : top + 64, left : left + 64]
        yellow = (tile == OUTLINE).all(-1)
        assert not yellow[truth != 1].any()
        outlined += yellow.any()
        plain = (truth != 255) & ~yellow
        np.testing.assert_allclose(tile[plain], image[plain], atol=0.51)
    assert outlined >= 25


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "give --out FOLDER, --contact-sheet FILE or both"),
        (["--out", "y", "--count", "0"], "0 is not possible; give 1 or more"),
        (["--out", "y", "--augmentation", "papr"], "did you mean 'paper'"),
        (["--contact-sheet", "y.txt"], "y.txt: is no image; give a name that ends in one of .png"),
        (["--contact-sheet", "y.png", "--image-size", "8"], "--image-size 8 is not possible"),
        (["--out", "y", "--subset", "tests"], "did you mean 'test'"),
        (["--out", "y", "--labels", "complete"], "did you mean 'completed'"),
        (["--out", "y", "--seed", "2147483647"], "2147483647 is not possible; give a number from 0 to 2147483646"),
    ],
)
def test_mistakes(fails, scenes, tmp_path, monkeypatch, arguments, text):
    monkeypatch.chdir(tmp_path)
    assert text in fails("augment", "--data", scenes, *arguments)
    assert not list(tmp_path.iterdir())


def test_a_sheet_in_the_folder_of_the_expanded_images_is_there_in_the_end(scenes, tmp_path, fails):
    out = tmp_path / "more"
    command = ["augment", "--data", scenes, "--out", out, "--count", "20", "--seed", "1", "--image-size", "64"]
    command += ["--contact-sheet", out / "sheet.png"]
    assert main([str(part) for part in command]) == 0
    samples = split_samples(find_samples(scenes), "auto", seed=1).subset("train")
    contact_sheet(samples, tmp_path / "sheet.png", image_size=64, augmentation="paper", seed=1)
    assert (out / "sheet.png").read_bytes() == (tmp_path / "sheet.png").read_bytes()
    assert len(list((out / "image").iterdir())) == 20
    assert "exists" in fails(*command)


def test_a_folder_of_class_numbers_is_refused_before_anything_is_written(voc, tmp_path):
    with pytest.raises(LandslideError, match="VOC's form cannot be expanded on disk"):
        expand(find_samples(voc), tmp_path / "expanded", 4, augmentation="paper")
    assert not (tmp_path / "expanded").exists()
