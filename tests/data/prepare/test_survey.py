"""`prepare` says what is in a folder, whatever is in it, and changes nothing but where it is told to."""

import csv
import json
import shutil
from collections import Counter

import cv2
import numpy as np
import pytest
from PIL import Image

from keras_landslide.cli import main
from keras_landslide.data.checks import check_samples
from keras_landslide.data.dataset import load_split
from keras_landslide.data.layouts import find_negatives, find_samples
from keras_landslide.data.splits import bijie_table, split_samples
from keras_landslide.data.synthetic import mountain_scene
from keras_landslide.files.images import read_image

AGREED_KEYS = ["landslide", "non_landslide", "problems", "overlaps", "split"]


@pytest.fixture
def report(tmp_path, capsys):
    """The JSON and the printed report of `prepare` with these arguments."""

    def run(folder, *more):
        file = tmp_path / "report.json"
        assert main(["prepare", str(folder), "--json", str(file), "--overwrite", *map(str, more)]) == 0
        return json.loads(file.read_text()), capsys.readouterr().out

    return run


@pytest.fixture
def good(tmp_path):
    """Three chips of one scene, `a` and `b` sharing 40 × 30 pixels, `d` a copy of `c`, and two others."""
    folder = tmp_path / "good"
    write = writer(folder)
    scene, other = mountain_scene(1, (100, 200)).image, mountain_scene(2, (70, 80)).image
    marked = np.zeros((100, 200), np.uint8)
    marked[30:50, 55:65] = 255  # in a and in b, but only b's mask has it
    own = np.zeros((60, 80), np.uint8)
    own[40:50, 10:20] = 255
    own[52:56, 70:75] = 255  # in both too, but only a's mask has it
    write("a", scene[:60, :80], own)
    write("b", scene[20:100, 50:120], marked[20:100, 50:120])
    for name in "cd":
        write(name, scene[:60, 140:200], np.zeros((60, 60), np.uint8))
    for name, image in (("n1", other), ("n2", other[::-1])):
        put(folder / "non-landslide" / "image" / f"{name}.png", image[..., ::-1])
    return folder


def put(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.ascontiguousarray(array))


def writer(folder):
    def write(name, image, mask, mask_suffix=".png"):
        put(folder / "landslide" / "image" / f"{name}.png", image[..., ::-1])
        put(folder / "landslide" / "mask" / f"{name}{mask_suffix}", mask)

    return write


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_good_folder(good, report):
    before = files(good)
    content, printed = report(good)
    assert files(good) == before
    assert list(content)[:5] == AGREED_KEYS
    assert content["landslide"] == {"images": 4, "masks": 4}
    assert content["non_landslide"] == {"images": 2}
    assert content["problems"] == [] and content["split"] is None
    assert content["overlaps"] == [{"a": "a", "b": "b", "dy": 20, "dx": 50}, {"a": "c", "b": "d", "dy": 0, "dx": 0}]
    assert content["duplicates"] == [["c", "d"]] and content["groups"] == [2, 2]
    # 200 pixels that only b's mask has, 20 that only a's has, a's other 100 lie outside; c and d are empty and agree
    assert content["shared_ground"] == {"pairs_with_landslide": 1, "pairs_that_disagree": 1}
    assert content["completed"] == {"landslide_pixels": pytest.approx(220 / 320), "images_changed": 2}
    assert content["mask_codings"] == {"0/255": 2, "only 0": 2}
    shares = [120 / 4800, 200 / 5600, 0, 0]
    assert content["landslide_share"]["pixels"] == pytest.approx(320 / (4800 + 5600 + 2 * 3600))
    assert content["landslide_share"]["mean"] == pytest.approx(np.mean(shares))
    assert content["sizes"]["landslide"] == {
        "images": 4, "smallest": [60, 60], "median": [80, 60], "largest": [70, 80]
    }  # fmt: skip
    for text in ("4 landslide images, 4 masks; 2 non-landslide", "every file can be read", "c = d", "68.8 % more"):
        assert text in printed
    assert "of 770" not in printed


