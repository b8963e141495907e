"""`keras-landslide map` on small scenes whose landslides are known: its files and its options."""

import csv
import shutil

import cv2
import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.transform import from_origin

import keras_landslide
from keras_landslide.cli import main
from keras_landslide.data.synthetic import mountain_scene
from keras_landslide.errors import LandslideError
from keras_landslide.mapping import scenes
from keras_landslide.mapping.plan import Options, planned
from keras_landslide.mapping.vectors import write_layer
from keras_landslide.models.loading import load_model
from keras_landslide.models.saving import describe, read_weights
from keras_landslide.prediction.windows import blended
from tests.one_landslide import AREA, COLUMNS, HEIGHT, ROWS, WIDTH, pixels, read, tables, write_area
from tests.scenes import PLACE, UTM, redness, write_scene

FILES = [
    "index.html", "landslides.tif", "outlines.geojson", "outlines.gpkg", "outlines.qml", "preview.jpg",
    "probability.tif", "scene.json",
]  # fmt: skip


def test_a_scene_becomes_rasters_outlines_a_page_and_a_line_of_a_table(mapped, scene, capsys):
    out = mapped(scene)
    said = capsys.readouterr().out.splitlines()
    assert sorted(path.name for path in out.iterdir()) == ["map.json", "scene", "summary.csv"]
    assert sorted(path.name for path in (out / "scene").iterdir()) == FILES
    wanted = np.zeros((HEIGHT, WIDTH))
    wanted[ROWS, COLUMNS] = 1
    np.testing.assert_array_equal(read(out / "scene/landslides.tif"), wanted)
    (line,) = csv.DictReader((out / "summary.csv").open())
    assert (line["scene"], line["folder"]) == (str(scene), "scene")
    assert [line[name] for name in ("width", "height", "gsd", "threshold", "landslides", "unit")] == [
        "150", "180", "0.8", "0.8", "1", "m²"
    ]  # fmt: skip
    assert float(line["area"]) == float(line["largest"]) == pytest.approx(AREA, rel=1e-4)
    assert (int(line["valid_pixels"]), int(line["landslide_pixels"])) == (HEIGHT * WIDTH, 2800)
    assert float(line["marked"]) == pytest.approx(2800 / HEIGHT / WIDTH, abs=1e-6)
    assert said[0] == f"{scene}: 1 landslides, {AREA:,.0f} m²." and said[-1].startswith(
        "These weights are for research"
    )


def test_the_outline_has_its_fields_and_lies_where_the_landslide_does(mapped, scene):
    out = mapped(scene, "--simplify", 0.01)
    table = tables(out / "scene")
    assert table.crs == UTM and len(table) == 1
    corners = [PLACE @ corner for corner in ((30, 40), (100, 80))]
    assert table.geometry[0].symmetric_difference(shapely.box(*np.ravel(corners))).area < 1e-3
    row = table.iloc[0]
    assert (row["id"], row["scene"]) == (1, "scene") and row["area_m2"] == pytest.approx(AREA, rel=1e-4)
    assert row["mean_probability"] == row["largest_probability"] == 1
    degrees = geopandas.read_file(out / "scene/outlines.geojson")
    assert degrees.crs == "EPSG:4326" and degrees.is_valid.all()
    assert degrees.to_crs(UTM).geometry[0].symmetric_difference(table.geometry[0]).area < 1e-3
    assert (row["longitude"], row["latitude"]) == pytest.approx(degrees.geometry[0].centroid.coords[0], abs=1e-6)


def test_the_preview_shows_the_scene_and_the_outline(mapped, scene):
    out = mapped(scene)
    shown = cv2.imread(str(out / "scene/preview.jpg"))[..., ::-1].astype(int)
    assert shown.shape == (HEIGHT, WIDTH, 3)
    assert abs(shown[50:70, 40:90] - pixels()[50:70, 40:90]).mean() < 25  # less what JPEG loses of noise
    yellow = (shown[..., 0] > 180) & (shown[..., 1] > 150) & (shown[..., 2] < 120)
    rows, columns = np.nonzero(yellow)
    assert yellow.sum() > 100
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((40, 80, 30, 100), abs=2)


