"""Counts at native size by models made by hand: images without landslide, and more than two classes."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from PIL import Image

from keras_landslide.data.classes import class_names
from keras_landslide.data.layouts import find_samples
from keras_landslide.data.sample import Sample
from keras_landslide.data.voc import VOC_CLASSES
from keras_landslide.evaluation import Evaluation, FalseAlarms, evaluate, evaluate_labellings, false_alarms
from keras_landslide.files.images import write_image
from keras_landslide.prediction.predictor import Predictor
from keras_landslide.results.report import negatives_line, report_lines
from tests.prediction.test_prediction import ByRule, picture, red, red_above_on_the_left, red_around

AGREED = ["images", "labels", "split", "subset", "class_names", "confusion", "miou", "mean_recall", "mean_precision"]


def marks_bright(batch):
    """Calls every pixel brighter than 200 a landslide."""
    bright = batch[..., 0] > 200
    return np.stack([~bright, bright], axis=-1).astype(np.float32)


@pytest.fixture
def negatives(tmp_path):
    """Four 100 × 100 images with 0, 100 (1 %), 101 and 5000 bright pixels."""
    samples = []
    for number, bright in enumerate((0, 100, 101, 5000)):
        image = np.zeros((100 * 100, 3), np.uint8)
        image[:bright] = 255
        path = tmp_path / f"calm{number}.png"
        write_image(path, image.reshape(100, 100, 3))
        samples.append(Sample(path.stem, path, None, f"valley{number // 3}"))
    return samples


def test_a_false_alarm_is_more_than_one_per_cent_of_the_image(negatives):
    done = []

    def track(items):
        for item in items:
            yield item
            done.append(item)

    found = false_alarms(Predictor(marks_bright, 100), negatives, track=track)
    assert found.per_image == {
        "calm0": (0, 10000),
        "calm1": (100, 10000),
        "calm2": (101, 10000),
        "calm3": (5000, 10000),
    }
    assert found.groups == {"calm0": "valley0", "calm1": "valley0", "calm2": "valley0", "calm3": "valley1"}
    assert found.to_json() == {"images": 4, "false_alarms": 0.5, "marked_area": 5201 / 40000}
    assert done == negatives


def test_the_marked_area_is_of_all_pixels_not_a_mean_of_images():
    block = FalseAlarms({"small": (10, 100), "large": (0, 900)}, {"small": "a", "large": "b"}).to_json()
    assert block == {"images": 2, "false_alarms": 0.5, "marked_area": 0.01}
    line = negatives_line(block)
    assert "2 images" in line and "1 (50.0 %, 95 % interval 9.5 to 90.5)" in line and "1.00 % of their area" in line


def constant_model(classes: int, answer: int) -> keras.Model:
    """A model that is sure of one class everywhere."""
    inputs = keras.Input((None, None, 3))
    one = np.eye(classes, dtype=np.float32)[answer]
    kernel = keras.layers.Conv2D(classes, 1, kernel_initializer="zeros", bias_initializer=lambda shape, dtype: one)
    return keras.Model(inputs, kernel(inputs))


def test_counts_of_21_classes(voc):
    samples = find_samples(voc)
    predictor = Predictor(constant_model(21, 15).predict_on_batch, 64, class_names=VOC_CLASSES)
    scores = evaluate(predictor, samples, split="voc", subset="train").to_json()
    confusion = np.array(scores["confusion"])
    truth = np.concatenate([sample.read()[1].ravel() for sample in samples])
    expected = np.zeros((21, 21), int)
    expected[:, 15] = [(truth == number).sum() for number in range(21)]
    np.testing.assert_array_equal(confusion, expected)
    assert confusion.sum() == (truth != 255).sum() < truth.size
    assert list(scores) == [*AGREED, *VOC_CLASSES, "groups", "per_image"]
    share = expected[15, 15] / expected.sum()
    assert scores["person"] == pytest.approx(
        {"precision": share, "recall": 1.0, "iou": share, "f1": 2 * share / (1 + share)}
    )
    assert scores["dog"] == {"precision": None, "recall": 0.0, "iou": 0.0, "f1": 0.0}
    assert scores["miou"] == pytest.approx(share / 21)
    json.dumps(scores, allow_nan=False)


def test_scores_say_which_images_share_ground(negatives):
    scores = evaluate(
        Predictor(constant_model(2, 0).predict_on_batch, 64), negatives, split="mine", subset="test"
    ).to_json()
    assert scores["groups"] == {"calm0": "valley0", "calm1": "valley0", "calm2": "valley0", "calm3": "valley1"}
    assert list(scores["groups"]) == list(scores["per_image"])


def test_names_of_classes():
    assert class_names(2) == ("background", "landslide")
    assert class_names(21)[20] == "class_20"  # 21 classes of anybody are not those of VOC
    assert class_names(4) == ("background", "class_1", "class_2", "class_3")


def test_the_report_of_three_classes_has_a_line_for_each_and_no_paper():
    from keras_landslide.paper import row

    counts = np.array([[80, 0, 0], [0, 10, 10], [0, 0, 0]])
    evaluation = Evaluation({"a": counts}, {"a": "a"}, "voc", "val", class_names=class_names(3))
    text = "\n".join(report_lines(evaluation.to_json(), row("pspnet_resnet50")))
    assert "class_1         100.00     50.00     50.00     66.67" in text
    assert "class_2           0.00         –      0.00      0.00" in text
    assert "mIoU, 95 % interval over groups of images that share ground (1 here): 50.0 to 50.0" in text
    assert "means of the classes that have a score" in text
    assert "Table 5" not in text and "paper" not in text and "landslide" not in text


def sample(folder, name: str, image: np.ndarray, truth: np.ndarray | None = None) -> Sample:
    """A sample of files that another library wrote."""
    paths = [folder / f"{name}.png", folder / f"{name}_mask.png"]
    Image.fromarray(image).save(paths[0])
    if truth is not None:
        Image.fromarray(np.where(truth, 255, 0).astype(np.uint8)).save(paths[1])
    return Sample(name, paths[0], None if truth is None else paths[1], name)


def counted(truth: np.ndarray, found: np.ndarray) -> list[list[int]]:
    """[[TN, FP], [FN, TP]] by hand."""
    return [[int(((truth == row) & (found == column)).sum()) for column in (False, True)] for row in (False, True)]


def test_counts_are_of_native_pixels_smaller_and_larger_than_the_input(tmp_path):
    """Half, twice and as large as the input of 40 pixels, none square: squares of 2 × 2 come back as they were."""
    random, samples, wanted = np.random.default_rng(0), [], {}
    for name, (height, width), block in (
        ("smaller", (20, 12), 1), ("larger", (48, 80), 2), ("as_large", (40, 32), 1),
    ):  # fmt: skip
        coarse = random.random((height // block, width // block)) > 0.5
        found, truth = coarse.repeat(block, 0).repeat(block, 1), random.random((height, width)) > 0.7
        image = np.where(found[..., None], (250, 60, 0), (10, 60, 200)).astype(np.uint8)
        samples.append(sample(tmp_path, name, image, truth))
        wanted[name] = counted(truth, found)
    model = ByRule(lambda batch: batch[..., 0] > 128)
    scores = evaluate(Predictor(model, 40), samples, split="mine", subset="test").to_json()
    assert scores["per_image"] == wanted
    assert np.sum(scores["confusion"]) == 20 * 12 + 48 * 80 + 40 * 32
    (tn, fp), (fn, tp) = np.sum(list(wanted.values()), axis=0)
    assert scores["landslide"]["precision"] == tp / (tp + fp) and scores["landslide"]["recall"] == tp / (tp + fn)
    assert scores["background"]["precision"] == tn / (tn + fn) and scores["background"]["recall"] == tn / (tn + fp)
    assert [batch.shape for batch in model.batches] == [(1, 40, 40, 3)] * 3


def test_two_labellings_meet_the_same_images_even_when_read_ahead(tmp_path):
    """Truths that tell every image from the others, and a bar that takes all before it gives the first."""
    random, labellings, wanted = np.random.default_rng(3), {"original": [], "completed": []}, {}
    for number in range(4):
        found = random.random((16, 16)) > 0.5
        for name, samples in labellings.items():
            truth = random.random((16, 16)) > 0.2 * (number + 1)
            samples.append(
                replace(sample(tmp_path, f"{name}_{number}", picture(16, 16, found), truth), name=str(number))
            )
            wanted.setdefault(name, {})[str(number)] = counted(truth, found)
    model = ByRule(lambda batch: batch[..., 0] > 128)
    how = {"split": "mine", "subset": "test", "track": lambda images: iter(list(images))}
    evaluations = evaluate_labellings(Predictor(model, 16), labellings, **how)
    assert {one.labels: one.to_json()["per_image"] for one in evaluations} == wanted
    assert len(model.batches) == 4  # one prediction an image, however many labels


def test_red_is_counted_and_not_blue(tmp_path):
    landslide = np.random.default_rng(1).random((32, 32)) > 0.6
    one = sample(tmp_path, "one", picture(32, 32, landslide), landslide)
    scores = evaluate(Predictor(ByRule(red), 32), [one], split="mine", subset="test").to_json()
    assert scores["confusion"] == [[int((~landslide).sum()), 0], [0, int(landslide.sum())]]


def test_evaluate_and_false_alarms_average_over_mirror_images_only_when_told(tmp_path):
    random = np.random.default_rng(2)
    truth = random.random((24, 24)) > 0.5
    image = picture(24, 24, random.random((24, 24)) > 0.4)
    one, calm = sample(tmp_path, "one", image, truth), sample(tmp_path, "calm", image)
    plain, averaged = red_above_on_the_left(image[None])[0] > 0.5, red_around(image) > 0.5
    for found, options in ((plain, {}), (averaged, {"average_flips": True})):
        model = ByRule(red_above_on_the_left)
        predictor = Predictor(model, 24, **options)
        scores = evaluate(predictor, [one], split="mine", subset="test").to_json()
        assert scores["confusion"] == counted(truth, found)
        alarms = false_alarms(predictor, [calm])
        assert alarms.per_image == {"calm": (int(found.sum()), 24 * 24)}
    assert counted(truth, plain) != counted(truth, averaged)


def test_false_alarms_are_counted_at_native_size(tmp_path):
    marked = np.zeros((12, 40), bool)
    marked[2:8, 10:20] = True
    image = np.where(marked[..., None], (250, 60, 0), (10, 60, 200)).astype(np.uint8)
    model = ByRule(lambda batch: batch[..., 0] > 128)
    assert false_alarms(Predictor(model, 20), [sample(tmp_path, "calm", image)]).per_image == {"calm": (60, 480)}
    assert [batch.shape for batch in model.batches] == [(1, 20, 20, 3)]


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_scores_that_do_not_exist_are_null(tmp_path):
    """JSON has no NaN: every pixel is one to ignore."""
    nothing = Evaluation({"a": np.zeros((2, 2), int)}, {"a": "a"}, "voc", "val").to_json()
    assert nothing["miou"] is nothing["mean_recall"] is nothing["landslide"]["iou"] is None
    json.dumps(nothing, allow_nan=False)
