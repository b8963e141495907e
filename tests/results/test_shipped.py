"""The script that makes the shipped weights, the tries, and what is shipped."""

import argparse
import hashlib
import json
import re
import shutil

import cv2
import h5py
import numpy as np
import pytest

from keras_landslide.cli import main
from keras_landslide.data.dataset import load_split
from keras_landslide.data.layouts import find_samples
from keras_landslide.files.images import read_image
from keras_landslide.models.loading import load_model
from keras_landslide.models.saving import read_weights
from keras_landslide.prediction.predictor import Predictor
from keras_landslide.results.card import LICENCE, card
from keras_landslide.scores import landslide_iou
from keras_landslide.settings import SCENE_WEIGHTS, SHIPPED_WEIGHTS
from tests.results.test_experiments import ROOT, loaded, same_numbers
from tests.small import small_model, small_network

SCRIPT = "shipped_pspnet_mobilenet_v2"


@pytest.mark.slow
def test_what_is_shipped_is_what_was_scored(quickly, bijie, tmp_path):
    """Scored anew, with the file that ships, by Keras alone."""
    code, content, said = quickly(SCRIPT, "--name", SCRIPT, "--weights", tmp_path / "weights")
    assert code == 0, said
    file = tmp_path / "weights" / f"{SCRIPT}.weights.h5"
    weights = read_weights(file)
    assert weights.description.licence == LICENCE
    decided = content.get("at_threshold", content)
    chosen = content["validation"]["decision_threshold"]["chosen"]
    assert weights.description.threshold == decided["threshold"] == chosen
    kernels = [array for arrays in weights.layers.values() for array in arrays if array.ndim > 1]
    assert len(kernels) > 2 and all(kernel.dtype == np.float16 for kernel in kernels)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert content["weights"]["sha256"] == digest and digest in file.with_name(f"{SCRIPT}.md").read_text()

    model = small_model()
    model.load_weights(file)
    predictor = Predictor(model.predict_on_batch, 64)
    images = {sample.name: sample for sample in find_samples(bijie)}
    for name, confusion in decided["per_image"].items():
        image, truth = images[name].read()
        landslide = predictor(image)[..., 1]
        marked = landslide > decided["threshold"]
        assert confusion[1] == [np.sum((truth == 1) & ~marked), np.sum((truth == 1) & marked)]
        kept = cv2.imread(str(tmp_path / "results" / "probabilities" / SCRIPT / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_allclose(kept, 255 * landslide, atol=0.51)
    assert len(content["per_image"]) == 8 and decided["negatives"]["images"] > 0


@pytest.mark.slow
def test_tries_are_added_one_by_one_and_compared_with_the_preset(quickly, bijie, tmp_path):
    code, content, said = quickly("tries", "--try", "averaged")
    assert code == 0, said
    assert set(content["tries"]) == {"preset", "averaged"} and list(content["compared"]) == ["averaged, seed 0"]
    first = content["tries"]["preset"]["0"]
    assert content["tries"]["averaged"]["0"]["settings"]["weight_averaging"] == 0.995
    code, content, said = quickly("tries", "--try", "shorter", "flips")
    assert code == 0 and content["tries"]["preset"]["0"] == first  # not trained again
    assert list(content["compared"]) == ["averaged, seed 0", "flips, seed 0", "shorter, seed 0"]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["averaged_0", "preset_0", "shorter_0"]
    assert content["tries"]["flips"]["0"]["history"] == first["history"]  # the preset's own run, scored otherwise
    assert content["tries"]["flips"]["0"]["per_image"] != first["per_image"]
    line = content["compared"]["averaged, seed 0"]
    one, other = (
        landslide_iou(np.sum(list(content["tries"][name]["0"]["per_image"].values()), axis=0))
        for name in ("preset", "averaged")
    )
    assert line["difference"] == pytest.approx(other - one)
    # mirror images are scored as `evaluate` scores them
    code, content, said = quickly("flips", "--run", tmp_path / "run" / "preset_0")
    assert code == 0, said
    counts = {name: content[name]["per_image"] for name in ("alone", "averaged")}
    assert counts["alone"] != counts["averaged"]
    alone, averaged = (landslide_iou(np.sum(list(found.values()), axis=0)) for found in counts.values())
    assert content["compared"]["test images"]["difference"] == pytest.approx(averaged - alone)
    run = str(tmp_path / "run" / "preset_0" / "best.weights.h5")
    for flags, name in (([], "alone"), (["--average-flips"], "averaged")):
        out = tmp_path / f"{name}.json"
        told = ["--data", str(bijie), "--split", "paper510", "--threshold", "0.5", "--json", str(out)]
        with small_network():
            assert main(["evaluate", "--weights", run, *told, *flags]) == 0
        known = json.loads(out.read_text())["per_image"]
        assert counts[name] == {image: known[image] for image in counts[name]}


def test_mirror_images_are_compared_with_the_same_run():
    """Which need not be the one that stands there as the preset's. By hand: IoU 2 / 4 alone, 3 / 4 averaged."""
    one, groups = {"a": [[6, 1], [1, 2]]}, {"a": "a"}
    preset = {"per_image": {"a": [[9, 0], [0, 1]]}, "groups": groups}
    flips = {"per_image": {"a": [[6, 0], [1, 3]]}, "alone": one, "groups": groups}
    found = loaded("tries").compared({"preset": {"0": preset}, "flips": {"0": flips}, "slow": {"0": preset}})
    assert (found["flips, seed 0"]["preset"], found["flips, seed 0"]["difference"]) == (0.5, 0.25)
    assert found["slow, seed 0"]["difference"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--preset", "cpu"],
            "tries.json: preset, seed 0, was made with other image_size, unfrozen_epochs, ",
        ),
        (["--seed", "1"], "--seed is not for tries, which compare several; give --seeds."),
        (["--try", "slwo"], "Unknown --try 'slwo'; did you mean 'slow'?"),
    ],
)
def test_tries_of_other_presets_are_not_compared(tmp_path, capsys, arguments, said):
    shutil.copy(ROOT / "results" / "tries.json", tmp_path)
    with pytest.raises(SystemExit) as stop:
        loaded("tries").main([*arguments, "--results", str(tmp_path), "--out", str(tmp_path / "run")])
    assert stop.value.code == 2 and said in capsys.readouterr().err


