"""Every augmentation moves image and mask together, and does what it is called."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from keras_landslide.data.augment import RECIPES, Recipe, augment, colours, crop, draws, flip, rotation, warp

SIZE = 48
COLOURS = ("brightness", "contrast", "tint", "saturation", "gamma", "shade")


@pytest.fixture
def aligned():
    """A smooth image and a mask that is a function of it: landslide where red is over 128."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    red = 128 + 100 * np.sin(x / 12) * np.cos(y / 15)
    image = np.stack([red, 4 * x, 4 * y], -1)
    return image.clip(0, 255).astype(np.uint8), (red > 128).astype(np.uint8)


def geometry_of(name: str) -> Recipe:
    """A recipe without its changes of colour."""
    return Recipe(**{**vars(RECIPES[name]), **dict.fromkeys(COLOURS, 0.0)})


def warped(image, labels, matrix, mirrored=False):
    moved, moved_labels = warp(tf.constant(image, tf.float32), tf.constant(labels), matrix, mirrored)
    return moved.numpy(), moved_labels.numpy()


def test_quarter_turns_and_flip_are_numpys(aligned):
    image, labels = aligned
    for degrees, turns in ((90.0, 1), (-90.0, -1), (180.0, 2)):
        moved, moved_labels = warped(image, labels, rotation(degrees))
        np.testing.assert_allclose(moved, np.rot90(image, turns), atol=0.01)
        np.testing.assert_array_equal(moved_labels, np.rot90(labels, turns))
    for matrix, axes in ((flip(True), 1), (flip(False, True), 0), (flip(True, True), (0, 1))):
        moved, moved_labels = warped(image, labels, matrix)
        np.testing.assert_allclose(moved, np.flip(image, axes), atol=0.01)
        np.testing.assert_array_equal(moved_labels, np.flip(labels, axes))


def test_twenty_degrees_against_opencv(aligned):
    image, labels = aligned
    centre = (SIZE - 1) / 2
    matrix = cv2.getRotationMatrix2D((centre, centre), 20.0, 1.0)
    expected = cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderValue=(128, 128, 128))
    moved, moved_labels = warped(image, labels, rotation(20.0))
    inside = moved_labels != 255
    assert 0.7 < inside.mean() < 0.95
    assert np.abs(moved - expected)[inside].mean() < 1.0
    assert np.abs(warped(image, labels, rotation(-20.0))[0] - expected)[inside].mean() > 10.0


def test_corners_that_open_are_ignored_and_grey(aligned):
    moved, labels = warped(*aligned, rotation(45.0))
    assert labels[0, 0] == 255 and labels[-1, -1] == 255 and (moved[0, 0] == 128).all()
    assert labels[SIZE // 2, SIZE // 2] != 255


def test_corners_are_mirrored_as_opencv_does_it(aligned):
    image, labels = aligned
    degrees, part = 30.0, 1.25
    centre = (SIZE - 1) / 2
    matrix = cv2.getRotationMatrix2D((centre, centre), degrees, 1 / part)
    options = {"dsize": (SIZE, SIZE), "borderMode": cv2.BORDER_REFLECT}
    place = rotation(degrees) @ crop(part, 0.0, 0.0)
    moved, moved_labels = warped(image, labels, place, mirrored=True)
    assert np.abs(moved - cv2.warpAffine(image, matrix, flags=cv2.INTER_LINEAR, **options)).mean() < 1.0
    nearest = cv2.warpAffine(labels, matrix, flags=cv2.INTER_NEAREST, **options)
    assert (moved_labels == nearest).mean() > 0.99 and set(np.unique(moved_labels)) == {0, 1}
    grey, ignored = warped(image, labels, place)
    opened = ignored == 255
    assert opened.mean() > 0.3 and np.abs(moved - grey)[opened].mean() > 20


@pytest.mark.parametrize(("height", "width"), [(48, 48), (33, 61)])
def test_a_picture_of_one_colour_stays_that_where_it_is_mirrored(height, width):
    """No seam of the grey that is around it, wherever the mirror falls between two pixels."""
    white, labels = np.full((height, width, 3), 255, np.uint8), np.ones((height, width), np.uint8)
    for degrees, part in ((30.0, 1.25), (-20.0, 1.1), (90.0, 1.2), (45.0, 2.6)):
        place = rotation(degrees) @ crop(part, 3.3, -5.7)
        moved, moved_labels = warped(white, labels, place, mirrored=True)
        np.testing.assert_allclose(moved, 255, atol=1e-3)
        assert (moved_labels == 1).all()
        assert warped(white, labels, place)[0].min() == 128  # the control: not mirrored, it is there


def test_crop_enlarges_the_part_it_keeps(aligned):
    image, labels = aligned
    moved, _ = warped(image, labels, crop(0.5, 6.0, -4.0))
    centre = (SIZE - 1) / 2
    # green is 4 x and blue 4 y of the source: the sample's centre shows the moved place, its edge half as far away
    assert moved[24, 24, 1] == pytest.approx(4 * (centre + 6 + 0.5 * (24 - centre)), abs=1.0)
    assert moved[24, 40, 1] == pytest.approx(4 * (centre + 6 + 0.5 * (40 - centre)), abs=1.0)
    assert moved[10, 24, 2] == pytest.approx(4 * (centre - 4 + 0.5 * (10 - centre)), abs=1.0)


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "none"])
def test_image_and_mask_stay_aligned(aligned, name):
    """The mask says where red was over 128; after any warp it must say so still."""
    image, labels = aligned
    recipe = geometry_of(name)
    for number in range(20):
        moved, moved_labels = augment(image, labels, recipe, (number, 7))
        inside = moved_labels.numpy() != 255
        red, truth = moved.numpy()[..., 0][inside], moved_labels.numpy()[inside] == 1
        assert ((red > 128) == truth).mean() > 0.95, number


