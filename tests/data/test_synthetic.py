"""Made-up scenes: repeatable, labelled where they are painted, and not solved by colour; and the colour baseline."""

import cv2
import numpy as np
import pytest

from keras_landslide.data.colour_baseline import ColourBaseline
from keras_landslide.data.synthetic import dataset_scene, mountain_scene, scar, write_dataset
from keras_landslide.data.synthetic.ground import Ground

SIZE = (128, 128)


@pytest.fixture(scope="module")
def fitted_scenes():
    return [mountain_scene(seed, SIZE) for seed in range(60)]


@pytest.fixture(scope="module")
def other_scenes():
    return [mountain_scene(seed, SIZE) for seed in range(500, 530)]


@pytest.fixture(scope="module")
def fitted_baseline(fitted_scenes):
    return ColourBaseline.fit([scene.image for scene in fitted_scenes], [scene.mask for scene in fitted_scenes])


def share(mask):
    return np.count_nonzero(mask) / mask.size


def elongation(mask):
    """Length over width of the ellipse with the same second moments."""
    points = np.argwhere(mask).astype(float)
    narrow, wide = np.linalg.eigvalsh(np.cov(points.T))
    return np.sqrt(wide / narrow)


def fine_contrast(image):
    """How much each pixel differs from its blurred surroundings, in shares of their brightness."""
    grey = image.astype(float).mean(axis=2)
    return np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 1.5)) / cv2.GaussianBlur(grey, (0, 0), 3)


# Scenes


def test_the_same_seed_gives_the_same_bytes_whatever_happened_before():
    first = mountain_scene(11, (96, 112))
    np.random.seed(3)
    mountain_scene(12, (96, 112))
    again = mountain_scene(11, (96, 112))
    assert first.image.tobytes() == again.image.tobytes()
    assert first.mask.tobytes() == again.mask.tobytes()


def test_a_scene_leaves_the_global_random_state_alone():
    np.random.seed(3)
    expected = np.random.random(4)
    np.random.seed(3)
    mountain_scene(1, (64, 64))
    np.testing.assert_array_equal(np.random.random(4), expected)


def test_different_seeds_give_different_scenes(fitted_scenes):
    assert len({scene.image.tobytes() for scene in fitted_scenes}) == len(fitted_scenes)
    assert len({scene.mask.tobytes() for scene in fitted_scenes}) == len(fitted_scenes)


@pytest.mark.parametrize("size", [(64, 64), (96, 144), (150, 70)])
@pytest.mark.parametrize("landslides", [1, 3])
def test_shapes_types_values_and_share(size, landslides):
    for seed in range(6):
        scene = mountain_scene(seed, size, landslides=landslides)
        assert scene.image.shape == (*size, 3) and scene.image.dtype == np.uint8
        assert scene.mask.shape == size and scene.mask.dtype == np.uint8
        assert set(np.unique(scene.mask)) == {0, 255}
        assert 0.05 <= share(scene.mask) <= 0.35


def test_shares_vary_from_scene_to_scene_within_the_range(fitted_scenes):
    shares = [share(scene.mask) for scene in fitted_scenes]
    assert 0.05 <= min(shares) < 0.12
    assert 0.22 < max(shares) <= 0.35


def test_without_landslides_the_mask_is_empty_and_the_terrain_is_there():
    scene = mountain_scene(5, SIZE, landslides=0)
    assert not scene.mask.any()
    assert scene.image.std(axis=(0, 1)).min() > 10


@pytest.mark.parametrize("seed", range(8))
def test_the_mask_covers_what_the_scar_changed_and_nothing_else(seed):
    with_scar, without = mountain_scene(seed, SIZE), mountain_scene(seed, SIZE, landslides=0)
    changed = (with_scar.image != without.image).any(axis=2)
    inside = with_scar.mask > 0
    near = cv2.dilate(with_scar.mask, np.ones((15, 15), np.uint8)) > 0  # shading and blur reach a few pixels out
    assert changed[inside].mean() > 0.97
    assert not changed[~near].any()