def with_nan() -> np.ndarray:
    values = pixels().astype(np.float32) / 255
    values[100:120, :50] = np.nan
    return values


GREY = np.where(pixels()[..., 0] == 255, 255, 40).astype(np.uint8)
FINE = {
    "one band": ({"pixels": GREY}, HEIGHT * WIDTH),
    "four bands": ({"pixels": np.dstack([pixels(), GREY]), "photometric": "MINISBLACK"}, HEIGHT * WIDTH),
    "16 bits": ({"pixels": pixels().astype(np.uint16) * 40}, HEIGHT * WIDTH),
    "numbers that are none": ({"pixels": with_nan()}, HEIGHT * WIDTH - 1000),
    "turned": ({"pixels": pixels(), "transform": PLACE @ Affine.rotation(40)}, HEIGHT * WIDTH),
    "south up": ({"pixels": pixels(), "transform": Affine(0.8, 0, 5e5, 0, 0.8, 3e6)}, HEIGHT * WIDTH),
    "lower than a window": ({"pixels": pixels()[38:90]}, 52 * WIDTH),
    "smaller than a window": ({"pixels": pixels()[30:90, 45:100]}, 60 * 55),
}


@pytest.mark.parametrize("name", FINE)
def test_scenes_of_other_kinds_show_the_same_landslide(mapped, tmp_path, name):
    how, valid = FINE[name]
    out = mapped(write_scene(tmp_path / "scene.tif", **how))
    (line,) = csv.DictReader((out / "summary.csv").open())
    share = 55 / 70 if name == "smaller than a window" else 1  # of the landslide that lies in it
    assert (int(line["landslides"]), int(line["valid_pixels"])) == (1, valid)
    assert int(line["landslide_pixels"]) == share * 2800
    assert float(line["area"]) == pytest.approx(share * AREA, rel=1e-4)


def test_a_scene_without_data_has_results_without_landslides(mapped, network, tmp_path):
    out = mapped(write_scene(tmp_path / "scene.tif", np.zeros((HEIGHT, WIDTH, 3), np.uint8), nodata=0))
    assert network.calls == 0 and (read(out / "scene/landslides.tif") == 255).all()
    assert len(tables(out / "scene")) == 0 and len(geopandas.read_file(out / "scene/outlines.geojson")) == 0
    assert "The scene has no valid pixel." in (out / "scene/index.html").read_text()
    (line,) = csv.DictReader((out / "summary.csv").open())
    assert [line[name] for name in ("landslides", "area", "valid_pixels", "marked")] == ["0", "0", "0", "0.000000"]


def test_a_scene_that_lies_nowhere_is_measured_in_pixels(mapped, tmp_path):
    """Its pixels are said to be half as long as the network's, which sees it at half the size."""
    scene = write_scene(tmp_path / "scene.tif", pixels(), crs=None, transform=Affine.identity())
    out = mapped(scene, "--scene-gsd", 0.4, "--gsd", 0.8, "--min-area", 2000)
    (line,) = csv.DictReader((out / "summary.csv").open())
    assert (line["unit"], line["gsd"]) == ("pixels", "0.8")
    assert float(line["area"]) == pytest.approx(2800, rel=0.1) and not (out / "scene/outlines.geojson").exists()
    assert "area_pixels" in tables(out / "scene")
    with rasterio.open(out / "scene/probability.tif") as file:
        assert file.crs is None and file.tags()["RESOLUTION_METRES"] == "0.8"


def test_a_scene_that_crosses_the_180th_meridian_is_cut_there_in_degrees(mapped, tmp_path):
    """At 17° south, in Fiji, it runs through x = 819 km or so of zone 60."""
    crs, there = "EPSG:32760", geopandas.GeoSeries([shapely.Point(180, -17)], crs="EPSG:4326").to_crs("EPSG:32760")[0]
    place = Affine(0.8, 0, there.x - 65 * 0.8, 0, -0.8, there.y + 60 * 0.8)
    out = mapped(write_scene(tmp_path / "scene.tif", pixels(), crs=crs, transform=place))
    (cut,) = geopandas.read_file(out / "scene/outlines.geojson").geometry
    assert cut.is_valid and len(cut.geoms) == 2
    west, east = sorted(cut.geoms, key=lambda part: part.centroid.x)
    assert west.bounds[0] == -180 and east.bounds[2] == 180 and max(west.bounds[2] + 180, 180 - east.bounds[0]) < 1e-3
    areas = geopandas.GeoSeries([west, east], crs="EPSG:4326").to_crs("EPSG:6933").area  # which shows areas as they are
    assert areas.sum() == pytest.approx(2800 * 0.64 / 0.9996**2, rel=0.01) and (areas > 700).all()