def test_the_alignment_test_notices_a_shift(aligned):
    image, labels = aligned
    moved, _ = augment(image, labels, RECIPES["paper"], (1, 7))
    _, other = augment(np.roll(image, 9, 1), np.roll(labels, 9, 1), RECIPES["paper"], (1, 7))
    inside = other.numpy() != 255
    assert ((moved.numpy()[..., 0] > 128)[inside] == (other.numpy() == 1)[inside]).mean() < 0.9


def test_table_2_as_written(aligned):
    """Half are rotated, by 20° or a quarter turn; all are flipped and cropped to 0.7."""
    angles, parts, mirrored = [], [], []
    ramp = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), -1).astype(np.float32)
    image = np.concatenate([2 * ramp, np.zeros((SIZE, SIZE, 1))], -1).astype(np.uint8)
    for number in range(200):
        moved = augment(image, np.zeros((SIZE, SIZE), np.uint8), RECIPES["paper"], (number, 1))[0].numpy()
        middle = moved[22:26, 22:26, :2].astype(np.float64) / 2
        right, down = np.gradient(middle, axis=1).mean((0, 1)), np.gradient(middle, axis=0).mean((0, 1))
        determinant = right[0] * down[1] - right[1] * down[0]
        mirrored.append(determinant < 0)
        parts.append(np.sqrt(abs(determinant)))
        angles.append(round(np.degrees(np.arctan2(-right[1], -right[0]))))
    assert all(mirrored)
    assert np.allclose(parts, 0.7, atol=0.05)
    assert 0.38 < np.mean(np.abs(angles) < 5) < 0.62
    assert {round(abs(angle) / 10) * 10 for angle in angles} == {0, 20, 90}


def test_table_2_step_by_step_in_opencv(aligned):
    """The one warp against rotate, flip, crop and resize one after another in OpenCV, with the same draws."""
    image, labels = aligned
    recipe = RECIPES["paper"]
    assert recipe == Recipe(angles=(20, 90, -90), rotation_probability=0.5, flip_probability=1, zoom=(0.7, 0.7))
    centre, turned_by = (SIZE - 1) / 2, set()
    for number in range(12):
        drawn = draws((number, 5)).numpy()
        degrees = (20, 90, -90)[int(drawn[1] * 3)] if drawn[0] < 0.5 else 0
        turned_by.add(degrees)
        turn = cv2.getRotationMatrix2D((centre, centre), degrees, 1.0)
        size, far = (SIZE, SIZE), cv2.WARP_INVERSE_MAP
        turned = cv2.warpAffine(image, turn, size, flags=cv2.INTER_LINEAR, borderValue=(128, 128, 128))
        turned_labels = cv2.warpAffine(labels, turn, size, flags=cv2.INTER_NEAREST, borderValue=255)
        left, top = ((1 - 0.7) * SIZE * (drawn[4:6] - 0.5) + centre * (1 - 0.7)).tolist()
        enlarge = np.float64([[0.7, 0, left], [0, 0.7, top]])
        expected = cv2.warpAffine(turned[:, ::-1], enlarge, size, flags=cv2.INTER_LINEAR | far, borderValue=[128] * 3)
        expected_labels = cv2.warpAffine(
            np.ascontiguousarray(turned_labels[:, ::-1]), enlarge, size, flags=cv2.INTER_NEAREST | far, borderValue=255
        )
        moved, moved_labels = augment(image, labels, recipe, (number, 5))
        sure = (expected_labels != 255) & (moved_labels != 255)
        assert np.abs(moved - expected)[sure].mean() < 1.0, number
        assert (moved_labels == expected_labels).numpy().mean() > 0.97, number  # two roundings to a pixel against one
    assert turned_by == {0, 20, 90, -90}


