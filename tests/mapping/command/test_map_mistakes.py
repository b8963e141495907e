"""Mistakes with `keras-landslide map`: each is one sentence, and leaves nothing."""

import math
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import rasterio.features
import shapely
from affine import Affine
from pyproj import Transformer
from rasterio._err import CPLE_AppDefinedError
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin

from keras_landslide.cli import main
from keras_landslide.errors import LandslideError
from keras_landslide.mapping import rasters
from keras_landslide.mapping.plan import Options, check_disk, planned
from keras_landslide.mapping.scenes import map_scenes
from keras_landslide.mapping.vectors import write_layer
from keras_landslide.models.saving import read_weights
from tests.one_landslide import HEIGHT, WIDTH, pixels, read, write_area
from tests.scenes import PLACE, UTM, noise, write_scene

VAST = """<VRTDataset rasterXSize="2000000" rasterYSize="2000000"><SRS>EPSG:32648</SRS>
<GeoTransform>500000, 0.8, 0, 3000000, 0, -0.8</GeoTransform>{}</VRTDataset>""".format(
    "".join(f'<VRTRasterBand dataType="Byte" band="{band}"/>' for band in (1, 2, 3))
)


def write_vast(folder: Path) -> Path:
    path = folder / "vast.vrt"
    path.write_text(VAST)
    return path


def write_text(folder: Path) -> Path:
    path = folder / "text.tif"
    path.write_text("no raster at all")
    return path


def write_two_bands(folder: Path) -> Path:
    return write_scene(folder / "two.tif", noise(90, 80, 2), photometric="MINISBLACK")


def write_nowhere(folder: Path) -> Path:
    return write_scene(folder / "nowhere.tif", pixels(), crs=None, transform=Affine.identity())


def write_plain(folder: Path) -> Path:
    return write_scene(folder / "plain.tif", pixels())


def write_moon(folder: Path) -> Path:
    return write_scene(folder / "moon.tif", pixels(), crs="IAU_2015:30100", transform=PLACE @ Affine.scale(1e-5))


def write_alpha(folder: Path) -> Path:
    return write_scene(folder / "alpha.tif", noise(90, 80, 1), colours=(ColorInterp.alpha,))


