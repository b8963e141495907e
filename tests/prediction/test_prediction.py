"""Names of outputs; what models made by hand make of known pixels: probabilities, masks, overlays, the table."""

import weakref

import numpy as np
import pytest
from PIL import Image

from keras_landslide.data.sample import Sample
from keras_landslide.errors import LandslideError
from keras_landslide.evaluation import evaluate
from keras_landslide.files import images as files
from keras_landslide.files.images import write_image
from keras_landslide.pictures import OUTLINE, overlay
from keras_landslide.prediction import images
from keras_landslide.prediction.images import find_images, output_names, predict
from keras_landslide.prediction.predictor import Predictor


class ByRule:
    """A model of one rule, a batch `(N, H, W, 3)` to landslide's probability, `(N, H, W)`; it keeps the batches."""

    def __init__(self, rule):
        self.rule, self.batches = rule, []

    def __call__(self, batch):
        self.batches.append(np.array(batch))
        landslide = self.rule(self.batches[-1])
        return np.stack([1 - landslide, landslide], axis=-1).astype(np.float32)


def red(batch):
    """As probable as the pixel is red."""
    return batch[..., 0] / 255


def red_above_on_the_left(batch):
    """As probable as the next pixel up and left is red, or 0 at the border: not the same for a mirror image."""
    return np.pad(batch[..., 0], ((0, 0), (1, 0), (1, 0)))[:, :-1, :-1] / 255


def red_around(image: np.ndarray) -> np.ndarray:
    """What `red_above_on_the_left` says of an image and its three mirror images, laid back and averaged, `(H, W)`."""
    padded = np.pad(image[..., 0] / 255, 1)
    return (padded[:-2, :-2] + padded[:-2, 2:] + padded[2:, :-2] + padded[2:, 2:]) / 4


def picture(height: int, width: int, landslide: np.ndarray, seed: int = 0) -> np.ndarray:
    """RGB noise, red where `landslide` is true, blue elsewhere, between the two in green."""
    noise = np.random.default_rng(seed).integers(0, 40, (height, width, 3))
    return (noise + np.where(landslide[..., None], (200, 110, 30), (30, 110, 200))).astype(np.uint8)


def rectangle(height: int, width: int, rows: slice, columns: slice) -> np.ndarray:
    inside = np.zeros((height, width), bool)
    inside[rows, columns] = True
    return inside


@pytest.fixture
def folders(tmp_path):
    for name in ("may/x.png", "june/x.png", "june/y.png", "2021/june/x.png", "june/x.jpg"):
        write_image(tmp_path / name, np.zeros((4, 4, 3), np.uint8))
    return tmp_path


def test_equal_stems_do_not_overwrite_each_other(folders):
    images = find_images(
        [folders / "may", folders / "june" / "x.png", folders / "june" / "y.png", folders / "2021/june"]
    )
    names = output_names(images)
    assert len(set(names)) == 4
    assert names[0] == "may_x" and names[2] == "y"
    assert names[3].endswith("june_x") and names[3] != names[1]


def test_equal_stems_in_one_folder(folders):
    assert len(set(output_names(find_images([folders / "june"])))) == 3


def test_an_image_given_twice_is_predicted_once(folders):
    assert len(find_images([folders / "may", folders / "may" / "x.png", folders / "june/../may"])) == 1


def test_everything_missing_is_named(folders):
    (folders / "notes.txt").write_text("")
    with pytest.raises(LandslideError) as error:
        find_images([folders / "nothing.png", folders / "notes.txt", folders / "2021", folders / "may"])
    assert len(error.value.files) == 3


def test_the_outline_is_drawn_where_the_mask_ends():
    landslide = np.zeros((40, 50), bool)
    landslide[10:20, 15:35] = True
    drawn = overlay(np.full((40, 50, 3), 90, np.uint8), landslide)
    changed = (drawn == OUTLINE).all(-1)
    assert changed[10, 15:35].all() and changed[10:20, 34].all()
    assert not changed[13:17, 20:30].any() and not changed[:8].any()
    assert (drawn[~changed] == 90).all()


