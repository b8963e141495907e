"""What is settled before a training: cheap checks first, each image read no oftener than needed, the start noted."""

import dataclasses
from collections import Counter

import pytest

from keras_landslide.cli import main
from keras_landslide.data.dataset import Source
from keras_landslide.data.synthetic import write_dataset
from keras_landslide.errors import LandslideError
from keras_landslide.files import images
from keras_landslide.models.saving import layers_with_weights, read_description
from keras_landslide.settings import Settings
from keras_landslide.training import jobs, plan
from keras_landslide.training.plan import new_model, planned
from tests.small import SETTINGS, command, small_model, small_network, train


@pytest.fixture
def nothing_is_read(monkeypatch):
    def fail(*_):
        pytest.fail("a file was read")

    monkeypatch.setattr(images, "_decode", fail)
    monkeypatch.setattr("keras_landslide.data.dataset.find_data", fail)
    monkeypatch.setattr("keras_landslide.training.plan.read_weights", fail)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"architecture": "unett"}, "did you mean 'unet'"),
        ({"backbone": "vgg19"}, "did you mean 'vgg16'"),
        ({"output_stride": 12}, "12"),
        ({"architecture": "unet", "aux_branch": True}, "unet has no auxiliary branch"),
    ],
)
def test_a_network_that_cannot_be_is_refused_before_any_file_is_read(wrong, message, nothing_is_read, tmp_path):
    with pytest.raises(LandslideError, match=message):
        settings = dataclasses.replace(SETTINGS, init_weights=str(tmp_path / "none.weights.h5"), **wrong)
        planned(settings, Source(str(tmp_path), "auto"), tmp_path / "run")


def test_a_folder_in_use_is_said_before_any_file_is_read(nothing_is_read, tmp_path):
    (tmp_path / "kept.txt").write_text("")
    with pytest.raises(LandslideError, match="is not empty"):
        planned(SETTINGS, Source(str(tmp_path), "auto"), tmp_path)


def test_the_command_line_says_a_wrong_stride_before_it_looks_for_the_data(fails, tmp_path):
    error = fails("train", "--data", tmp_path / "nowhere", "--out", tmp_path / "out", "--output-stride", "12")
    assert "12" in error and "nowhere" not in error and not (tmp_path / "out").exists()


@pytest.fixture
def decoded(monkeypatch):
    """How often each file was decoded, by its folder and name."""
    counts, usual = Counter(), images._decode

    def decode(path, flags):
        counts[f"{path.parent.name}/{path.name}"] += 1
        return usual(path, flags)

    monkeypatch.setattr(images, "_decode", decode)
    return counts


@pytest.mark.parametrize(
    ("labels", "before"),
    # checked; hashed and looked up for overlaps, which `auto` wants for its groups and completed labels use again
    [("original", 3), ("completed", 3)],
)
def test_how_often_a_training_decodes_an_image(decoded, played, tmp_path, monkeypatch, labels, before):
    """12 scenes of their own, so that no overlap has to be proved; each of the two phases reads an image once more."""
    write_dataset(tmp_path / "data", 12, seed=2, size=64)
    at_start, usual = [], jobs.fit.train

    def counted(plan, **options):
        at_start.append(Counter(decoded))
        return usual(plan, **options)

    monkeypatch.setattr(jobs.fit, "train", counted)
    with small_network():
        assert main([*command(tmp_path / "data", tmp_path / "run"), "--labels", labels]) == 0
    trained = set(read_description(tmp_path / "run" / "best.weights.h5").data.trained_on)
    (at_start,) = at_start
    for name in trained:
        assert (at_start[f"image/{name}.png"], at_start[f"mask/{name}.png"]) == (before, 1)
        assert (decoded[f"image/{name}.png"], decoded[f"mask/{name}.png"]) == (before + 2, 3)
    assert len(trained) == 10 and len(at_start) == 24


def test_a_run_goes_on_without_the_files_that_it_started_from(split, played, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(plan, "initialise_backbone", lambda network, name, weights: started.append(weights) or [])
    settings = dataclasses.replace(SETTINGS, backbone_weights="imagenet")
    with small_network():
        played.stop_in = 2
        with pytest.raises(KeyboardInterrupt):
            train(settings, split, tmp_path / "run")
        run = train(settings, split, tmp_path / "run", resume=True)
    assert started == ["imagenet", None]
    said = read_description(run.best_weights).start
    assert (said.weights, said.random_layers) == ("imagenet", ("head",))  # as it was begun, not as it went on


def test_layers_that_start_from_random_are_noted(imagenet, monkeypatch):
    """All beside the backbone, and what its file does not hold: ResNet50's has its first four stages."""
    monkeypatch.setenv("KERAS_LANDSLIDE_BACKBONES", str(imagenet))
    for backbone, lacking in (("mobilenet_v2", ()), ("resnet50", ("conv5_",))):
        settings = Settings("pspnet", backbone, image_size=64)
        model, still_random = new_model(settings, None)
        inside = [layer.name for layer in layers_with_weights(model.get_layer("backbone"))]
        outside = {layer.name for layer in layers_with_weights(model)} - set(inside)
        wanted = outside | {name for name in inside if name.startswith(lacking or "none")}
        assert set(still_random) == wanted and len(still_random) == len(wanted) > len(outside) - 1
        assert {"head"} < outside
    settings = dataclasses.replace(SETTINGS, backbone_weights="none")
    monkeypatch.setattr(plan, "build_model", small_model)
    assert new_model(settings, None)[1] == [
        "convolution_8",
        "normalisation_8",
        "convolution_12",
        "normalisation_12",
        "head",
    ]