@pytest.mark.parametrize(
    ("write", "arguments", "said"),
    [
        (write_moon, "", "moon.tif: its CRS is that of no place on the earth ("),
        (write_alpha, "", "alpha.tif: holds no band that shows anything."),
        (lambda folder: folder / "sc\udce9ne.tif", "", "ne.tif': the name is not valid text; rename it."),
        (write_plain, "--threshold 1.5", "1.5"),
        (write_two_bands, "", "has two bands, and neither is called a colour; say with --bands which to take."),
        (write_text, "", "cannot be opened as a raster ("),
        (lambda folder: folder / "none.tif", "", "none.tif: cannot be opened as a raster ("),
        (write_vast, "", "mapping needs up to 29,333.3 GB, and "),
        (write_nowhere, "--gsd 0.8", "does not say how long its pixels are; give --scene-gsd beside --gsd."),
        (write_plain, "--weights pspnet_mobilenet_v2", "Give --gsd in metres a pixel (those of the scene are 0.8 m)."),
        (write_plain, "--weights none.weights.h5", "none.weights.h5: no such weights file."),
        (write_plain, "--bands 1 2 9", "has no bands 1 2 9; give --bands one number for grey or three"),
        (write_plain, "--stretch 98 2", "--stretch 98 2: give two percentiles from 0 to 100, the lower first."),
        (write_plain, "--stretch 0 200", "--stretch 0 200: give two percentiles from 0 to 100, the lower first."),
        (write_plain, "--min-area nan", "--min-area nan is not possible; give 0 or more."),
        (write_plain, "--simplify=-1", "--simplify -1 is not possible; give 0 or more."),
        (write_plain, "--gsd 0", "0 is no length; give metres above 0"),
        (write_plain, "--grid scenes", "Unknown --grid 'scenes'; did you mean 'scene'?"),
        (write_plain, "--uncertainty", "An uncertainty needs several opinions: add --average-flips or --ensemble."),
        (write_plain, "--ensemble pspnet_mobilenet_v2", "have one input size and one scale; these differ in them."),
        (write_plain, "--workers -1", "--workers: -1 is not possible; give 1 or more"),
        (write_plain, "--aoi none.gpkg", "none.gpkg: no such file; give a GeoPackage with outlines."),
        (write_plain, "--overwrite --resume", "Give --overwrite or --resume, not both."),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(fails, weights, network, tmp_path, write, arguments, said):
    out = tmp_path / "map"
    error = fails("map", write(tmp_path), "--out", out, "--weights", weights, *arguments.split())
    assert said in error and error.count("\n") == 1
    assert not out.exists() and network.calls == 0


def test_a_runtime_that_is_unknown_is_told_before_anything_is_written(fails, weights, scene, tmp_path):
    error = fails("map", scene, "--out", tmp_path / "map", "--weights", weights, "--runtime", "onnnx")
    assert "Unknown --runtime 'onnnx'; did you mean 'onnx'?" in error and not (tmp_path / "map").exists()


def test_a_full_disk_is_told_before_anything_is_written(fails, weights, network, scene, tmp_path, monkeypatch):
    """Twice the pixels for blocks and mosaic, and two rasters with overviews, before and after they are optimised."""
    needed = int((2 + 4 * 4 / 3) * HEIGHT * WIDTH)
    free = [needed - 1]
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 0, free[0]))
    command = ["map", scene, "--out", tmp_path / "map", "--weights", weights]
    assert "GB are free there; choose another --out, a larger --gsd" in fails(*command)
    assert not (tmp_path / "map").exists()
    free[0] = needed
    assert main([str(part) for part in command]) == 0
    (job,) = planned([scene], [read_weights(weights)], Options())
    check_disk(tmp_path, [job], there=0)
    free[0] = needed - 50  # what is there already need not be free again
    check_disk(tmp_path, [job], there=50)
    with pytest.raises(LandslideError, match="GB are free there"):
        check_disk(tmp_path, [job], there=49)


@pytest.mark.parametrize(
    "options",
    [{"gsd": -0.8}, {"gsd": 0.0}, {"scene_gsd": math.nan}, {"threshold": 5.0}, {"threshold": math.nan}],
    ids=str,
)
def test_values_that_cannot_be_are_refused_in_python_too(weights, scene, tmp_path, options):
    (name, value), *_ = options.items()
    with pytest.raises(LandslideError, match=f"--{name.replace('_', '-')} {value:g} is "):
        map_scenes([scene], tmp_path / "map", [read_weights(weights)], Options(**options))
    assert not (tmp_path / "map").exists()


@pytest.mark.parametrize("how", ["cut off", "refused"])
def test_a_disk_that_fills_up_while_a_raster_is_written_is_told(
    weights, network, scene, tmp_path, monkeypatch, how, capsys
):
    """GDAL may lose the end of a file, and say nothing; or raise what has no class of rasterio's."""
    copied = rasters.copy

    def copy(source, to, **options):
        copied(source, to, **options)
        if to.name == "landslides.tif" and how == "refused":
            raise CPLE_AppDefinedError(1, 2, "write error")
        if to.name == "landslides.tif":
            to.write_bytes(to.read_bytes()[:-200])

    command = ["map", str(scene), "--out", str(tmp_path / "map"), "--weights", str(weights)]
    with monkeypatch.context() as patch:
        patch.setattr(rasters, "copy", copy)
        assert main(command) == 1
    said = capsys.readouterr().err
    assert "map: rasters could not be written (" in said and said.count("\n") == 1
    assert not (tmp_path / "map/scene").exists()
    calls, network.calls = network.calls, 0
    assert main([*command, "--resume"]) == 0 and network.calls == 0 < calls  # the blocks are there
    assert (read(tmp_path / "map/scene/landslides.tif") == 1).sum() == 2800


