"""Scenes read against NumPy: resampling, what is valid, which bands are colours, how long a pixel is."""

import logging
from dataclasses import replace

import cv2
import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp, Resampling
from rasterio.transform import from_origin

from keras_landslide.errors import LandslideError
from keras_landslide.mapping.raster import Grid, Scene, open_scene
from tests.scenes import MERCATOR, UTM, noise, overlaps, write_scene

GREY = 128
RED, GREEN, BLUE, ALPHA = ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha
NO_COLOUR = (ColorInterp.gray, ColorInterp.undefined, ColorInterp.undefined, ColorInterp.undefined)
HEIGHT, WIDTH = 61, 47


def read(scene: Scene, grid: Grid | None = None, rows: slice | None = None, columns: slice | None = None):
    """A part of a scene, by default all of it as it is."""
    grid = grid or Grid(scene.width, scene.height, scene.width, scene.height)
    with scene.opened() as dataset:
        return scene.read(dataset, grid, rows or slice(0, grid.height), columns or slice(0, grid.width))


@pytest.fixture
def pixels() -> np.ndarray:
    return noise(HEIGHT, WIDTH)


FACTORS = [(1 / 3, 1 / 3), (0.3, 0.37), (0.71, 0.71), (0.9, 1.05), (0.02, 0.5)]


@pytest.mark.parametrize("factors", FACTORS)
def test_shrinking_averages_areas(scene, pixels, factors):
    grid = Grid.of_factors(WIDTH, HEIGHT, *factors)
    image, valid = read(scene, grid)
    down, across = overlaps(HEIGHT, grid.height), overlaps(WIDTH, grid.width)
    wanted = np.einsum("ay,yxc,bx->abc", down, pixels.astype(float), across)
    assert valid.all() and image.shape == (grid.height, grid.width, 3)
    np.testing.assert_allclose(image, wanted, atol=0.501)  # rounded


@pytest.mark.parametrize("factor", [1.3, 2, 3.4])
def test_enlarging_interpolates_as_opencv_does(scene, pixels, factor):
    grid = Grid.of_factors(WIDTH, HEIGHT, factor, factor)
    image, valid = read(scene, grid)
    wanted = cv2.resize(pixels, (grid.width, grid.height), interpolation=cv2.INTER_LINEAR)
    assert valid.all() and wanted.std() > 30
    np.testing.assert_allclose(image.astype(int), wanted, atol=1)


@pytest.mark.parametrize("factors", [(1, 1), *FACTORS[:-1], (1.7, 2.3)])
@pytest.mark.parametrize(("rows", "columns"), [(slice(3, 11), slice(2, 9)), (slice(-5, 12), slice(6, 300))])
def test_a_part_is_the_same_alone_and_in_the_whole(scene, factors, rows, columns):
    """Beyond the scene it goes on mirrored and is not valid."""
    grid = Grid.of_factors(WIDTH, HEIGHT, *factors)
    whole, _ = read(scene, grid)
    image, valid = read(scene, grid, rows, columns)
    framed = np.pad(whole.astype(int), [(300, 300), (300, 300), (0, 0)], mode="symmetric")
    inside = np.pad(np.ones(whole.shape[:2], bool), 300)
    place = slice(rows.start + 300, rows.stop + 300), slice(columns.start + 300, columns.stop + 300)
    np.testing.assert_allclose(image, framed[place], atol=1)
    np.testing.assert_array_equal(valid, inside[place])


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_no_data_in_bands_that_are_not_looked_at_does_not_matter(tmp_path, depth):
    """Water is 0 in infrared; and where red, green and blue have no data the infrared may have some."""
    pixels = noise(60, 60, 5).astype(depth)
    pixels[20:40, 20:40, 3:] = 0
    pixels[:10, :, :3] = 0
    pixels[50:, :, 0] = 0  # one of three alone is a colour
    scene = open_scene(
        write_scene(tmp_path / "scene.tif", pixels, colours=(RED, GREEN, BLUE, *NO_COLOUR[1:3]), nodata=0)
    )
    wanted = np.ones((60, 60), bool)
    wanted[:10] = False
    np.testing.assert_array_equal(read(scene)[1], wanted)
    grey = open_scene(tmp_path / "scene.tif", bands=[4])
    np.testing.assert_array_equal(read(grey)[1], pixels[..., 3] > 0)
    if scene.stretch:
        low = np.percentile(pixels[10:, :, 1], 2)
        assert scene.stretch[1][0] == pytest.approx(low, abs=1)