def test_one_scar_is_one_piece_near_the_middle_and_longer_than_wide(fitted_scenes):
    for scene in fitted_scenes:
        pieces, _ = cv2.connectedComponents(scene.mask)
        assert pieces == 2, "the background and one scar"
        row, column = np.argwhere(scene.mask).mean(axis=0) / SIZE
        assert abs(row - 0.5) < 0.25 and abs(column - 0.5) < 0.25
    assert 1.6 < np.median([elongation(scene.mask) for scene in fitted_scenes]) < 4


@pytest.mark.parametrize("downhill", [(0, 1), (0, -1), (1, 0), (-1, 0)])
def test_on_an_even_slope_the_scar_runs_straight_down_it(downhill):
    place = np.mgrid[:128, :128].astype(np.float32)
    down = place[0] * downhill[0] + place[1] * downhill[1]
    ground = Ground(-0.4 * down, np.zeros(SIZE, np.float32), np.zeros((*SIZE, 3), np.float32))
    ratios = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        traced = scar._trace_scar(rng, ground, np.array([64.0, 64.0]), 0.15 * 128 * 128)
        rows, columns = np.nonzero(scar._outline([traced], 0.15))
        drop, spread = (rows, columns) if downhill[0] else (columns, rows)
        ratios.append(drop.std() / spread.std())
        middle = traced.along[64, 64]
        assert middle == pytest.approx(0.5, abs=0.02)
        assert traced.along[64 + 20 * downhill[0], 64 + 20 * downhill[1]] == pytest.approx(
            0.5 + 20 / traced.length, abs=0.02
        )
    assert min(ratios) > 1.2 and np.median(ratios) > 1.8


def test_on_a_bent_slope_the_scar_follows_the_bend():
    # The ground falls by 0.2 towards the right everywhere, and the more steeply towards the bottom the lower one is.
    row, column = np.mgrid[:128, :128].astype(np.float32)
    height = -0.2 * column - 0.004 * row**2
    ground = Ground(height, np.zeros(SIZE, np.float32), np.zeros((*SIZE, 3), np.float32))
    traced = scar._trace_scar(np.random.default_rng(0), ground, np.array([80.0, 40.0]), 0.15 * 128 * 128)
    places, _ = scar._fall_line(ground, np.array([80.0, 40.0]), traced.length)
    steps = np.diff(places, axis=0)
    turned = np.arctan2(steps[-1, 1], steps[-1, 0]) - np.arctan2(steps[0, 1], steps[0, 0])
    assert turned > 0.2, "the walk turns with the slope"
    columns, rows = np.rint(places).astype(int).T
    np.testing.assert_allclose(traced.along[rows, columns], np.linspace(0, 1, 21), atol=0.8 / traced.length)
    assert np.abs(traced.across[rows, columns]).max() < 0.8


@pytest.mark.parametrize(
    ("size", "landslides", "why"),
    [((31, 64), 1, "at least 32"), ((64, 31), 1, "at least 32"), ((64, 64), -1, "got -1")],
)
def test_impossible_scenes_are_refused(size, landslides, why):
    with pytest.raises(ValueError, match=why):
        mountain_scene(0, size, landslides=landslides)


# Colour does not solve the scenes, surface and shape help


def test_colour_alone_finds_the_bare_ground_but_not_the_scar(fitted_baseline, other_scenes):
    called = np.stack([fitted_baseline.predict(scene.image) for scene in other_scenes])
    truth = np.stack([scene.mask > 0 for scene in other_scenes])
    iou = (called & truth).sum() / (called | truth).sum()
    assert 0.2 < iou < 0.55
    # Better than calling every pixel landslide, whose IoU is the share of landslide.
    assert iou > 1.5 * truth.mean()
    # As many or more pixels elsewhere have the scar's colours.
    assert (called & ~truth).sum() >= (called & truth).sum()