def test_a_scene_in_degrees_may_go_on_beyond_180(mapped, tmp_path):
    """As GDAL writes them; an area of interest has the rest at −180°, as GeoJSON wants it."""
    metre = 1 / 111_320
    place = Affine(0.8 * metre, 0, 180 - 65 * 0.8 * metre, 0, -0.8 * metre, 0.0005)
    scene = write_scene(tmp_path / "scene.tif", pixels(), crs="EPSG:4326", transform=place)
    out = mapped(scene)
    (cut,) = geopandas.read_file(out / "scene/outlines.geojson").geometry
    west, east = sorted(cut.geoms, key=lambda part: part.centroid.x)
    assert cut.is_valid and west.bounds[0] == -180 and east.bounds[2] == 180
    assert west.bounds[2] == pytest.approx(-180 + 35 * 0.8 * metre, abs=1e-7)
    assert -180 <= tables(out / "scene")["longitude"][0] <= 180
    sides = [shapely.box(179, -1, 180, 1), shapely.box(-180, -1, -179, 1)]
    write_layer(tmp_path / "area.gpkg", "area", sides, {}, "EPSG:4326")
    (line,) = csv.DictReader((mapped(scene, "--aoi", tmp_path / "area.gpkg", out="in_area") / "summary.csv").open())
    assert (int(line["valid_pixels"]), int(line["landslide_pixels"])) == (HEIGHT * WIDTH, 2800)


@pytest.mark.parametrize("crs", [UTM, "EPSG:4326"])
def test_nothing_is_looked_at_outside_the_area_of_interest(mapped, network, scene, tmp_path, crs):
    area = write_area(tmp_path, (0, 0, 60, 60), (120, 150, 150, 180), crs=crs)
    mapped(scene, out="everywhere")
    everywhere, network.calls = network.calls, 0
    out = mapped(scene, "--aoi", area)
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[:60, :60] = inside[150:, 120:] = True
    plain = read(tmp_path / "everywhere/scene/probability.tif")
    np.testing.assert_array_equal(read(out / "scene/probability.tif"), np.where(inside, plain, 255))
    assert 0 < network.calls < everywhere
    (line,) = csv.DictReader((out / "summary.csv").open())
    assert (int(line["valid_pixels"]), int(line["landslide_pixels"])) == (60 * 60 + 30 * 30, 20 * 30)


def test_scenes_of_one_name_have_folders_of_their_own(mapped, tmp_path):
    paths = []
    for number, name in enumerate(("before", "after")):
        (tmp_path / name).mkdir()
        shown = pixels()
        shown[: 60 * number] = 9  # the later one lacks the upper half of the landslide
        paths.append(write_scene(tmp_path / name / "scene.tif", shown))
    out = mapped(*paths)
    lines = list(csv.DictReader((out / "summary.csv").open()))
    assert [(line["scene"], line["folder"]) for line in lines] == [
        (str(paths[0]), "before_scene"),
        (str(paths[1]), "after_scene"),
    ]
    assert [int(line["landslide_pixels"]) for line in lines] == [2800, 1400]
    for line in lines:
        assert (read(out / line["folder"] / "landslides.tif") == 1).sum() == int(line["landslide_pixels"])


def test_bfloat16_only_when_asked(scene, weights, tmp_path, rounding, capsys):
    asked = rounding(0.1)  # which carries no pixel over the threshold
    given = ["map", scene, "--out", tmp_path / "map", "--weights", weights, "--runtime", "openvino"]
    assert main([str(part) for part in given]) == 0 and asked == [False]
    assert main([str(part) for part in [*given, "--bfloat16", "--overwrite"]]) == 0
    assert asked == [False, True, False]  # both are made once and compared, and it is what maps
    assert "100.00 % of the pixels" in capsys.readouterr().out
    np.testing.assert_allclose(
        read(tmp_path / "map/scene/probability.tif")[0, 0], 254 * (pixels()[0, 0, 0] / 255 + 0.1), atol=1
    )