def test_a_part_that_lies_wholly_beyond_is_a_mirror_image(scene, pixels):
    image, valid = read(scene, None, slice(HEIGHT, HEIGHT + 9), slice(0, 5))
    np.testing.assert_array_equal(image, pixels[:-10:-1, :5])
    assert not valid.any()


@pytest.fixture(
    params=["nodata", "alpha", "alpha and nodata", "alpha of five", "mask", "NaN", "NaN as nodata", "black"]
)
def with_a_hole(request, tmp_path, pixels) -> tuple[str, Scene, np.ndarray]:
    """How a scene says that a part of it is no data, the scene, and where it has data."""
    there = np.ones((HEIGHT, WIDTH), bool)
    there[20:34, 10:27] = there[5, 5] = False
    black = np.where(there[..., None], pixels, 0).astype(np.uint8)
    holes = np.where(there[..., None], pixels, np.nan).astype(np.float32)
    with_alpha = np.dstack([pixels, np.where(there, 255, 0).astype(np.uint8)])
    with_infrared = np.dstack([pixels, pixels[..., :1], with_alpha[..., 3:]])
    written = {
        "nodata": {"pixels": black, "nodata": 0},
        "alpha": {"pixels": with_alpha, "colours": (RED, GREEN, BLUE, ALPHA)},
        "alpha and nodata": {"pixels": with_alpha, "colours": (RED, GREEN, BLUE, ALPHA), "nodata": 0},
        "alpha of five": {"pixels": with_infrared, "colours": (RED, GREEN, BLUE, ColorInterp.undefined, ALPHA)},
        "mask": {"pixels": pixels, "mask": there},
        "NaN": {"pixels": holes},
        "NaN as nodata": {"pixels": holes, "nodata": np.nan},
        "black": {"pixels": black},
    }[request.param]
    path = write_scene(tmp_path / "holes.tif", **written)
    scene = open_scene(path, nodata_is_black=request.param == "black")
    if scene.stretch:
        scene = replace(scene, stretch=((0.0, 255.0),) * 3)  # as the others are
    return request.param, scene, there


def test_what_is_no_data_is_grey(with_a_hole, pixels):
    _, scene, there = with_a_hole
    image, valid = read(scene)
    np.testing.assert_array_equal(valid, there)
    np.testing.assert_array_equal(image, np.where(there[..., None], pixels, GREY))


@pytest.mark.parametrize("factor", [1 / 3, 0.4])
def test_averages_leave_out_what_the_file_calls_no_data(with_a_hole, pixels, factor):
    said, scene, there = with_a_hole
    grid = Grid.of_factors(WIDTH, HEIGHT, factor, factor)
    image, valid = read(scene, grid)
    down, across = overlaps(HEIGHT, grid.height), overlaps(WIDTH, grid.width)
    share = down @ there @ across.T
    total = np.einsum("ay,yxc,bx->abc", down, pixels * there[..., None].astype(float), across)
    whole, some = share > 1 - 1e-9, share > 1e-9
    assert (some & ~whole).sum() > 10
    # of what only its values tell, GDAL knows nothing: NaN spreads, and black darkens the pixels that share in it; nor
    # of an alpha band beside something else
    exact = whole if said in ("NaN", "black", "alpha and nodata", "alpha of five") else some
    np.testing.assert_allclose(image[exact], total[exact] / share[exact][:, None], atol=0.501)
    np.testing.assert_array_equal(valid, whole if said == "NaN" else some)
    assert (image[~valid] == GREY).all()


