"""The rasters of a scene against NumPy, OpenCV, and a checker of cloud-optimised GeoTIFFs."""

import resource
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp
from rio_cogeo.cogeo import cog_validate

from keras_landslide.mapping import rasters
from keras_landslide.mapping.blocks import NODATA, blocks, predict_blocks, read_blocks
from keras_landslide.mapping.raster import Grid, Scene, open_scene
from keras_landslide.mapping.rasters import CLASSES, PROBABILITY, SPREAD, Counts, Sheet, decided, write_rasters
from tests.scenes import MERCATOR, PLACE, UTM, by_place, noise, red_network, redness, write_scene

HEIGHT, WIDTH = 330, 270
TAGS = {"SOFTWARE": "a test", "THRESHOLD": "0.6"}

pytestmark = pytest.mark.usefixtures("small_blocks")


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    """So that small scenes have several strips, tiles and overviews."""
    monkeypatch.setattr(rasters, "TILE", 128)


@contextmanager
def no_file_beyond(size: int):
    """As on a disk that is all but full, no file becomes larger than `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@dataclass
class Made:
    """A scene whose rasters were written to `folder`, and the grey levels of its blocks."""

    folder: Path
    scene: Scene
    grid: Grid
    levels: np.ndarray
    counts: Counts

    def read(self, name: str) -> np.ndarray:
        with rasterio.open(self.folder / name) as file:
            return file.read(1)


@pytest.fixture
def made(tmp_path):
    """A function from pixels, and what else is to be said of their file, to a `Made` with a threshold of 0.6."""

    def make(pixels: np.ndarray, factor: float = 1, *, of_scene: bool = True, runs=(redness,), **how) -> Made:
        scene = open_scene(write_scene(tmp_path / "scene.tif", pixels, **how))
        grid = Grid.of_factors(scene.width, scene.height, factor, factor)
        network = red_network(64, *runs, spread=len(runs) > 1)
        out = tmp_path / "out"
        out.mkdir()
        predict_blocks(blocks(grid), scene, grid, network, tmp_path / "blocks")
        counts = write_rasters(
            Sheet(scene, grid, of_scene), tmp_path / "blocks", out, kinds=network.kinds, threshold=0.6, tags=TAGS
        )
        rows = slice(0, grid.height)
        levels = np.stack([read_blocks(tmp_path / "blocks", grid, kind, rows) for kind in range(network.kinds)])
        return Made(out, scene, grid, levels, counts)

    return make


def smooth(height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> np.ndarray:
    """Hills of colour that reach from 0 to 255."""
    hills = cv2.GaussianBlur(noise(height, width, seed=seed).astype(np.float32), (0, 0), 9)
    low, high = hills.min(axis=(0, 1)), hills.max(axis=(0, 1))
    return (255 * (hills - low) / (high - low)).astype(np.uint8)


@pytest.mark.parametrize(("factor", "most"), [(1, 40_000), (0.5, 8_000)])
def test_a_disk_that_takes_no_more_is_told(made, tmp_path, factor, most):
    """At the scene's size it fills with the plain rasters, at another one with what the network saw."""
    done = made(noise(HEIGHT, WIDTH), factor)
    out = tmp_path / "full"
    out.mkdir()
    sheet = Sheet(done.scene, done.grid, True)
    with no_file_beyond(most), pytest.raises(OSError, match=r": rasters could not be written \(.*is the disk full"):
        write_rasters(sheet, tmp_path / "blocks", out, kinds=1, threshold=0.6, tags=TAGS)


def test_probabilities_and_classes_are_those_of_the_network(made):
    pixels = smooth()
    done = made(pixels)
    probability, classes = done.read(PROBABILITY), done.read(CLASSES)
    np.testing.assert_allclose(probability, 254 * (pixels[..., 0] / 255), atol=0.51)
    np.testing.assert_array_equal(classes, (probability / 254 > 0.6).astype(int))
    assert 0.05 < classes.mean() < 0.95
    assert done.counts == Counts(HEIGHT * WIDTH, int(classes.sum()))
    assert sorted(path.name for path in done.folder.iterdir()) == [CLASSES, PROBABILITY]


def test_a_probability_at_the_threshold_is_not_landslide():
    levels = np.array([[0, 127, 128, 254, NODATA]], np.uint8)
    np.testing.assert_array_equal(decided(levels, 0.5), [[0, 0, 1, 1, NODATA]])
    np.testing.assert_array_equal(decided(levels, 0.999), [[0, 0, 0, 1, NODATA]])


@pytest.mark.parametrize("name", [PROBABILITY, CLASSES])
def test_rasters_are_cloud_optimised_and_lie_where_the_scene_does(made, name):
    done = made(smooth())
    valid, errors, _ = cog_validate(done.folder / name, strict=True)
    assert valid, errors
    with rasterio.open(done.folder / name) as file, rasterio.open(done.scene.path) as scene:
        assert (file.crs, file.transform, file.bounds, file.shape) == (
            scene.crs,
            scene.transform,
            scene.bounds,
            scene.shape,
        )
        assert (file.count, file.dtypes, file.nodata) == (1, ("uint8",), 255)
        assert file.overviews(1)[0] == 2
        assert file.tags().items() >= TAGS.items()
        if name == PROBABILITY:
            assert file.scales == (pytest.approx(1 / 254),)
        else:
            assert file.colorinterp == (ColorInterp.palette,)
            assert file.colormap(1)[0] == (0, 0, 0, 255) and file.colormap(1)[1] == (230, 97, 1, 255)