def test_an_outline_is_wider_on_a_large_image():
    """A 250th of the longer side: of 750 pixels three, which OpenCV rounds up to five."""
    landslide = rectangle(40, 750, slice(10, 30), slice(100, 200))
    drawn = overlay(np.full((40, 750, 3), 90, np.uint8), landslide)
    changed = (drawn[:, 150] == OUTLINE).all(-1)
    assert changed[9:12].all() and changed[28:31].all() and changed.sum() == 10


def test_probabilities_are_of_red_green_and_blue_in_that_order_alone_and_unscaled():
    images = [np.random.default_rng(seed).integers(0, 256, (24, 32, 3)).astype(np.uint8) for seed in (0, 1)]
    for channel in range(3):
        model = ByRule(lambda batch, channel=channel: batch[..., channel] / 255)
        for image in images:
            found = Predictor(model, 32)(image)
            np.testing.assert_allclose(found[..., 1], image[..., channel] / 255, atol=1e-6)
            np.testing.assert_allclose(found.sum(-1), 1, atol=1e-6)
        assert [batch.shape for batch in model.batches] == [(1, 32, 32, 3)] * 2
        assert model.batches[0].dtype == np.float32 and model.batches[0][0, 0, 0].tolist() == [128, 128, 128]


def test_averaged_flips_are_the_mean_of_four_mirrored_views():
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3)).astype(np.uint8)
    model = ByRule(red_above_on_the_left)
    plain = Predictor(model, 20)(image)
    assert len(model.batches) == 1
    np.testing.assert_allclose(plain[..., 1], red_above_on_the_left(image[None])[0], atol=1e-6)
    averaged = Predictor(model, 20, average_flips=True)(image)
    np.testing.assert_allclose(averaged[..., 1], red_around(image), atol=1e-6)
    assert np.abs(averaged - plain).max() > 0.3
    views = (image, image[:, ::-1], image[::-1], image[::-1, ::-1])
    assert sorted(batch.tobytes() for batch in model.batches[1:]) == sorted(
        view.astype(np.float32).tobytes() for view in views
    )


def test_masks_overlays_and_the_table_are_those_made_by_hand(tmp_path):
    """Read back by another library than wrote them."""
    landslides = {
        "first": rectangle(12, 16, slice(2, 9), slice(2, 9)) & ~rectangle(12, 16, slice(5, 6), slice(5, 7)),  # a hole
        "second": rectangle(16, 10, slice(1, 4), slice(4, 9)),
        "third": rectangle(12, 16, slice(0, 0), slice(0, 0)),
    }
    for name, landslide in landslides.items():
        Image.fromarray(picture(*landslide.shape, landslide)).save(tmp_path / f"{name}.png")
    paths = [tmp_path / f"{name}.png" for name in landslides]
    model, done = ByRule(red), []

    def track(items):
        for item in items:
            yield item
            done.append(item)

    made = predict(Predictor(model, 16), paths, tmp_path / "out", track=track)
    for name, landslide in landslides.items():
        mask = Image.open(tmp_path / "out" / "masks" / f"{name}.png")
        assert mask.mode == "L"
        np.testing.assert_array_equal(mask, np.where(landslide, 255, 0))
        padded = np.pad(landslide, 1)
        within = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        image = np.asarray(Image.open(tmp_path / f"{name}.png"))
        drawn = np.where((landslide & ~within)[..., None], (255, 230, 0), image)
        np.testing.assert_array_equal(Image.open(tmp_path / "out" / "overlays" / f"{name}.png"), drawn)
    assert (tmp_path / "out" / "predictions.csv").read_text() == (
        "image,mask,width,height,landslide_pixels,landslide_share\n"
        f"{paths[0]},masks/first.png,16,12,47,0.244792\n"
        f"{paths[1]},masks/second.png,10,16,15,0.093750\n"
        f"{paths[2]},masks/third.png,16,12,0,0.000000\n"
    )
    assert [one.landslide_share for one in made] == [47 / 192, 15 / 160, 0.0] and len(done) == 3
    assert [batch.shape for batch in model.batches] == [(1, 16, 16, 3)] * 3