def test_the_scar_is_rougher_than_other_ground_of_its_colour(fitted_baseline, other_scenes):
    rougher = 0
    for scene in other_scenes:
        called, truth = fitted_baseline.predict(scene.image), scene.mask > 0
        away = cv2.dilate(scene.mask, np.ones((9, 9), np.uint8)) == 0
        # Outlines are rough in all classes; what counts is the surface inside patches of the colour.
        surface = cv2.erode(called.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        contrast = fine_contrast(scene.image)
        if (surface & away).any() and (surface & truth).any():
            rougher += contrast[surface & truth].mean() > 1.2 * contrast[surface & away].mean()
    assert rougher >= 20


# The colour baseline by hand

TAN, GREEN, ROAD = (160, 120, 80), (30, 70, 30), (200, 180, 150)


def strip(*runs):
    """A one-row image of (colour, count) runs."""
    return np.concatenate([np.tile(np.array(colour, np.uint8), (1, count, 1)) for colour, count in runs], axis=1)


def test_posterior_is_the_share_of_landslide_with_one_pixel_of_the_overall_share_added():
    image = strip((TAN, 6), (TAN, 3), (GREEN, 1), (GREEN, 10))
    mask = np.array([[255] * 6 + [0] * 3 + [255] * 1 + [0] * 10], np.uint8)
    baseline = ColourBaseline.fit([image], [mask])
    overall = 7 / 20
    tan_bin, green_bin, unseen_bin = (10 * 16 + 7) * 16 + 5, (1 * 16 + 4) * 16 + 1, 0
    assert baseline.posterior[tan_bin] == pytest.approx((6 + overall) / 10)
    assert baseline.posterior[green_bin] == pytest.approx((1 + overall) / 12)
    assert baseline.posterior[unseen_bin] == pytest.approx(overall)
    # IoU with tan alone: 6 / (7 + 3) = 0.6; with green too: 7 / 20; so tan alone is called landslide.
    np.testing.assert_array_equal(baseline.predict(image), [[True] * 9 + [False] * 11])


def test_counts_add_up_over_images_and_any_nonzero_mask_value_is_landslide():
    images = [strip((TAN, 4)), strip((TAN, 2), (GREEN, 6))]
    with_255 = ColourBaseline.fit(images, [np.full((1, 4), 255), np.zeros((1, 8))])
    with_1 = ColourBaseline.fit(images, [np.ones((1, 4)), np.zeros((1, 8))])
    np.testing.assert_array_equal(with_255.posterior, with_1.posterior)
    assert with_255.posterior[(10 * 16 + 7) * 16 + 5] == pytest.approx((4 + 4 / 12) / 7)


def test_the_threshold_maximises_iou_where_accuracy_would_give_up():
    # 4 of 10 tan pixels are landslide. Calling tan background is right more often (accuracy 0.96 against 0.94), yet
    # finds nothing; calling it landslide has IoU 4 / 10.
    image = strip((TAN, 10), (GREEN, 90))
    mask = np.zeros((1, 100), np.uint8)
    mask[0, :4] = 255
    called = ColourBaseline.fit([image], [mask]).predict(image)
    np.testing.assert_array_equal(called, [[True] * 10 + [False] * 90])


def test_the_threshold_leaves_out_a_colour_that_costs_more_than_it_finds():
    # Tan: 8 of 10. Road: 2 of 10. Tan alone: 8 / (10 + 2) = 0.67; both: 10 / 20 = 0.5.
    image = strip((TAN, 10), (ROAD, 10))
    mask = np.array([[1] * 8 + [0] * 2 + [1] * 2 + [0] * 8])
    called = ColourBaseline.fit([image], [mask]).predict(image)
    np.testing.assert_array_equal(called, [[True] * 10 + [False] * 10])


def test_colours_with_the_same_posterior_fall_on_the_same_side():
    # Three colours, each 1 of 2: IoU 1/4 with one, 2/5 with two, 3/6 with all three.
    image = strip((TAN, 2), (GREEN, 2), (ROAD, 2), ((250, 250, 250), 20))
    mask = np.array([[1, 0] * 3 + [0] * 20])
    called = ColourBaseline.fit([image], [mask]).predict(image)
    np.testing.assert_array_equal(called, [[True] * 6 + [False] * 20])


def test_a_group_of_equal_posteriors_is_judged_as_a_whole():
    # A quarter of all pixels is landslide, so 2 of 5 and 5 of 13 have one posterior: 2.25 / 6 = 5.25 / 14. White alone
    # has IoU 13 / 20 = 0.65; with the 2 of 5 it would be 15 / 23 = 0.652, but those bring the 5 of 13: 20 / 31 = 0.645.
    white = (250, 250, 250)
    image = strip((white, 13), (GREEN, 5), (TAN, 13), (ROAD, 49))
    mask = np.array([[1] * 13 + [1] * 2 + [0] * 3 + [1] * 5 + [0] * 8 + [0] * 49])
    called = ColourBaseline.fit([image], [mask]).predict(image)
    np.testing.assert_array_equal(called, [[True] * 13 + [False] * 67])


def test_all_three_channels_count():
    others = [(160, 120, 8), (160, 8, 80), (8, 120, 80)]
    image = strip((TAN, 3), *((colour, 3) for colour in others))
    mask = np.array([[1] * 3 + [0] * 9])
    called = ColourBaseline.fit([image], [mask]).predict(image)
    np.testing.assert_array_equal(called, mask.astype(bool))


def test_without_landslide_in_the_masks_nothing_is_called_landslide():
    image = strip((TAN, 5), (GREEN, 5))
    called = ColourBaseline.fit([image], [np.zeros((1, 10), np.uint8)]).predict(strip((TAN, 2), (ROAD, 2)))
    assert called.shape == (1, 4) and called.dtype == bool
    assert not called.any()


def test_the_baseline_refuses_what_does_not_fit_together():
    with pytest.raises(ValueError, match="same pixels"):
        ColourBaseline.fit([strip((TAN, 5))], [np.zeros((1, 4))])
    with pytest.raises(ValueError, match="shorter"):
        ColourBaseline.fit([strip((TAN, 5))], [])
    with pytest.raises(ValueError, match="no pixels"):
        ColourBaseline.fit([], [])
    with pytest.raises(ValueError, match="uint8 RGB"):
        ColourBaseline.fit([strip((TAN, 5)) / 255.0], [np.zeros((1, 5))])


# The dataset on disk


def test_write_dataset_lays_out_images_and_masks_that_read_back_as_the_scenes(tmp_path):
    asked = []
    write_dataset(tmp_path / "new" / "demo", 3, seed=4, size=64, negatives=2, track=lambda n: asked.append(len(n)) or n)
    assert asked == [5]
    folder = tmp_path / "new" / "demo"
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == [
        "landslide/image/synth_0001.png",
        "landslide/image/synth_0002.png",
        "landslide/image/synth_0003.png",
        "landslide/mask/synth_0001.png",
        "landslide/mask/synth_0002.png",
        "landslide/mask/synth_0003.png",
        "non-landslide/image/synth_0004.png",
        "non-landslide/image/synth_0005.png",
    ]
    for number in range(1, 6):
        scene = dataset_scene(number, seed=4, size=64, landslides=int(number <= 3))
        kind = folder / ("landslide" if number <= 3 else "non-landslide")
        bgr = cv2.imread(str(kind / "image" / f"synth_{number:04d}.png"))
        np.testing.assert_array_equal(bgr[..., ::-1], scene.image)
        if number <= 3:
            mask = cv2.imread(str(kind / "mask" / f"synth_{number:04d}.png"), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(mask, scene.mask)
            assert mask.ndim == 2 and set(np.unique(mask)) == {0, 255}
        else:
            assert not scene.mask.any()


def test_chips_differ_in_size_and_aspect_within_a_quarter_of_the_size():
    sides = np.array([dataset_scene(number, size=64).image.shape[:2] for number in range(1, 41)])
    assert sides.min() >= 48 and sides.max() <= 80
    assert sides.min() < 52 and sides.max() > 76
    assert (sides[:, 0] < sides[:, 1]).any() and (sides[:, 0] > sides[:, 1]).any()


def test_chips_of_one_dataset_differ_and_the_seed_makes_another_dataset():
    chips = [dataset_scene(number, seed=seed, size=48).image.tobytes() for seed in (0, 1) for number in range(1, 11)]
    assert len(set(chips)) == 20


def test_a_dataset_without_negatives_has_no_folder_for_them_and_soil_is_redder_than_blue(tmp_path):
    write_dataset(tmp_path, 4, size=64)
    assert not (tmp_path / "non-landslide").exists()
    for path in sorted((tmp_path / "landslide" / "image").iterdir()):
        bgr = cv2.imread(str(path)).astype(float)
        mask = cv2.imread(str(tmp_path / "landslide" / "mask" / path.name), cv2.IMREAD_UNCHANGED)
        blue, _, red = bgr[mask > 0].mean(axis=0)
        assert red > blue + 10, "brown soil; swapped channels would make it blue"