def test_an_ensemble_is_the_mean_of_its_opinions_and_of_its_thresholds(weights, scene, tmp_path, monkeypatch):
    """One network sees red, the other green."""
    other = tmp_path / "green.weights.h5"
    shutil.copy(weights, other)
    describe(other, threshold=0.3)

    def engine(one, runtime, size, bfloat16, report):
        assert (runtime, size, bfloat16) == ("keras", 64, False)
        return redness if one.path == weights else lambda batch: redness(batch[..., 1:])

    monkeypatch.setattr(scenes, "engine", engine)
    command = ["map", scene, "--out", tmp_path / "map", "--weights", weights, "--ensemble", other]
    assert main([str(part) for part in [*command, "--uncertainty", "--runtime", "keras"]]) == 0
    red, green = np.moveaxis(pixels()[..., :2] / 255, -1, 0)
    folder = tmp_path / "map/scene"
    np.testing.assert_allclose(read(folder / "probability.tif"), 127 * (red + green), atol=0.51)
    np.testing.assert_allclose(read(folder / "uncertainty.tif"), 254 * abs(red - green), atol=0.51)
    found = read(folder / "probability.tif") / 254
    np.testing.assert_array_equal(read(folder / "landslides.tif"), found > 0.55)
    with rasterio.open(folder / "uncertainty.tif") as file:
        said = file.tags()
    assert said["THRESHOLD"] == "0.55" and len(said["WEIGHTS_SHA256"].split(",")) == 2


@pytest.mark.parametrize(
    ("arguments", "landslides", "valid"),
    [
        ("--bands 3 2 1", 0, HEIGHT * WIDTH),  # what is red is then taken for blue
        ("--black-is-nodata", 1, HEIGHT * WIDTH - 600),
        ("--min-area 5000", 0, HEIGHT * WIDTH),
        ("--threshold 0.2", 2, HEIGHT * WIDTH),
        ("--stretch 0 25", 2, HEIGHT * WIDTH),
    ],
)
def test_options_change_what_they_say(mapped, tmp_path, arguments, landslides, valid):
    """Beside the landslide there are a strip of black and one of a third of its red."""
    shown = np.full((HEIGHT, WIDTH, 3), 20, np.uint8)
    shown[ROWS, COLUMNS, 0] = 255
    shown[100:104] = 0
    shown[120:170, :, 0] = 85
    out = mapped(write_scene(tmp_path / "scene.tif", shown), *arguments.split())
    (line,) = csv.DictReader((out / "summary.csv").open())
    assert (int(line["landslides"]), int(line["valid_pixels"])) == (landslides, valid)


def test_pixels_without_a_crs_are_those_of_the_scene_whatever_grid_results_have(mapped, tmp_path):
    """The scale of the weights is 0.8 m a pixel, that of the scene, which only has a world file, 0.4 m."""
    scene = write_scene(tmp_path / "scene.tif", pixels(), crs=None, transform=PLACE @ Affine.scale(0.5))
    for grid in ("scene", "model"):
        given = [scene, "--scene-gsd", 0.4, "--gsd", 0.8, "--grid", grid]
        (area,) = tables(mapped(*given, out=grid) / "scene")["area_pixels"]
        assert area == pytest.approx(2800, rel=0.1)  # interpolated where the network saw half the size
        assert len(tables(mapped(*given, "--min-area", 3100, out=f"{grid}_large") / "scene")) == 0


def test_the_terms_of_every_member_of_an_ensemble_are_said(mapped, scene, weights, tmp_path, capsys):
    other = tmp_path / "other.weights.h5"
    shutil.copy(weights, other)
    describe(other, licence="Ask Jane first.")
    out = mapped(scene, "--ensemble", other, other)
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("These weights are for research use only") and said.endswith(" Ask Jane first.")
    assert said in (out / "scene/index.html").read_text()