def test_overviews_hold_the_most_frequent_class_and_the_mean_probability(made):
    done = made(noise(HEIGHT, WIDTH))
    with rasterio.open(done.folder / CLASSES, overview_level=0) as file:
        classes = file.read(1)
    with rasterio.open(done.folder / PROBABILITY, overview_level=0) as file:
        probability = file.read(1)
    squares = [done.read(name).reshape(HEIGHT // 2, 2, WIDTH // 2, 2) for name in (CLASSES, PROBABILITY)]
    ones = squares[0].sum(axis=(1, 3))
    clear = ones != 2  # of two and two either may be taken
    np.testing.assert_array_equal(classes[clear], (ones > 2)[clear])
    assert set(np.unique(classes)) == {0, 1} and 0.2 < classes.mean() < 0.6
    np.testing.assert_allclose(probability, squares[1].mean(axis=(1, 3)), atol=0.51)


@pytest.mark.parametrize("factor", [0.4, 0.61])
def test_what_the_network_saw_smaller_is_interpolated_back(made, factor):
    done = made(smooth(), factor, runs=(redness, by_place))
    for name, levels in zip((PROBABILITY, SPREAD), done.levels, strict=True):
        wanted = cv2.resize(levels, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(done.read(name).astype(int), wanted, atol=1)
    np.testing.assert_array_equal(done.read(CLASSES), done.read(PROBABILITY) / 254 > 0.6)
    assert len(list(done.folder.iterdir())) == 3


def test_what_the_network_saw_larger_is_averaged_back(made):
    done = made(noise(140, 150), 2)
    wanted = done.levels[0].reshape(140, 2, 150, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(done.read(PROBABILITY), wanted, atol=0.51)


@pytest.mark.parametrize("factor", [0.4, 1.7])
def test_the_grid_of_the_model_has_its_pixels_over_the_same_ground(made, factor):
    done = made(smooth(), factor, of_scene=False)
    np.testing.assert_array_equal(done.read(PROBABILITY), done.levels[0])
    with rasterio.open(done.folder / PROBABILITY) as file, rasterio.open(done.scene.path) as scene:
        assert file.shape == (done.grid.height, done.grid.width) == (round(HEIGHT * factor), round(WIDTH * factor))
        np.testing.assert_allclose(file.bounds, scene.bounds, atol=1e-6)
        assert file.crs == scene.crs


@pytest.mark.parametrize("factor", [1, 0.4, 1.6])
def test_no_data_is_no_data_to_the_pixel(made, factor):
    there = np.ones((HEIGHT, WIDTH), bool)
    there[100:171, 33:190] = there[:9] = there[-1, -1] = False
    red = np.dstack([np.full((HEIGHT, WIDTH), 255), noise(HEIGHT, WIDTH, 2)]) * there[..., None]
    done = made(red.astype(np.uint8), factor, nodata=0)
    np.testing.assert_array_equal(done.read(PROBABILITY), np.where(there, 254, NODATA))
    np.testing.assert_array_equal(done.read(CLASSES), np.where(there, 1, NODATA))
    assert done.counts == Counts(int(there.sum()), int(there.sum()))


TURNED = PLACE @ Affine.rotation(30)
SOUTH_UP = Affine(0.8, 0, 500_000, 0, 0.8, 3_000_000)


@pytest.mark.parametrize("of_scene", [True, False])
@pytest.mark.parametrize(
    ("crs", "transform"),
    [(UTM, TURNED), (UTM, SOUTH_UP), (MERCATOR, PLACE), ("EPSG:4326", Affine(1e-5, 0, 105, 0, -1e-5, 27))],
)
def test_pixels_lie_where_those_of_the_scene_do_however_it_is_turned(made, crs, transform, of_scene):
    done = made(smooth(150, 140), 0.5, of_scene=of_scene, crs=crs, transform=transform)
    with rasterio.open(done.folder / CLASSES) as file:
        assert file.crs == crs
        step = 1 if of_scene else 2
        for x, y in ((0, 0), (140, 0), (31, 77), (140, 150)):
            np.testing.assert_allclose(file.transform @ (x / step, y / step), transform @ (x, y), rtol=1e-12)
    assert cog_validate(done.folder / CLASSES)[0]


def test_a_scene_that_lies_nowhere_has_rasters_that_lie_nowhere(made):
    done = made(smooth(150, 140), 0.5, crs=None, transform=Affine.identity())
    with rasterio.open(done.folder / PROBABILITY) as file:
        assert file.crs is None and file.transform == Affine.identity() and file.shape == (150, 140)


def test_the_uncertainty_is_the_standard_deviation_of_the_opinions(made):
    pixels = smooth()
    done = made(pixels, runs=(redness, lambda windows: redness(windows[..., 1:])))
    red, green = pixels[..., 0] / 255, pixels[..., 1] / 255
    spread = done.read(SPREAD)
    assert spread.max() > 100
    np.testing.assert_allclose(spread, 508 * np.std([red, green], axis=0), atol=0.51)
    np.testing.assert_allclose(done.read(PROBABILITY), 127 * (red + green), atol=0.51)
    with rasterio.open(done.folder / SPREAD) as file:
        assert file.scales == (pytest.approx(1 / 508),) and file.nodata == 255
    assert cog_validate(done.folder / SPREAD)[0]


def test_rasters_are_closed_where_writing_fails(made, monkeypatch):
    """Else a system that locks open files could not take the folder away."""
    opened = []
    real = rasterio.open

    def watched(path, mode="r", **how):
        file = real(path, mode, **how)
        opened.append(file) if mode == "w" else None
        return file

    monkeypatch.setattr(rasters.rasterio, "open", watched)
    monkeypatch.setattr(rasters, "decided", lambda levels, threshold: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        made(smooth(150, 140), runs=(by_place,))
    assert len(opened) > 2 and all(file.closed for file in opened)