@pytest.fixture
def bad(good):
    """The good folder with a bad file of every kind."""
    write = writer(good)
    images, masks = good / "landslide" / "image", good / "landslide" / "mask"
    scenes = {name: mountain_scene(number + 10, (64, 72)) for number, name in enumerate("efghijklm")}
    disc = np.hypot(*(np.mgrid[:64, :72] - np.array([32, 36]).reshape(2, 1, 1))) < 20
    for name, scene in scenes.items():
        write(name, scene.image, disc.astype(np.uint8) * 255)
    (images / "e.png").write_bytes((images / "e.png").read_bytes()[:2000])
    (masks / "f.png").write_bytes(b"")
    put(masks / "g.png", np.zeros((9, 12), np.uint8))
    put(masks / "h.png", np.arange(64 * 72, dtype=np.uint16).reshape(64, 72))
    (masks / "i.png").unlink()
    (images / "j.png").unlink()
    put(masks / "k.png", cv2.GaussianBlur(disc.astype(np.uint8) * 255, (5, 5), 0))
    put(masks / "l.png", disc[..., None] * np.uint8([0, 0, 128]))
    put(images / "m.jpg", scenes["m"].image)
    (good / "non-landslide" / "image" / "n3.png").write_bytes(b"no picture")
    return good


BAD = {
    "landslide/image/e.png": "not a readable image",
    "landslide/image/i.png": "has no mask",
    "landslide/image/m.jpg": "not the only file",
    "landslide/image/m.png": "not the only file",
    "landslide/mask/f.png": "not a readable image",
    "landslide/mask/g.png": "is 12×9 pixels",
    "landslide/mask/h.png": "neither two classes",
    "landslide/mask/j.png": "has no image",
    "landslide/mask/k.png": "coded as soft",
    "landslide/mask/l.png": "coded as colour #800000 on #000000",
    "landslide/mask/m.png": "has no image",
    "non-landslide/image/n3.png": "not a readable image",
}


def test_bad_files_of_every_kind_are_reported_at_once_and_it_is_no_failure(bad, report):
    content, printed = report(bad)
    assert [one["file"] for one in content["problems"]] == list(BAD)
    for one in content["problems"]:
        assert BAD[one["file"]] in one["problem"]
        assert f"    {one['file']}: {one['problem']}" in printed
    assert content["landslide"] == {"images": 13, "masks": 12}
    assert content["usable"] == {"landslide": 6, "non_landslide": 2}
    assert len(content["overlaps"]) == 2