@pytest.mark.parametrize("factor", [2, 3.4])
def test_enlarging_never_makes_data_of_what_is_none(with_a_hole, factor):
    said, scene, there = with_a_hole
    grid = Grid.of_factors(WIDTH, HEIGHT, factor, factor)
    image, valid = read(scene, grid)
    y, x = ((np.arange(side) + 0.5) / side for side in (grid.height, grid.width))
    nearest = there[(y * HEIGHT).astype(int)][:, (x * WIDTH).astype(int)]
    if said.startswith("NaN"):  # which spreads by less than a pixel of the scene
        assert not (valid & ~nearest).any() and (valid != nearest).mean() < 0.1
    else:
        np.testing.assert_array_equal(valid, nearest)
    assert (image[~valid] == GREY).all()


def test_the_area_of_interest_is_all_that_is_valid(scene, pixels):
    triangle = {"type": "Polygon", "coordinates": [[(0, 0), (40, 0), (0, 40), (0, 0)]]}
    _, valid = read(replace(scene, area=(triangle,)))
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    clear = abs(x + y - 40) > 0.1
    np.testing.assert_array_equal(valid[clear], (x + y < 40)[clear])
    _, valid = read(replace(scene, area=(triangle,)), Grid.of_factors(WIDTH, HEIGHT, 0.5, 0.5), slice(5, 15))
    y, x = np.mgrid[5:15, : valid.shape[1]] + 0.5
    y, x = y * HEIGHT / round(HEIGHT / 2), x * WIDTH / round(WIDTH / 2)
    clear = abs(x + y - 40) > 0.1
    np.testing.assert_array_equal(valid[clear], (x + y < 40)[clear])


def test_values_of_16_bits_are_stretched_between_percentiles(tmp_path):
    random = np.random.default_rng(3)
    values = np.dstack([random.normal(mean, 200, (90, 70)) for mean in (3000, 5000, 9000)]).astype(np.uint16)
    path = write_scene(tmp_path / "sixteen.tif", values)

    def stretched(low: float, high: float) -> np.ndarray:
        ends = np.percentile(values, (low, high), axis=(0, 1))
        return np.clip((values - ends[0]) / (ends[1] - ends[0]), 0, 1) * 255

    np.testing.assert_allclose(read(open_scene(path))[0], stretched(2, 98), atol=0.51)
    np.testing.assert_allclose(read(open_scene(path, percentiles=(10, 60)))[0], stretched(10, 60), atol=0.51)


def test_percentiles_are_of_valid_pixels_alone(tmp_path):
    values = np.full((40, 40, 3), 0, np.int16)
    values[:20] = np.arange(1000, 1800).reshape(20, 40)[..., None]
    scene = open_scene(write_scene(tmp_path / "half.tif", values, nodata=0))
    np.testing.assert_allclose(scene.stretch, [np.percentile(np.arange(1000, 1800), (2, 98))] * 3)
    black = open_scene(write_scene(tmp_path / "half_black.tif", values), nodata_is_black=True)
    assert black.stretch == scene.stretch


def test_percentiles_of_a_large_scene_come_from_some_of_its_pixels(tmp_path):
    """Which on an even slope say the same as all of them."""
    values = np.tile(np.linspace(0, 60000, 4000).astype(np.uint16), (16, 1))
    scene = open_scene(write_scene(tmp_path / "slope.tif", np.dstack([values] * 3)))
    np.testing.assert_allclose(scene.stretch, [(1200, 58800)] * 3, atol=60)