def test_predict_takes_the_size_and_the_average_that_it_is_told(tmp_path):
    image = picture(20, 20, np.random.default_rng(3).random((20, 20)) > 0.5)
    Image.fromarray(image).save(tmp_path / "a.png")
    masks = {}
    for name, options in {"plain": {}, "averaged": {"average_flips": True}}.items():
        predict(Predictor(ByRule(red_above_on_the_left), 20, **options), [tmp_path / "a.png"], tmp_path / name)
        masks[name] = np.asarray(Image.open(tmp_path / name / "masks" / "a.png"))
    np.testing.assert_array_equal(masks["averaged"] == 255, red_around(image) > 0.5)
    assert (masks["plain"] != masks["averaged"]).mean() > 0.2
    model = ByRule(red)
    predict(Predictor(model, 70), [tmp_path / "a.png"], tmp_path / "larger")
    assert [batch.shape for batch in model.batches] == [(1, 70, 70, 3)]


def test_masks_have_the_native_size_of_smaller_and_larger_images(tmp_path):
    """Twice and half the input's size: red blocks of whole pixels of the input come back as they were."""
    for name, sides, block in (("larger", (40, 24), 4), ("smaller", (10, 6), 1)):
        coarse = np.random.default_rng(1).random((10, 6)) > 0.5
        landslide = coarse.repeat(block, 0).repeat(block, 1)
        assert landslide.shape == sides
        flat = np.where(landslide[..., None], (250, 60, 0), (10, 60, 200)).astype(np.uint8)
        Image.fromarray(flat).save(tmp_path / f"{name}.png")
        model = ByRule(lambda batch: batch[..., 0] > 128)
        (made,) = predict(Predictor(model, 20), [tmp_path / f"{name}.png"], tmp_path / name)
        np.testing.assert_array_equal(Image.open(made.mask), np.where(landslide, 255, 0))
        assert (made.height, made.width, made.landslide_pixels) == (*sides, landslide.sum())


@pytest.fixture
def three(tmp_path):
    """Three images with red in them."""
    for number in range(3):
        landslide = np.random.default_rng(number).random((20, 24)) > 0.5
        Image.fromarray(picture(20, 24, landslide)).save(tmp_path / f"image_{number}.png")
    return [tmp_path / f"image_{number}.png" for number in range(3)]


def files_of(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_predictions_that_were_stopped_go_on_where_they_were(three, tmp_path):
    weights = {"file": "a.weights.h5", "sha256": "0"}
    predict(Predictor(ByRule(red), 32), three, tmp_path / "whole", weights=weights)
    model = ByRule(red)

    def stopped(images):
        yield from images[:2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(Predictor(model, 32), three, tmp_path / "out", weights=weights, track=stopped)
    assert "predictions.csv" not in files_of(tmp_path / "out")
    (tmp_path / "out" / "overlays" / "image_1.png").unlink()  # killed between the two files of an image
    model.batches.clear()
    moved = {**weights, "file": "elsewhere/a.weights.h5"}  # the same content
    predict(Predictor(model, 32), three, tmp_path / "out", weights=moved, resume=True)
    assert len(model.batches) == 2
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ("weights", "other weights"),
        ("size", "other image size"),
        ("images", "other images"),
        ("content", "other images"),
    ],
)
def test_predictions_of_something_else_are_not_gone_on_with(three, tmp_path, other, named):
    def run(size=32, sha256="0", **how):
        weights = {"file": "a.weights.h5", "sha256": sha256}
        return predict(Predictor(ByRule(red), size), three, tmp_path / "out", weights=weights, **how)

    run()
    before = files_of(tmp_path / "out")
    how = {"weights": {"sha256": "1"}, "size": {"size": 40}}.get(other, {})
    if other == "images":
        three.pop()
    if other == "content":
        Image.fromarray(np.zeros((50, 50, 3), np.uint8)).save(three[0])
    with pytest.raises(LandslideError, match=f"holds results of {named}"):
        run(resume=True, **how)
    with pytest.raises(LandslideError, match="add --overwrite"):
        run(**how)
    assert files_of(tmp_path / "out") == before
    run(overwrite=True, **how)
    assert len(list((tmp_path / "out" / "masks").iterdir())) == len(three)