def test_a_clean_copy_is_what_training_takes(bad, report, tmp_path, fails):
    assert "keras-landslide prepare" in fails("train", "--data", bad, "--out", tmp_path / "run")
    before, out = files(bad), tmp_path / "clean"
    content, printed = report(bad, "--out", out)
    assert files(bad) == before
    assert f"Clean copy of 6 pairs and 2 non-landslide images: {out}" in printed
    assert json.loads((out / "prepare.json").read_text()) == content
    samples = find_samples(out)
    check_samples(samples, out)
    assert [sample.name for sample in samples] == list("abcdkl")
    copied = files(out)
    for name in "abcdkl":
        assert copied[f"landslide/image/{name}.png"] == before[f"landslide/image/{name}.png"]
    for name in ("n1", "n2"):
        assert copied[f"non-landslide/image/{name}.png"] == before[f"non-landslide/image/{name}.png"]
    disc = np.hypot(*(np.mgrid[:64, :72] - np.array([32, 36]).reshape(2, 1, 1))) < 20
    for name in "kl":
        written = cv2.imread(str(out / "landslide" / "mask" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        assert set(np.unique(written)) == {0, 255}
        assert np.count_nonzero((written == 255) != disc) <= (8 if name == "k" else 0)
    again, _ = report(out)
    assert again["problems"] == [] and again["overlaps"] == content["overlaps"]


def test_only_an_earlier_copy_is_ever_replaced(good, report, tmp_path, fails):
    out = tmp_path / "clean"
    report(good, "--out", out)
    assert "add --overwrite" in fails("prepare", good, "--out", out)
    (good / "landslide" / "image" / "a.png").unlink()
    report(good, "--out", out, "--overwrite")
    assert not (out / "landslide" / "image" / "a.png").exists() and not (out / "landslide" / "mask" / "a.png").exists()
    before = files(tmp_path)
    for place in (good, good / "clean", tmp_path):
        assert "is in the way of" in fails("prepare", good, "--out", place, "--overwrite")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").write_text("mine")
    assert "holds something else" in fails("prepare", good, "--out", tmp_path / "thesis", "--overwrite")
    assert files(tmp_path) == {**before, "thesis/thesis.txt": b"mine"}


def set_of_many(folder):
    """Twelve images of as many scenes, a negative of the ground of image 3, and two negatives of one ground."""
    write = writer(folder)
    for number in range(12):
        scene = mountain_scene(number, (48, 56))
        write(f"s-{number:02d}", scene.image, scene.mask * np.uint8(255))
    for name, number in (("n1", 3), ("n2", 20), ("n3", 20), ("n4", 21)):
        put(folder / "non-landslide/image" / f"{name}.png", mountain_scene(number, (48, 56)).image[..., ::-1])
    return folder


def sides(split):
    """The subsets in which samples of each group stand."""
    found = {}
    for subset, samples in split.subsets.items():
        for sample in samples + split.negatives[subset]:
            found.setdefault(sample.group, set()).add(subset)
    return found


def test_variants_of_an_image_stay_together_in_the_report_and_in_the_copy(report, tmp_path):
    """Six groups of two images, which pixels do not show."""
    folder = set_of_many(tmp_path / "data")
    lines = [f"s-{number:02d},g{number // 2}" for number in range(12)]
    (folder / "landslide/groups.csv").write_text("name,group\n" + "\n".join(lines))
    (folder / "landslide/image/s-00.png").write_bytes(b"no picture")
    (folder / "landslide/mask/s-00.png").unlink()
    content, _ = report(folder, "--split", "auto", "--out", tmp_path / "clean")
    clean = load_split(tmp_path / "clean", "auto", negatives=True)
    assert len(clean.subset("train")) == content["split"]["present"]["train"]
    assert all(len(subsets) == 1 for subsets in sides(clean).values())
    assert {sample.name: sample.group for part in clean.subsets.values() for sample in part} == {
        f"s-{number:02d}": f"g{number // 2}" for number in range(1, 12) if number not in (2, 3)
    } | {"s-02": "g1", "s-03": "g1"}
    (folder / "landslide/groups.csv").write_text("name;group\n")
    (problem,) = [one for one in report(folder)[0]["problems"] if one["file"] == "landslide/groups.csv"]
    assert problem["problem"].startswith("is not a table")


def test_images_without_landslide_stay_with_the_ground_that_they_show(report, tmp_path):
    folder = set_of_many(tmp_path / "data")
    for seed in range(4):
        split = load_split(folder, "auto", seed=seed, negatives=True)
        assert all(len(subsets) == 1 for subsets in sides(split).values())
        groups = {one.name: one.group for part in split.negatives.values() for one in part}
        assert groups == {
            f"n{number}": f"non-landslide/n{min(number, 2 if number < 4 else 4)}" for number in (1, 2, 3, 4)
        }
        content, _ = report(folder, "--split", "auto", "--seed", seed)
        assert content["split"]["groups_on_two_sides"] == 0
    parted = split_samples(find_samples(folder), "auto", negatives=find_negatives(folder), seed=0)  # nobody looked
    named = {f"s-{number:02d}" for number in range(12)} | {f"non-landslide/n{number}" for number in (1, 2, 3, 4)}
    assert sides(parted).keys() == named


def test_a_copy_that_lost_its_overlaps_is_known_by_its_names(bijie, report, tmp_path):
    """Bijie's images saved anew as JPEG share no ground to the bit; the package's list knows that they do."""
    group = [row["name"] for row in bijie_table() if row["random510"]][:120]
    for name in group:
        image = read_image(bijie / "landslide/image" / f"{name}.png")
        (tmp_path / "data/image").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "data/image" / f"{name}.jpg"), image[..., ::-1])
        put(tmp_path / "data/mask" / f"{name}.png", np.zeros(image.shape[:2], np.uint8))
    content, _ = report(tmp_path / "data", "--split", "random510")
    found = sides(split_samples(find_samples(tmp_path / "data"), "random510"))
    known = sum(len(subsets) > 1 for subsets in found.values())
    assert content["split"]["groups_on_two_sides"] == known > 0
    assert all(len(subsets) == 1 for subsets in sides(load_split(tmp_path / "data", "auto")).values())


