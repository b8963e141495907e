"""The figures show the graph that was built: every feature, every branch, the right shapes."""

import cv2
import numpy as np
import pytest

from keras_landslide.cli import main
from keras_landslide.models import build_model
from keras_landslide.paper import TABLE_5
from keras_landslide.results.diagrams import POSITIONS, blocks, draw_model


def found(architecture: str, backbone: str, side: int = 64, **options) -> dict:
    model = build_model(architecture, backbone, input_shape=(side, side, 3), backbone_weights=None, **options)
    return {block.name: block for block in blocks(model)}


def test_blocks_of_pspnet_are_those_of_figure_3():
    seen = found("pspnet", "mobilenet", 96, output_stride=8)
    levels = [f"bins {bins}" for bins in (1, 2, 3, 6)]
    assert set(seen) == {"image", "stride_32", "pool", *levels, "fuse", "probabilities"}
    assert seen["stride_32"].title == "stride 8" and seen["stride_32"].shape == (12, 12, 1024)
    assert seen["pool"].inputs == ("stride_32",) and seen["pool"].shape == (6, 6, 1024)
    assert seen["pool"].operations == tuple(f"mean of {bins}×{bins} windows" for bins in (1, 2, 3, 6))
    assert all(seen[level].inputs == ("pool",) for level in levels)
    assert seen["bins 3"].operations == ("convolution 1×1",) and seen["bins 3"].shape == (3, 3, 256)
    assert set(seen["fuse"].inputs) == {"stride_32", *levels}
    assert seen["fuse"].operations == ("resize", "join", "convolution 3×3", "dropout")
    assert seen["fuse"].shape == (12, 12, 256)
    assert seen["probabilities"].shape == (96, 96, 2)


def test_blocks_of_deeplabv3plus_are_those_of_figure_2():
    seen = found("deeplabv3plus", "mobilenet", rates=(2, 4, 8))
    branches = {"branch point", "branch mean", "branch atrous_1", "branch atrous_2", "branch atrous_3"}
    assert set(seen) == {
        *branches, "image", "stride_4", "stride_32", "projection", "fine features", "decoder", "probabilities",
    }  # fmt: skip
    assert set(seen["projection"].inputs) == branches
    assert set(seen["decoder"].inputs) == {"projection", "fine features"}
    assert seen["fine features"].inputs == ("stride_4",) and seen["fine features"].shape == (16, 16, 48)
    assert seen["branch atrous_3"].operations == ("depthwise 3×3, rate 8", "convolution 1×1")
    assert seen["decoder"].operations == ("resize", "join", "2 × depthwise 3×3", "2 × convolution 1×1")


def test_blocks_of_unet_are_those_of_figure_1():
    seen = found("unet", "vgg16")
    assert [name for name in seen if name.startswith("stride")] == [f"stride_{2**power}" for power in range(5)]
    for stage, (below, skip) in enumerate([("stride_16", "stride_8"), ("decoder 1", "stride_4")], start=1):
        assert set(seen[f"decoder {stage}"].inputs) == {below, skip}
    assert seen["decoder 4"].shape == (64, 64, 64) and "decoder 5" not in seen
    assert found("unet", "mobilenet")["decoder 5"].inputs == ("decoder 4",)


@pytest.mark.parametrize("architecture", POSITIONS)
def test_every_block_has_a_place_of_its_own(architecture):
    for backbone in ("vgg16", "xception"):
        names = set(found(architecture, backbone))
        coarsest = {"vgg16": "stride_16", "xception": "stride_32"}[backbone]
        places = {name.replace("stride_32", coarsest): place for name, place in POSITIONS[architecture].items()}
        assert names == set(places)
        assert len(set(places.values())) == len(places)


def test_a_figure_is_a_picture_in_which_every_kind_of_block_has_its_colour(tmp_path):
    model = build_model("unet", "mobilenet", input_shape=(64, 64, 3), backbone_weights=None)
    draw_model(model, tmp_path / "figure.png")
    picture = cv2.imread(str(tmp_path / "figure.png"))[..., ::-1].astype(int)
    boxes = {"#e8e8e8": 2, "#cfe3f5": 5, "#fbe3c8": 5}
    for colour, count in boxes.items():
        rgb = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
        mask = (np.abs(picture - rgb).max(-1) < 3).astype(np.uint8)
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((15, 15)))  # over the letters
        areas = cv2.connectedComponentsWithStats(mask)[2][1:, cv2.CC_STAT_AREA]
        assert (areas > 10_000).sum() == count, colour


@pytest.mark.slow  # builds the six rows
def test_the_command_draws_the_six_rows(tmp_path, capsys, fails):
    out = tmp_path / "figures"
    assert main(["models", "--plot", str(out)]) == 0
    drawn = {path.stem.split("_", 1)[1] for path in out.glob("figure?_*.png")}
    assert drawn == {row.name for row in TABLE_5}
    printed = capsys.readouterr().out
    assert f"Figures 1 to 3 of the six rows: {out}" in printed
    (out / "mine.png").write_bytes(b"kept")
    assert "add --overwrite" in fails("models", "--plot", out)