def test_a_truncated_scene_is_told_and_has_no_results(fails, weights, network, scene, tmp_path):
    scene.write_bytes(scene.read_bytes()[: scene.stat().st_size // 2])
    error = fails("map", scene, "--out", tmp_path / "map", "--weights", weights)
    assert error.count("\n") == 1 and "is damaged or not all there" in error and "get a whole copy" in error
    assert not (tmp_path / "map/scene").exists() and not (tmp_path / "map/summary.csv").exists()


@pytest.mark.parametrize("flags", [[], ["--overwrite"], ["--resume"]])
def test_a_folder_of_something_else_is_never_touched(fails, weights, network, scene, tmp_path, flags):
    (tmp_path / "map").mkdir()
    (tmp_path / "map/thesis.txt").write_text("years of work")
    error = fails("map", scene, "--out", tmp_path / "map", "--weights", weights, *flags)
    assert ("was not made by map (no map.json); choose another --out." if flags else "is not empty; add") in error
    assert [path.name for path in (tmp_path / "map").iterdir()] == ["thesis.txt"]
    assert (tmp_path / "map/thesis.txt").read_text() == "years of work" and network.calls == 0


@pytest.mark.parametrize(
    ("rectangle", "crs", "said"),
    [
        ((2000, 0, 2100, 60), UTM, "area.gpkg: lies beside "),
        ((0, 0, 60, 60), None, "an area of interest needs a CRS of the scene and one of "),
    ],
)
def test_an_area_of_interest_that_is_none_is_refused(fails, weights, network, scene, tmp_path, rectangle, crs, said):
    area = write_area(tmp_path, rectangle, crs=crs)
    assert said in fails("map", scene, "--aoi", area, "--out", tmp_path / "map", "--weights", weights)
    assert not (tmp_path / "map").exists()


@pytest.mark.parametrize("more", [[], ["--workers", "2"]])
def test_bfloat16_is_refused_where_pixels_change_their_class(scene, weights, tmp_path, rounding, capsys, more):
    rounding(0.9)
    asked = ["--weights", weights, "--runtime", "openvino", "--bfloat16", *more]
    given = ["map", scene, "--out", tmp_path / "map", *asked]
    assert main([str(part) for part in given]) == 2
    assert "keep their class, less than 99.5 %; leave --bfloat16 out" in capsys.readouterr().err
    assert not (tmp_path / "map").exists()


@pytest.mark.parametrize("more", [[], ["--workers", "2"]])
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--runtime", "keras", "--bfloat16"], "--bfloat16 is for the runtime openvino, and this is keras"),
        (["--runtime", "keros"], "did you mean 'keras'"),
    ],
)
def test_what_a_runtime_cannot_is_told_before_anything_is_written(scene, weights, tmp_path, capsys, asked, said, more):
    given = ["map", scene, "--out", tmp_path / "map", "--weights", weights, *asked, *more]
    assert main([str(part) for part in given]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "map").exists()


def test_an_area_is_as_straight_as_in_its_own_crs(weights, tmp_path):
    """Its upper side follows a parallel, which is bent by a hundred metres in the CRS of the scene."""
    place = from_origin(450_000, 3_102_400, 100, 5)
    path = write_scene(tmp_path / "scene.tif", noise(200, 1000), transform=place)
    area = tmp_path / "degrees.gpkg"
    write_layer(area, layer="area", geometries=[shapely.box(104.0, 27.5, 106.0, 28.0415)], crs="EPSG:4326", fields={})
    (job,) = planned([path], [read_weights(weights)], Options(aoi=area, gsd=5))
    found = rasterio.features.geometry_mask(job.scene.area, (200, 1000), Affine.identity(), invert=True)
    rows, columns = np.mgrid[:200, :1000] + 0.5
    _, latitudes = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True).transform(
        450_000 + 100 * columns, 3_102_400 - 5 * rows
    )
    wanted = latitudes < 28.0415
    assert 0.2 < wanted.mean() < 0.8 and (found != wanted).mean() < 1e-3