def test_8_bits_are_stretched_only_where_that_is_asked_for(tmp_path, pixels):
    path = write_scene(tmp_path / "eight.tif", pixels // 4)
    np.testing.assert_array_equal(read(open_scene(path))[0], pixels // 4)
    assert read(open_scene(path, percentiles=(0, 100)))[0].max() == 255


def test_a_scene_without_any_data_has_no_percentiles_and_no_image(tmp_path):
    scene = open_scene(write_scene(tmp_path / "none.tif", np.full((9, 9, 3), np.nan, np.float32)))
    image, valid = read(scene)
    assert not valid.any() and (image == GREY).all()


@pytest.mark.parametrize(
    ("count", "colours", "asked", "chosen", "warned"),
    [
        (3, (RED, GREEN, BLUE), None, (1, 2, 3), ""),
        (3, (BLUE, GREEN, RED), None, (3, 2, 1), ""),
        (4, (BLUE, GREEN, RED, ColorInterp.undefined), None, (3, 2, 1), ""),
        (4, (ALPHA, RED, GREEN, BLUE), None, (2, 3, 4), ""),
        (4, NO_COLOUR, None, (1, 2, 3), "does not say which bands are colours"),
        (3, NO_COLOUR[:3], None, (1, 2, 3), ""),
        (1, NO_COLOUR[:1], None, (1, 1, 1), "taken as grey"),
        (2, (ColorInterp.gray, ALPHA), None, (1, 1, 1), "taken as grey"),
        (4, NO_COLOUR, (4, 3, 2), (4, 3, 2), ""),
        (4, NO_COLOUR, (3,), (3, 3, 3), ""),
        (3, (RED, GREEN, BLUE), (3, 2, 1), (3, 2, 1), ""),
    ],
)
def test_bands_are_those_that_are_asked_for_else_called_colours(
    tmp_path, caplog, count, colours, asked, chosen, warned
):
    pixels = noise(12, 9, count)
    if ALPHA in colours:
        pixels[..., colours.index(ALPHA)] = 255
    path = write_scene(tmp_path / "bands.tif", pixels, colours=colours, photometric="MINISBLACK")
    with caplog.at_level(logging.WARNING):
        scene = open_scene(path, bands=asked)
    assert scene.bands == chosen and (warned in caplog.text) and bool(warned) == bool(caplog.text)
    np.testing.assert_array_equal(read(scene)[0], pixels[..., np.array(chosen) - 1])


@pytest.mark.parametrize(
    ("count", "asked", "said"),
    [
        (2, None, "has two bands, and neither is called a colour"),
        (3, (1, 2), "has no bands 1 2; give --bands one number for grey or three"),
        (3, (1, 2, 4), "has no bands 1 2 4;"),
        (3, (0,), "has no bands 0;"),
    ],
)
def test_bands_that_are_no_image_are_refused(tmp_path, count, asked, said):
    path = write_scene(tmp_path / "bands.tif", noise(12, 9, count), colours=NO_COLOUR[:count], photometric="MINISBLACK")
    with pytest.raises(LandslideError, match=said):
        open_scene(path, bands=asked)


def test_a_palette_is_refused(tmp_path):
    path = write_scene(tmp_path / "palette.tif", noise(12, 9, 1) % 3, photometric="PALETTE")
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {0: (0, 0, 0, 255), 1: (9, 99, 9, 255), 2: (200, 9, 9, 255)})
    with pytest.raises(LandslideError, match="has a palette, not colours; convert it"):
        open_scene(path)


def test_overviews_in_the_file_are_not_looked_at(tmp_path):
    """They are spoilt here, and the mean of the pixels is found."""
    path = write_scene(tmp_path / "overviews.tif", noise(128, 128), tiled=True, blockxsize=64, blockysize=64)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4], Resampling.nearest)
    for level in (0, 1):
        with rasterio.open(path, "r+", overview_level=level) as file:
            file.write(np.zeros((3, file.height, file.width), np.uint8))
    with rasterio.open(path) as file:
        assert not file.read(out_shape=(3, 32, 32)).any()
    image, _ = read(open_scene(path), Grid(32, 32, 128, 128))
    wanted = noise(128, 128).reshape(32, 4, 32, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(image, wanted, atol=0.501)


LATITUDE = np.radians(30)
# of WGS84: half an axis, the square of the eccentricity, and the radii of curvature at 30° across and along a meridian
AXIS, ECCENTRICITY = 6_378_137.0, 0.00669437999014
ACROSS = AXIS / np.sqrt(1 - ECCENTRICITY * np.sin(LATITUDE) ** 2)
ALONG = AXIS * (1 - ECCENTRICITY) / (1 - ECCENTRICITY * np.sin(LATITUDE) ** 2) ** 1.5
MERCATOR_NORTH = AXIS * np.log(np.tan(np.pi / 4 + LATITUDE / 2))


@pytest.mark.parametrize(
    ("crs", "transform", "wanted"),
    [
        (
            MERCATOR,
            from_origin(11_700_000, MERCATOR_NORTH + 5, 1, 1),
            # metres on a sphere of the ellipsoid's axis, shown 1 / cos 30° too large
            (np.cos(LATITUDE) * ACROSS / AXIS, np.cos(LATITUDE) * ALONG / AXIS),
        ),
        (
            "EPSG:4326",
            from_origin(105, 30 + 5e-5, 1e-5, 1e-5),
            (np.radians(1e-5) * np.cos(LATITUDE) * ACROSS, np.radians(1e-5) * ALONG),
        ),
        (UTM, from_origin(499_995, 3_320_005, 1, 1), (1 / 0.9996, 1 / 0.9996)),
        (UTM, from_origin(499_995, 3_320_005, 0.5, 2), (0.5 / 0.9996, 2 / 0.9996)),
        (UTM, Affine(0.6, 0.8, 499_995, 0.8, -0.6, 3_320_005), (1 / 0.9996, 1 / 0.9996)),
    ],
    ids=["Mercator", "degrees", "UTM", "oblong", "turned"],
)
def test_a_pixel_is_as_long_as_on_the_ellipsoid(tmp_path, crs, transform, wanted):
    scene = open_scene(write_scene(tmp_path / "scene.tif", noise(10, 10), crs=crs, transform=transform))
    np.testing.assert_allclose(scene.pixel, wanted, rtol=1e-4)


@pytest.mark.parametrize("crs", [None, 'LOCAL_CS["building site",UNIT["metre",1]]', "EPSG:4978"])
def test_a_scene_that_lies_nowhere_on_a_map_has_no_length(tmp_path, crs):
    scene = open_scene(write_scene(tmp_path / "scene.tif", noise(10, 10), crs=crs))
    assert scene.crs is None and scene.pixel is None


@pytest.mark.parametrize(
    ("crs", "transform"), [(UTM, from_origin(5e12, 3e6, 1, 1)), ("EPSG:4326", from_origin(400, 300, 0.1, 0.1))]
)
def test_a_place_that_is_none_is_refused(tmp_path, crs, transform):
    scene = open_scene(write_scene(tmp_path / "scene.tif", noise(10, 10), crs=crs, transform=transform))
    with pytest.raises(LandslideError, match="its place on the earth makes no sense"):
        _ = scene.pixel


def test_factors_near_1_leave_the_pixels_alone():
    assert Grid.of_factors(1000, 700, 0.985, 1.015).same
    assert not Grid.of_factors(1000, 700, 0.985, 1.05).same
    grid = Grid.of_factors(1000, 700, 0.97, 1)
    assert (grid.width, grid.height) == (970, 700) and Grid.of_factors(5, 5, 0.01, 0.01).width == 1


def test_pixels_of_the_grid_lie_over_those_of_the_scene():
    grid = Grid(40, 30, 100, 60)
    assert grid.transform @ (40, 30) == (100, 60) and grid.transform @ (1, 1) == (2.5, 2)
    window = grid.window(slice(3, 9), slice(10, 50))
    assert (window.col_off, window.row_off, window.width, window.height) == (25, 6, 75, 12)


@pytest.mark.parametrize("content", [b"", b"no raster at all", b"II*\x00\x08\x00\x00\x00"])
def test_what_is_no_raster_is_refused(tmp_path, content):
    path = tmp_path / "scene.tif"
    path.write_bytes(content)
    with pytest.raises(LandslideError, match=f"^{path}: cannot be opened as a raster"):
        open_scene(path)
    with pytest.raises(LandslideError, match="cannot be opened as a raster"):
        open_scene(tmp_path / "missing.tif")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_truncated_file_is_told(tmp_path, dtype):
    path = write_scene(tmp_path / "scene.tif", noise(200, 100).astype(dtype))
    path.write_bytes(path.read_bytes()[:30_000])
    with pytest.raises(LandslideError, match="is damaged"):
        read(open_scene(path))


@pytest.mark.parametrize("crs", [UTM, "EPSG:4326"])
def test_a_crs_without_a_transform_says_no_place(tmp_path, crs):
    """As of a scene whose world file is lost: no pixel has a length then."""
    scene = open_scene(write_scene(tmp_path / "lost.tif", noise(20, 30), crs=crs, transform=Affine.identity()))
    assert scene.crs is None and scene.pixel is None