def test_the_stored_tries_are_those_of_their_counts():
    path = ROOT / "results" / "tries.json"
    content = json.loads(path.read_text())
    tries = loaded("tries")
    tries.check_same_preset(content["tries"], argparse.Namespace(preset="table", quick=False), path)
    assert same_numbers(tries.compared(content["tries"]), content["compared"])


@pytest.mark.parametrize("name", [SHIPPED_WEIGHTS, SCENE_WEIGHTS])
def test_shipped_weights_have_a_card_and_are_small(name):
    file = ROOT / "weights" / f"{name}.weights.h5"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert digest in file.with_name(file.name.split(".")[0] + ".md").read_text()
    assert file.stat().st_size < 12e6
    name = file.name.split(".")[0]
    content = json.loads((ROOT / "results" / "shipped" / f"{name}.json").read_text())
    assert content["weights"]["sha256"] == digest
    with h5py.File(file) as stored:
        said = json.loads(stored.attrs["keras_landslide"])
    assert LICENCE in said["licence"]
    card_of_file = file.with_name(f"{name}.md").read_text(encoding="utf-8")
    told = {
        "command": re.search(r"Made by `(.+)`", card_of_file)[1],
        "result": f"results/shipped/{name}.json",
        "trained_on": len(said["data"]["trained_on"]),
        "trained_on_negatives": len(said["data"]["negatives"]),
    }
    assert card(content, file, **told) == card_of_file


@pytest.mark.parametrize("name", [SHIPPED_WEIGHTS, SCENE_WEIGHTS])
def test_shipped_weights_answer_as_when_they_were_scored(bijie, name):
    """The maps that were kept then: scores in README and cards are those of what is installed now."""
    predictor, shipped = Predictor.of(load_model(name)), ROOT / "results" / "shipped"
    scored = json.loads((shipped / f"{name}.json").read_text())["per_image"]
    for image in sorted(scored)[:3]:
        pixels = read_image(bijie / "landslide" / "image" / f"{image}.png")
        kept = cv2.imread(str(shipped / "probabilities" / name / f"{image}.png"), cv2.IMREAD_UNCHANGED)
        found, mirrored = (255 * predictor(one)[..., 1] for one in (pixels, pixels[:, ::-1]))
        assert np.ptp(kept) > 200
        assert np.abs(found - kept).max() < 3
        assert np.abs(mirrored - kept).mean() > 3


@pytest.mark.slow
def test_a_landslide_at_the_edge_is_still_found_by_the_weights_for_scenes(bijie):
    """Every other validation image, whole and cut so that the landslide stands in a corner. Weights that had learnt to
    look in the middle found 49, 14 and 10 of all 70.
    """
    shifted = loaded("shifted")
    samples = load_split(bijie, "bijie770", seed=0).subset("val")[::2]
    ious = shifted.shifted(Predictor.of(load_model(SCENE_WEIGHTS)), samples)
    middle, *corners = (sum(one[place] > 0.5 for one in ious.values()) for place in shifted.PLACES)
    assert len(ious) == 35 and middle > 20 and min(corners) > middle / 2
