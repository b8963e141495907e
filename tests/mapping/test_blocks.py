"""Blocks of a scene against windows blended over all of it in one piece."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from keras_landslide.errors import LandslideError
from keras_landslide.mapping.blocks import (
    LEVELS,
    NODATA,
    Block,
    blocks,
    one_ahead,
    piece_of,
    predict_blocks,
    predicted,
    read_blocks,
    windows_of,
    write_block,
)
from keras_landslide.mapping.network import Network
from keras_landslide.mapping.raster import Grid, Scene, open_scene
from keras_landslide.prediction.windows import blended, framed, windows
from tests.scenes import by_place, noise, red_network, redness, write_scene

SIZE = 64
HEIGHT, WIDTH = 230, 175


def whole(scene: Scene) -> Grid:
    return Grid(scene.width, scene.height, scene.width, scene.height)


def levels_of(scene: Scene, network: Network, side: int, grid: Grid | None = None) -> np.ndarray:
    """All of a scene, block by block, `(kinds, h, w)`."""
    grid = grid or whole(scene)
    found = np.empty((network.kinds, grid.height, grid.width), np.uint8)
    with scene.opened() as dataset:
        for block in blocks(grid, side):
            levels = predicted(piece_of(block, scene, grid, dataset, network.size), network)
            found[:, block.rows, block.columns] = levels
    return found


def in_one_piece(pixels: np.ndarray, answer, size: int = SIZE) -> np.ndarray:
    """Probabilities of landslide of the whole image, as `predict` blends them."""
    return blended(pixels, size, lambda window: answer(window[None].astype(np.float32))[0])[..., 1]


@pytest.fixture
def pixels() -> np.ndarray:
    return noise(HEIGHT, WIDTH)


@pytest.mark.parametrize("side", [50, 64, 97, 1000])
def test_blocks_together_are_the_scene_in_one_piece(scene, pixels, side):
    found = levels_of(scene, red_network(SIZE, by_place), side)
    wanted = 254 * in_one_piece(pixels, by_place)
    assert wanted.std() > 10
    np.testing.assert_allclose(found[0], wanted, atol=0.51)
    np.testing.assert_array_equal(found, levels_of(scene, red_network(SIZE, by_place), 150))


def test_blocks_are_those_of_the_grid_and_not_of_the_scene(scene):
    grid = Grid.of_factors(WIDTH, HEIGHT, 0.62, 0.8)
    with scene.opened() as dataset:
        image, _ = scene.read(dataset, grid, slice(0, grid.height), slice(0, grid.width))
    found = levels_of(scene, red_network(SIZE, by_place), 70, grid)
    # a part of a resampled scene may differ from the whole by a grey level
    np.testing.assert_allclose(found[0], 254 * in_one_piece(image, by_place), atol=1.51)


def test_every_pixel_lies_in_one_block(scene):
    seen = np.zeros((HEIGHT, WIDTH), int)
    for block in blocks(whole(scene), 60):
        seen[block.rows, block.columns] += 1
        assert max(seen[block.rows, block.columns].shape) <= 60
    assert (seen == 1).all()
    assert len({block.name for block in blocks(whole(scene), 60)}) == 12


def test_neither_order_nor_an_interruption_changes_a_block(scene, tmp_path):
    """Ctrl-C comes at one of the calls of the network; what is there then is whole, and the rest is made later."""
    todo, calls = blocks(whole(scene), 60), 0

    def stopped(batch):
        nonlocal calls
        calls += 1
        if calls == 14:
            raise KeyboardInterrupt
        return by_place(batch)

    plain, folder = tmp_path / "plain", tmp_path / "stopped"
    predict_blocks(todo, scene, whole(scene), red_network(SIZE, by_place), plain)
    shuffled = random.Random(1).sample(todo, len(todo))
    with pytest.raises(KeyboardInterrupt):
        predict_blocks(shuffled, scene, whole(scene), red_network(SIZE, stopped), folder)
    done = {path.name for path in folder.iterdir()}
    assert 2 < len(done) < len(todo) and done < {block.name for block in todo}
    left = [block for block in shuffled if block.name not in done]
    predict_blocks(left, scene, whole(scene), red_network(SIZE, by_place), folder)
    for block in todo:
        np.testing.assert_array_equal(np.load(folder / block.name), np.load(plain / block.name))


@pytest.fixture
def mostly_nothing(tmp_path, pixels) -> tuple[Scene, np.ndarray]:
    """A scene with data in its upper left and in two more pixels, and where that is."""
    there = np.zeros((HEIGHT, WIDTH), bool)
    there[:70, :60] = there[150, 100] = there[-1, -1] = True
    return open_scene(write_scene(tmp_path / "holes.tif", np.where(there[..., None], pixels, 0), nodata=0)), there


def test_what_is_no_data_stays_so_and_is_never_landslide(mostly_nothing):
    scene, there = mostly_nothing
    certain = red_network(SIZE, lambda batch: np.ones((*batch.shape[:3], 2), np.float32))
    for side in (40, 1000):
        np.testing.assert_array_equal(levels_of(scene, certain, side)[0], np.where(there, 254, NODATA))


def test_windows_without_data_are_not_predicted_and_all_are_counted(mostly_nothing, tmp_path):
    scene, there = mostly_nothing
    asked, told = [], []

    def answer(batch):
        asked.append(len(batch))
        return redness(batch)

    todo = blocks(whole(scene), 1000)
    predict_blocks(todo, scene, whole(scene), red_network(SIZE, answer), tmp_path / "blocks", told.append)
    framed_there = framed(there, SIZE, False)
    assert sum(asked) == sum(framed_there[place].any() for place in windows(HEIGHT, WIDTH, SIZE))
    assert sum(told) == windows_of(todo[0], whole(scene), SIZE) == len(list(windows(HEIGHT, WIDTH, SIZE)))


def test_nothing_is_asked_of_a_scene_without_data(tmp_path):
    scene = open_scene(write_scene(tmp_path / "none.tif", np.zeros((90, 80, 3), np.uint8), nodata=0))

    def never(batch):
        raise AssertionError

    assert (levels_of(scene, red_network(SIZE, never), 60) == NODATA).all()


def test_no_seam_is_seen_where_windows_end(tmp_path):
    """The answer is another one for each window, as if by chance, and the same all over it."""

    def by_chance(batch):
        total = batch.sum(axis=(1, 2, 3), dtype=np.float64)[:, None, None]
        probability = np.broadcast_to(total % 1000 / 1000, batch.shape[:3])
        return np.stack([1 - probability, probability], -1).astype(np.float32)

    scene = open_scene(write_scene(tmp_path / "scene.tif", noise(256, 320)))
    found = levels_of(scene, red_network(SIZE, by_chance), 100)[0].astype(int)[32:-32, 32:-32]
    assert np.ptp(found) > 100
    for jumps in (abs(np.diff(found, axis=1)), abs(np.diff(found, axis=0)).T):
        borders = np.arange(SIZE // 2 - 1, jumps.shape[1], SIZE // 2)
        inside = np.setdiff1d(np.arange(jumps.shape[1]), borders)
        assert len(borders) > 4 and jumps[:, borders].mean() <= jumps[:, inside].mean()


@pytest.mark.parametrize(("height", "width"), [(40, 51), (64, 64), (1, 1), (33, 150), (150, 20)])
def test_beyond_a_scene_it_goes_on_mirrored(tmp_path, height, width):
    pixels = noise(height, width)
    scene = open_scene(write_scene(tmp_path / "small.tif", pixels))
    found = levels_of(scene, red_network(SIZE, by_its_surroundings), 100)
    np.testing.assert_allclose(found[0], 254 * in_one_piece(pixels, by_its_surroundings), atol=0.51)


def by_its_surroundings(windows: np.ndarray) -> np.ndarray:
    """An answer that tells by the mean of the whole window what else is in it."""
    probability = (by_place(windows)[..., 1] + windows.mean(axis=(1, 2, 3))[:, None, None] / 255) / 2
    return np.stack([1 - probability, probability], -1)


def green(windows: np.ndarray) -> np.ndarray:
    return redness(windows[..., 1:])


def test_opinions_are_averaged_and_their_standard_deviation_is_told(scene, pixels):
    found = levels_of(scene, red_network(SIZE, redness, green, by_place, spread=True), 90)
    one = pixels[..., 0] / 255, pixels[..., 1] / 255
    place = in_one_piece(pixels, by_place)
    np.testing.assert_allclose(found[0], 254 * np.mean([*one, place], axis=0), atol=0.51)

    def apart(window):
        spread = np.std([run(window[None].astype(np.float32))[0] for run in (redness, green, by_place)], axis=0)
        return np.repeat(spread[..., 1:], 2, -1)

    wanted = blended(pixels, SIZE, apart)[..., 1]
    assert wanted.max() > 0.3 and LEVELS == (254, 508)
    np.testing.assert_allclose(found[1], 508 * wanted, atol=0.51)


def test_mirror_images_take_away_what_hangs_on_the_place(scene, pixels):
    """The answer rises to the lower right by as much as it falls in the mirror image."""
    found = levels_of(scene, red_network(SIZE, by_place, average_flips=True, spread=True), 90)
    np.testing.assert_allclose(found[0], 254 * (0.5 * pixels[..., 0] / 255 + 0.25), atol=0.51)
    assert found[1].mean() > 10


def test_rows_of_finished_blocks_are_read_across_all_of_them(tmp_path, small_blocks):
    grid = Grid(230, 260, 230, 260)
    levels = np.random.default_rng(0).integers(0, 255, (2, 260, 230)).astype(np.uint8)
    for block in blocks(grid):
        assert block.rows.stop - block.rows.start <= small_blocks
        write_block(tmp_path / block.name, levels[:, block.rows, block.columns])
    for rows in (slice(0, 260), slice(90, 110), slice(120, 121), slice(199, 260)):
        for kind in (0, 1):
            np.testing.assert_array_equal(read_blocks(tmp_path, grid, kind, rows), levels[kind, rows])


def test_a_block_that_cannot_be_written_is_told(scene, tmp_path):
    (tmp_path / "blocks").write_text("a file is in the way")
    todo: list[Block] = blocks(whole(scene), 100)
    with pytest.raises(LandslideError, match=r"cannot be written"):
        predict_blocks(todo, scene, whole(scene), red_network(SIZE), Path(tmp_path / "blocks"))


def test_one_is_worked_at_while_the_one_before_is_looked_at():
    """The second and the third begin before the first and the second are given back; nothing runs further ahead."""
    begun = [threading.Event() for _ in range(4)]

    def work(number: int) -> int:
        begun[number].set()
        return number

    with ThreadPoolExecutor(1) as worker:
        for number in one_ahead(worker, work, range(4)):
            assert begun[min(number + 1, 3)].wait(5)
            assert not any(event.wait(0.05) for event in begun[number + 2 :])


def test_what_goes_wrong_in_another_thread_is_raised():
    def work(number: int) -> float:
        return 1 / (number - 2)

    with ThreadPoolExecutor(1) as worker:
        found = one_ahead(worker, work, range(4))
        assert [next(found), next(found)] == [-0.5, -1]
        with pytest.raises(ZeroDivisionError):
            next(found)
