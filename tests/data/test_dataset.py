"""From a folder to a split: what shares ground stays together, whatever is dealt."""

import shutil

import numpy as np
import pytest

from keras_landslide.data.dataset import load_split
from keras_landslide.data.synthetic import mountain_scene
from keras_landslide.errors import LandslideError
from keras_landslide.files.atomic import write_text
from keras_landslide.files.images import read_image, write_image

APART, TOGETHER = 8, ("west", "east")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight scenes of their own, and two images of one scene that share a third of it, under names that say nothing."""
    folder = tmp_path_factory.mktemp("ground")
    images = {f"scene{number}": mountain_scene(number, (60, 60)).image for number in range(APART)}
    wide = mountain_scene(99, (60, 100)).image
    images |= {"west": wide[:, :70], "east": wide[:, 35:]}
    for name, image in images.items():
        write_image(folder / "image" / f"{name}.png", image)
        write_image(folder / "mask" / f"{name}.png", (image[..., 0] > 127).astype("uint8") * 255)
    return folder


def sides(split) -> dict[str, str]:
    return {sample.name: subset for subset, samples in split.subsets.items() for sample in samples}


def test_images_that_share_ground_are_dealt_to_one_side(folder):
    dealt = [sides(load_split(folder, "auto", seed=seed)) for seed in range(8)]
    dealt += [sides(load_split(folder, "auto", fold=f"{part}/4")) for part in range(1, 5)]
    assert all(len(side) == APART + 2 for side in dealt)
    assert all(side["west"] == side["east"] for side in dealt)
    assert {side["west"] for side in dealt} > {"train"}  # and not always to the same
    assert any(side["scene0"] != side["scene1"] for side in dealt)  # the control: others part


def test_groups_that_the_folder_knows_stay_together_too(folder, tmp_path):
    groups = "\n".join(["name,group", *(f"scene{number},slope{number // 4}" for number in range(APART))])
    write_text(folder / "groups.csv", groups + "\n")
    try:
        for seed in range(4):
            side = sides(load_split(folder, "auto", seed=seed))
            assert len({side[f"scene{number}"] for number in range(4)}) == 1
            assert side["west"] == side["east"]
    finally:
        (folder / "groups.csv").unlink()


def test_a_negative_of_the_same_name_is_another_image(folder, tmp_path):
    """`west` without landslide shares ground with scene3, `west` with a landslide with `east`."""
    shutil.copytree(folder, tmp_path / "both")
    scene = read_image(folder / "image" / "scene3.png")
    write_image(tmp_path / "both" / "non-landslide" / "image" / "west.png", scene[10:, 10:])
    for number in range(4):
        image = mountain_scene(50 + number, (60, 60)).image
        write_image(tmp_path / "both" / "non-landslide" / "image" / f"scene{number}.png", image)
    for seed in range(8):
        split = load_split(tmp_path / "both", "auto", seed=seed, negatives=True)
        side = sides(split)
        assert side["west"] == side["east"]
        assert "west" in {sample.name for sample in split.negatives[side["scene3"]]}
        assert sum(map(len, split.negatives.values())) == 5


def test_images_are_divided_alike_whether_those_without_landslide_are_asked_for_or_not(folder, tmp_path):
    """Else weights are scored on what they were trained on: one without landslide joins scene1 and scene2."""
    both = tmp_path / "both"
    shutil.copytree(folder, both)
    left, right = (read_image(folder / "image" / f"scene{number}.png") for number in (1, 2))
    between = np.concatenate([left[:, 30:], right[:, :30]], axis=1)
    for name, image in {"between": between, "other": mountain_scene(77, (60, 60)).image}.items():
        write_image(both / "non-landslide" / "image" / f"{name}.png", image)
    apart = 0
    for seed in range(8):
        with_them, without = (load_split(both, "auto", seed=seed, negatives=asked) for asked in (True, False))
        assert sides(without) == sides(with_them) and sides(without)["scene1"] == sides(without)["scene2"]
        assert {sample.key: sample.group for part in without.subsets.values() for sample in part} == {
            sample.key: sample.group for part in with_them.subsets.values() for sample in part
        }
        assert sum(map(len, with_them.negatives.values())) == 2 and not any(without.negatives.values())
        apart += sides(load_split(folder, "auto", seed=seed)) != sides(without)
    assert apart  # the control: they matter


def test_a_wrong_name_is_said_before_any_file_is_read(folder, monkeypatch):
    monkeypatch.setattr("keras_landslide.data.dataset.check_samples", lambda *_, **__: pytest.fail("read"))
    with pytest.raises(LandslideError, match="did you mean 'paper510'"):
        load_split(folder, "paper150")