def test_masks_are_judged_together(report, tmp_path, fails):
    """Of 1 and 2, a mask of 1 alone is background; 1 and 2 on a background of 0 may be two classes."""
    write, disc = writer(tmp_path / "one"), np.pad(np.ones((20, 20), np.uint8), 14)
    several = writer(tmp_path / "several")
    for number, name in enumerate("abcd"):
        image = mountain_scene(number, (48, 48)).image
        write(name, image, 1 + disc * (name < "c"))
        several(name, image, disc * (1 + number % 2))
    content, _ = report(tmp_path / "one", "--out", tmp_path / "clean")
    assert content["landslide_share"]["pixels"] == pytest.approx(2 * 400 / (4 * 48 * 48))
    for name in "abcd":
        mask = cv2.imread(str(tmp_path / "clean/landslide/mask" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(mask, disc * 255 * (name < "c"))
    content, _ = report(tmp_path / "several", "--out", tmp_path / "together")
    (problem,) = content["problems"]
    assert (
        problem["file"] == "landslide/mask"
        and "with the values 1, 2, which may be several classes" in problem["problem"]
    )
    assert "with the values 1, 2" in fails("train", "--data", tmp_path / "several", "--out", tmp_path / "run")
    check_samples(find_samples(tmp_path / "together"), tmp_path / "together")


def test_nothing_that_can_be_used_makes_no_copy(tmp_path, report):
    put(tmp_path / "empty" / "image" / "a.png", np.zeros((20, 20, 3), np.uint8))
    content, printed = report(tmp_path / "empty", "--out", tmp_path / "clean", "--split", "auto")
    assert content["landslide"] == {"images": 1, "masks": 0}
    assert content["landslide_share"] is None
    assert "No clean copy" in printed and not (tmp_path / "clean").exists()


def test_an_archive_is_prepared_like_its_folder(bad, report, tmp_path, monkeypatch):
    shutil.make_archive(str(tmp_path / "packed"), "zip", bad.parent, bad.name)
    from_folder, _ = report(bad)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    content, _ = report(tmp_path / "packed.zip", "--out", tmp_path / "clean")
    assert {**content, "folder": ""} == {**from_folder, "folder": ""}
    assert [sample.name for sample in find_samples(tmp_path / "clean")] == list("abcdkl")
    assert not list((tmp_path / "temporary").iterdir())


def test_a_folder_with_image_and_mask_and_a_split_that_is_dealt(good, report):
    content, printed = report(good / "landslide", "--split", "auto")
    assert content["split"]["name"] == "auto" and sum(content["split"]["present"].values()) == 4
    assert content["non_landslide"] == {"images": 0}
    assert "auto" in printed and "groups on two sides" in printed


def test_leakage_is_counted_by_group(good, report, monkeypatch):
    """a and b share ground and stand on two sides, c and d on one."""
    parts = dict(zip("abcde", "train val test test val".split(), strict=True))
    rows = [{"name": name, "group": name, "mine": part} for name, part in parts.items()]
    monkeypatch.setattr("keras_landslide.data.splits.bijie_table", lambda: rows)
    for module in ("splits", "prepare.survey"):
        monkeypatch.setattr(f"keras_landslide.data.{module}.SPLITS", ("mine",))
    content, _ = report(good, "--split", "mine")
    assert content["split"] == {
        "name": "mine",
        "expected": {"train": 1, "val": 2, "test": 2},
        "present": {"train": 1, "val": 1, "test": 2},
        "groups_on_two_sides": 1,
    }


def test_a_split_of_other_images_and_mistakes(good, report, tmp_path, fails):
    content, printed = report(good, "--split", "paper510")
    assert content["split"] is None and "None of the images of split paper510 is here" in printed
    assert "did you mean 'paper510'" in fails("prepare", good, "--split", "paper51")
    assert "no such folder or zip archive" in fails("prepare", tmp_path / "nowhere")
    (tmp_path / "x.txt").write_text("hello")
    assert "not a zip archive" in fails("prepare", tmp_path / "x.txt")
    assert "has neither landslide/image" in fails("prepare", tmp_path)
    shutil.make_archive(str(tmp_path / "images"), "zip", good / "landslide" / "image")
    assert f"{tmp_path / 'images.zip'}: has neither landslide/image" in fails("prepare", tmp_path / "images.zip")
    (tmp_path / "VOC2012/JPEGImages").mkdir(parents=True)
    (tmp_path / "VOC2012/SegmentationClass").mkdir()
    assert "is in VOC's form" in fails("prepare", tmp_path)


@pytest.mark.slow
def test_the_report_of_the_real_images(bijie, report):
    content, printed = report(bijie, "--split", "bijie770")
    assert content["landslide"] == {"images": 700, "masks": 700} and content["non_landslide"] == {"images": 300}
    assert content["problems"] == [] and content["mask_codings"] == {"0/255": 700}
    with (bijie / "overlaps.csv").open(newline="") as file:
        pairs = {(row["a"], row["b"], row["dy"], row["dx"]) for row in csv.DictReader(file)}
    found = [tuple(str(one[key]) for key in ("a", "b", "dy", "dx")) for one in content["overlaps"]]
    assert len(found) == 158 and set(found) <= pairs
    with (bijie / "splits.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["county"] != "wn"]
    groups = Counter(row["group"] for row in rows)
    assert content["groups"] == sorted(size for size in groups.values() if size > 1)
    assert content["landslide_share"]["mean"] == pytest.approx(
        np.mean([float(row["landslide_share"]) for row in rows]), abs=1e-5
    )
    assert content["split"] == {
        "name": "bijie770",
        "expected": {"train": 539, "val": 77, "test": 154},
        "present": {"train": 489, "val": 70, "test": 141},
        "groups_on_two_sides": 0,
    }
    leaks = {name: split["groups_on_two_sides"] for name, split in content["splits"].items()}
    assert leaks == {"paper510": 0, "random510": 29, "bijie770": 0, "county_split": 0}
    assert content["splits"]["county_split"]["present"]["test"] == 0
    # of the 121 pairs with landslide on shared ground and 191 changed images of all 770, those that are here
    shared = content["shared_ground"]
    assert shared["pairs_with_landslide"] == shared["pairs_that_disagree"] == 120
    assert content["completed"]["images_changed"] == 189
    for text in ("700 of 770", "300 of 2003", "489 of 539", "0 of 70", "10.4 % more"):
        assert text in printed


def test_grey_palettes_and_plain_masks_of_other_values_are_told_together(report, tmp_path):
    """Each could be used as it is; `train` would refuse the folder."""
    folder, marked = tmp_path / "data", np.zeros((40, 50), np.uint8)
    marked[10:20, 10:30] = 1
    write = writer(folder)
    for number, name in enumerate("abcd"):
        write(name, mountain_scene(number, (40, 50)).image, marked * 255)
    for name in "cd":
        palette = Image.fromarray(marked).convert("P")
        palette.putdata(marked.ravel().tolist())
        palette.putpalette([0, 0, 0, 128, 128, 128])
        palette.save(folder / "landslide" / "mask" / f"{name}.png")
    content, _ = report(folder)
    assert any("128, 255" in problem["problem"] for problem in content["problems"])