def test_where_the_crop_lies_is_random_and_inside():
    """Coordinates as colours: the middle of the crop, over many draws, fills the room that there is, and no more."""
    recipe = Recipe(zoom=(0.7, 0.7))
    y, x = np.mgrid[:SIZE, :SIZE]
    image, labels = np.stack([4 * x, 4 * y, 0 * x], -1).astype(np.uint8), np.zeros((SIZE, SIZE), np.uint8)
    middles = []
    for number in range(300):
        moved, moved_labels = augment(image, labels, recipe, (number, 2))
        assert (moved_labels.numpy() == 0).all()
        middles.append(moved.numpy()[SIZE // 2 - 1 : SIZE // 2 + 1, SIZE // 2 - 1 : SIZE // 2 + 1, :2].mean((0, 1)) / 4)
    room, centre = 0.3 * SIZE / 2, (SIZE - 1) / 2
    for places in np.transpose(middles):
        np.testing.assert_allclose([places.min(), places.max()], [centre - room, centre + room], atol=0.6)
        assert places.std() == pytest.approx(2 * room / np.sqrt(12), rel=0.1)  # of a uniform distribution


@pytest.mark.parametrize(("name", "jitter", "least", "most"), [("default", 15, 0.6, 1.0), ("strong", 45, 0.4, 1.3)])
def test_a_square_is_laid_in_all_eight_ways_turned_a_little_and_zoomed(name, jitter, least, most):
    """Read off the pixels: coordinates as colours, whose slopes are the matrix."""
    y, x = np.mgrid[:SIZE, :SIZE]
    image, labels = np.stack([2 * x, 2 * y, 0 * x], -1).astype(np.uint8), np.zeros((SIZE, SIZE), np.uint8)
    geometry = geometry_of(name)
    ways, parts, turns = [], [], []
    for number in range(300):
        moved, moved_labels = augment(image, labels, geometry, (number, 3))
        inside = cv2.erode((moved_labels.numpy() == 0).astype(np.uint8), np.ones((5, 5)), borderValue=0).astype(bool)
        down, right = np.gradient(moved.numpy()[..., :2].astype(np.float64) / 2, axis=(0, 1))
        right, down = (np.median(slope[inside], axis=0) for slope in (right, down))
        parts.append(np.hypot(*right))
        degrees = np.degrees(np.arctan2(right[1], right[0]))
        turns.append((degrees + 45) % 90 - 45)
        ways.append((round(degrees / 90) % 4, right[0] * down[1] < right[1] * down[0]))
    assert min(ways.count(way) for way in set(ways)) > 20 and len(set(ways)) == 8
    assert min(parts) == pytest.approx(least, abs=0.03) and max(parts) == pytest.approx(most, abs=0.03)
    assert np.abs(turns).max() == pytest.approx(jitter, abs=2)
    assert np.std(turns) == pytest.approx(2 * jitter / np.sqrt(12), rel=0.1)  # of a uniform distribution


def test_colours_against_numpy():
    """Each kind of change alone, with the draw that sets it; the middle draw of 0.5 changes nothing."""
    rng = np.random.default_rng(0)
    image = rng.uniform(60, 180, (6, 8, 3)).astype(np.float32)
    across, down = np.meshgrid(np.linspace(-0.5, 0.5, 8), np.linspace(-0.5, 0.5, 6))
    grey = image.mean(-1, keepdims=True)
    expected = {
        "contrast": ({7: 1.0}, (image - image.mean()) * 1.2 + image.mean()),
        "brightness": ({8: 0.0}, image * 0.8),
        "tint": ({9: 1.0, 11: 0.0}, image * [1.2, 1.0, 0.8]),
        "saturation": ({12: 0.0}, (image - grey) * 0.8 + grey),
        "gamma": ({13: 1.0}, 255 * (image / 255) ** 1.2),
        "shade": ({14: 1.0, 15: 0.25}, image * (1 + 0.2 * (across - 0.5 * down))[..., np.newaxis]),
    }
    assert expected.keys() == set(COLOURS)
    for name, (values, wanted) in expected.items():
        drawn = np.full(17, 0.5, np.float32)
        np.testing.assert_allclose(colours(tf.constant(image), Recipe(**{name: 0.2}), drawn), image, atol=1e-3)
        drawn[list(values)] = list(values.values())
        changed = colours(tf.constant(image), Recipe(**{name: 0.2}), tf.constant(drawn))
        np.testing.assert_allclose(changed, wanted, atol=1e-3, err_msg=name)


def test_colours_of_a_few_pixels_by_hand():
    """Two pixels whose mean is 100 and whose greys are 150 and 50; for the shade nine pixels of 100."""
    pair = [[[100, 150, 200], [60, 50, 40]]]
    nine = np.full((3, 3, 3), 100)
    by_hand = [
        ("contrast", pair, {7: 1.0}, [[[100, 160, 220], [52, 40, 28]]]),
        ("contrast", pair, {7: 0.0}, [[[100, 140, 180], [68, 60, 52]]]),
        ("brightness", pair, {8: 1.0}, [[[120, 180, 240], [72, 60, 48]]]),
        ("tint", pair, {9: 0.0, 10: 1.0}, [[[80, 180, 200], [48, 60, 40]]]),
        ("saturation", pair, {12: 1.0}, [[[90, 150, 210], [62, 50, 38]]]),
        ("gamma", pair, {13: 0.0}, [[[120.59, 166.80, 209.96], [80.14, 69.26, 57.94]]]),  # 255 (v / 255)^0.8
        ("shade", nine, {14: 1.0}, np.full((3, 3, 3), 100) * np.array([0.9, 1.0, 1.1])[:, np.newaxis]),
        ("shade", nine, {15: 0.0}, np.full((3, 3, 3), 100) * np.array([1.1, 1.0, 0.9])[:, np.newaxis, np.newaxis]),
    ]
    assert {name for name, *_ in by_hand} == set(COLOURS)
    for name, image, values, wanted in by_hand:
        drawn = np.full(17, 0.5, np.float32)
        drawn[list(values)] = list(values.values())
        changed = colours(tf.constant(image, tf.float32), Recipe(**{name: 0.2}), tf.constant(drawn))
        np.testing.assert_allclose(changed, wanted, atol=0.01, err_msg=name)


def coloured(image, drawn, *, brightness, contrast, tint, saturation=0.0, gamma=0.0, shade=0.0):
    """What the colours of a recipe do to `(H, W, 3)`, in NumPy."""
    change = 2.0 * drawn.astype(np.float64) - 1.0
    across, down = np.meshgrid(*(np.arange(side) / (side - 1) - 0.5 for side in image.shape[1::-1]))
    image = image.mean() + (image - image.mean()) * (1 + contrast * change[7])
    image = image * (1 + brightness * change[8]) * (1 + tint * change[9:12])
    grey = image.mean(-1, keepdims=True)
    image = grey + (image - grey) * (1 + saturation * change[12])
    image = image * (1 + shade * (across * change[14] + down * change[15]))[..., np.newaxis]
    return 255 * (image.clip(0, 255) / 255) ** (1 + gamma * change[13])


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("default", {"brightness": 0.2, "contrast": 0.2, "tint": 0.05}),
        (
            "strong",
            {"brightness": 0.35, "contrast": 0.4, "tint": 0.15, "saturation": 0.5, "gamma": 0.3, "shade": 0.3},
        ),
    ],
)
def test_the_colours_of_a_recipe_reach_the_pixels(aligned, name, most):
    image, labels = aligned
    geometry = geometry_of(name)
    for number in range(6):
        moved, _ = augment(image, labels, geometry, (number, 4))
        changed, _ = augment(image, labels, RECIPES[name], (number, 4))
        wanted = coloured(moved.numpy().astype(np.float64), draws((number, 4)).numpy(), **most)
        np.testing.assert_allclose(changed, wanted, atol=0.02)
        assert np.abs(changed - moved).mean() > 2, number


def test_colours_stay_colours(aligned):
    image, labels = aligned
    for number in range(20):
        moved = augment(image, labels, RECIPES["strong"], (number, 9))[0].numpy()
        assert np.isfinite(moved).all() and moved.min() >= 0 and moved.max() <= 255


def test_none_changes_nothing(aligned):
    image, labels = augment(*aligned, RECIPES["none"], (0, 0))
    np.testing.assert_array_equal(image, aligned[0])
    np.testing.assert_array_equal(labels, aligned[1])


def test_the_same_eagerly_and_in_a_graph(aligned):
    image, labels = aligned
    eager = augment(image, labels, RECIPES["default"], (4, 2))
    dataset = tf.data.Dataset.from_tensors((image, labels)).map(lambda i, m: augment(i, m, RECIPES["default"], (4, 2)))
    in_graph = next(iter(dataset))
    np.testing.assert_allclose(eager[0], in_graph[0], atol=1e-3)
    np.testing.assert_array_equal(eager[1], in_graph[1])