def test_a_folder_in_use_is_said_before_any_image_is_decoded(three, tmp_path, monkeypatch):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "thesis.txt").write_text("mine")
    monkeypatch.setattr(images, "read_image", lambda path: pytest.fail("decoded"))
    with pytest.raises(LandslideError, match="add --overwrite"):
        predict(Predictor(ByRule(red), 32), three, tmp_path / "used")


def test_masks_of_an_earlier_run_do_not_stay_and_other_folders_are_not_touched(three, tmp_path):
    predictor = Predictor(ByRule(red), 32)
    predict(predictor, three, tmp_path / "out")
    predict(predictor, three[:1], tmp_path / "out", overwrite=True)
    assert {name for name in files_of(tmp_path / "out") if "/" in name} == {"masks/image_0.png", "overlays/image_0.png"}
    mine = tmp_path / "mine"
    write_image(mine / "masks" / "mine.png", np.zeros((4, 4, 3), np.uint8))
    for how in ({"overwrite": True}, {"resume": True}):
        with pytest.raises(LandslideError, match="was not made by predict"):
            predict(predictor, three, mine, **how)
    assert list(files_of(mine)) == ["masks/mine.png"]
    predict(predictor, three, tmp_path / "new", resume=True)  # nothing there yet: from the start
    assert (tmp_path / "new" / "predictions.csv").is_file()


def test_what_predict_made_is_no_input_of_the_same_folder(three, tmp_path):
    predictor, out = Predictor(ByRule(red), 32), tmp_path / "out"
    predict(predictor, three, out)
    before = files_of(out)
    with pytest.raises(LandslideError, match="is what predict made in"):
        predict(predictor, [out / "overlays"], out, overwrite=True)
    with pytest.raises(LandslideError, match="There is no image to predict"):
        predict(predictor, [], out, overwrite=True)
    assert files_of(out) == before


def test_images_that_are_squeezed_too_far_are_warned_of(tmp_path, caplog):
    for name, sides in (("fits", (40, 80)), ("large", (20, 81)), ("larger", (90, 30))):
        write_image(tmp_path / f"{name}.png", np.zeros((*sides, 3), np.uint8))
    paths = [tmp_path / f"{name}.png" for name in ("fits", "large", "larger")]
    predict(Predictor(ByRule(red), 20), paths, tmp_path / "out")
    (said,) = caplog.messages
    assert "2 of 3 images are more than 4 times larger" in said and "30 × 90 pixels, the input 20" in said
    assert "tiles of 80 pixels" in said
    caplog.clear()
    predict(Predictor(ByRule(red), 20), paths[:1], tmp_path / "one")
    predict(Predictor(ByRule(red), 20, zoom=1.0), paths, tmp_path / "scaled")  # nothing is squeezed there
    samples = [Sample(path.stem, path, None, path.stem) for path in paths]
    assert not caplog.messages
    evaluate(Predictor(ByRule(red), 20), samples, split="mine", subset="test")
    assert "2 of 3 images" in caplog.messages[0]


def test_every_image_is_decoded_twice_and_one_at_a_time_is_in_memory(tmp_path, monkeypatch):
    names = [f"image_{number}.png" for number in range(5)]
    for number, name in enumerate(names):
        write_image(tmp_path / name, np.full((20, 30, 3), 40 * number, np.uint8))
    decoded, alive = [], []

    def read(path):
        image = files.read_stored(path)[..., ::-1].copy()
        decoded.append((path.name, weakref.ref(image)))
        return image

    def landslide(batch):
        alive.append([name for name, image in decoded if image() is not None])
        return red(batch)

    monkeypatch.setattr(images, "read_image", read)
    predict(Predictor(ByRule(landslide), 32), [tmp_path / name for name in names], tmp_path / "out")
    assert [name for name, _ in decoded] == names + names  # all are checked first
    assert alive == [[name] for name in names]


def test_of_a_folder_in_vocs_form_the_photographs_are_found(voc):
    assert find_images([voc]) == sorted((voc / "JPEGImages").iterdir())