def test_the_grid_of_the_model_is_that_of_its_scale(mapped, tmp_path):
    scene = write_scene(tmp_path / "scene.tif", pixels(), transform=PLACE @ Affine.scale(0.5))
    out = mapped(scene, "--grid", "model")
    with rasterio.open(out / "scene/landslides.tif") as file, rasterio.open(scene) as seen:
        assert file.shape == (HEIGHT // 2, WIDTH // 2) and file.bounds == pytest.approx(seen.bounds)
        wanted = np.zeros(file.shape)
        wanted[20:40, 15:50] = 1
        np.testing.assert_array_equal(file.read(1), wanted)
    assert tables(out / "scene")["area_m2"][0] == pytest.approx(AREA / 4, rel=1e-4)


def test_the_shipped_model_marks_a_scene_as_keras_alone_does(tmp_path, capsys):
    """Windows of 256 pixels, blended, with nothing of this room in between; the scale is that of the weights."""
    image = mountain_scene(3, (300, 340)).image
    scene = write_scene(tmp_path / "mountain.tif", image)
    command = f"map {scene} --out {tmp_path / 'map'} --runtime keras --min-area 0".split()
    assert main(command) == 0
    model = load_model("pspnet_mobilenet_v2_scenes")
    threshold = model.description.threshold
    wanted = blended(image, 256, lambda window: model.predict_on_batch(window[None].astype(np.float32))[0])[..., 1]
    assert np.ptp(wanted) > 0.5
    folder = tmp_path / "map/mountain"
    np.testing.assert_allclose(read(folder / "probability.tif"), 254 * wanted, atol=1)
    clear = abs(wanted - threshold) > 0.01
    np.testing.assert_array_equal(read(folder / "landslides.tif")[clear], (wanted > threshold)[clear])
    counted = cv2.connectedComponents(read(folder / "landslides.tif"), connectivity=4)[0] - 1
    assert len(tables(folder)) == counted > 0
    assert f"mountain.tif: {counted} landslides" in capsys.readouterr().out


SCALES = {
    "as trained": ({"transform": PLACE}, {}, []),
    "coarse": (
        {"transform": from_origin(5e5, 3e6, 10, 10)},
        {},
        ["its pixels are 10 m long and the network sees it at"],
    ),
    "fine": ({"transform": from_origin(5e5, 3e6, 0.1, 0.1)}, {}, ["its pixels are 0.1 m long and the network sees it"]),
    "told": ({"transform": PLACE}, {"gsd": 4.0}, ["sees it at 4 m", "trained at 0.8 m a pixel and is used at 4 m"]),
    "nowhere": (
        {"crs": None, "transform": Affine.identity()},
        {},
        ["taken for the 0.8 m of the images that the network"],
    ),
}


@pytest.mark.parametrize("name", SCALES)
def test_scales_that_the_network_was_not_trained_on_are_warned_of(weights, tmp_path, caplog, name):
    how, options, said = SCALES[name]
    planned([write_scene(tmp_path / "scene.tif", pixels(), **how)], [read_weights(weights)], Options(**options))
    assert len(caplog.messages) == len(said)
    assert all(text in message for text, message in zip(said, caplog.messages, strict=True))


def test_in_python_a_scene_is_mapped_with_an_ensemble_and_gone_on_with(weights, network, scene, tmp_path, monkeypatch):
    asked, made = [], scenes.network_of
    monkeypatch.setattr(scenes, "network_of", lambda given, *more: asked.append(given) or made(given, *more))
    how = {"weights": weights, "ensemble": [weights], "average_flips": True, "uncertainty": True}
    mapped = keras_landslide.map_scene(scene, tmp_path / "map", **how)
    assert (mapped.landslides, mapped.unit, len(asked[0])) == (1, "m²", 2)
    assert mapped.area == pytest.approx(AREA, rel=1e-4)
    assert (tmp_path / "map/scene/uncertainty.tif").is_file()
    with pytest.raises(LandslideError, match="add --overwrite, --resume to go on with it"):
        keras_landslide.map_scene(scene, tmp_path / "map", **how)
    calls = network.calls
    assert keras_landslide.map_scene(scene, tmp_path / "map", **how, resume=True) == mapped
    assert network.calls == calls
