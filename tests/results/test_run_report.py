"""The page about a run: its numbers are those of the counts, it shows the right images, and it needs nothing else."""

import base64
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from keras_landslide.results.run_record import Epoch, Images, RunRecord, RunSettings, Scores, Threshold, Weights
from keras_landslide.results.run_report import report_page
from keras_landslide.results.run_scores import Predicted
from keras_landslide.scores import interval
from keras_landslide.settings import Settings
from tests.page import Page

SETTINGS = Settings(image_size=352, augmentation="strong", frozen_epochs=1, unfrozen_epochs=4)
ATTACK = "\"'><script>alert(1)</script>&amp;"
DESCRIPTION = {
    "start": {"weights": "imagenet", "random_layers": ["fuse_conv", "head"], "data": None},
    "data": {"trained_on": ["a", "b", "c"], "groups": ["a", "b"], "negatives": ["n1", "n2", "n3", "n4"]},
}


@pytest.fixture(scope="module", autouse=True)
def few_draws():
    """Intervals from as few draws here as on the page: how they are drawn is tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_landslide.scores.RESAMPLES", 100)
        yield


def epoch(number: int, val_miou: float) -> Epoch:
    return Epoch(
        number, "unfrozen" if number > 1 else "frozen", 90.0, 0.5 / number, 0.6, 0.4, val_miou, 1e-3, "float32"
    )


def counted(hits: int, wrong: int = 0, labelled: int = 20, pixels: int = 100) -> list[list[int]]:
    return [[pixels - labelled - wrong, wrong], [labelled - hits, hits]]


# Of 20 labelled pixels those many are found in each of fifteen images, which share ground by threes.
HITS = [7, 19, 0, 3, 12, 5, 20, 1, 14, 9, 2, 16, 8, 18, 10]
PER_IMAGE = {f"image{number}": counted(hits) for number, hits in enumerate(HITS)}
SCORES = Scores("original", PER_IMAGE, {f"image{number}": f"slope{number // 3}" for number in range(15)})
BY_HITS = sorted(PER_IMAGE, key=lambda name: PER_IMAGE[name][1][1])
RECORD = RunRecord(
    Path("runs/psp"),
    RunSettings(SETTINGS),
    Images("auto", "2/5", "original", "/data/bijie"),
    (epoch(1, 0.6), epoch(2, 0.8), epoch(3, 0.7)),
    SCORES,
    Weights(DESCRIPTION, "0123abcd"),
    {"best.weights.h5": 10_100_000, "history.csv": 700},
)


def scene(counts: list[list[int]], height: int = 10, width: int = 10) -> Predicted:
    """Grey, with these counts: the label from the first pixel on, what was found as much later as was missed."""
    truth, found = np.zeros(height * width, np.uint8), np.zeros(height * width, np.uint8)
    (_, wrong), (missed, hits) = counts
    truth[: missed + hits] = 1
    found[missed : missed + hits + wrong] = 1
    image = np.full((height, width, 3), 120, np.uint8)
    return Predicted(image, truth.reshape(height, width), found.reshape(height, width))


def shown(record: RunRecord = RECORD, without: str | None = None, predicted: dict | None = None) -> Page:
    drawn = record.scores.per_image if record.scores and without is None else {}
    scenes = {name: scene(counts) for name, counts in drawn.items()}
    return Page(report_page(record, scenes | (predicted or {}), without))


@pytest.fixture(scope="module")
def page() -> Page:
    return shown()


def bracketed(score) -> str:
    """A score of the sum of counts, a function of TN, FP, FN and TP, and its interval, as a cell has them."""

    def of(confusion):
        return score(*np.ravel(confusion).astype(float))

    low, high = interval({name: np.array(counts) for name, counts in PER_IMAGE.items()}, SCORES.groups, of)
    value = of(np.sum(list(PER_IMAGE.values()), axis=0))
    return f"{100 * value:.2f} ({100 * low:.1f} to {100 * high:.1f})"


def test_scores_by_class_follow_from_the_counts(page):
    _, background, landslide = page.tables["Scores by class (%)"]
    assert sum(HITS) == 144
    assert landslide[1].startswith("100.00 (100.0") and landslide[2].startswith("48.00 (")  # 144 of 300
    assert landslide == [
        "landslide",
        bracketed(lambda tn, fp, fn, tp: tp / (tp + fp)),
        bracketed(lambda tn, fp, fn, tp: tp / (tp + fn)),
        bracketed(lambda tn, fp, fn, tp: tp / (tp + fp + fn)),
        bracketed(lambda tn, fp, fn, tp: 2 * tp / (2 * tp + fp + fn)),
    ]
    assert background[3] == bracketed(lambda tn, fp, fn, tp: tn / (tn + fp + fn))
    assert "48.00 %" in page.sections[""]  # the key figure
    assert page.tables["Pixels of all images together"][2] == ["is landslide", "156", "144"]


def test_the_interval_is_over_ground_and_not_over_images():
    one = replace(SCORES, groups=dict.fromkeys(PER_IMAGE, "slope"))
    cells = shown(replace(RECORD, scores=one)).tables["Scores by class (%)"][2]
    assert cells[3] == "48.00 (48.0 to 48.0)"


def test_the_means_stand_beside_the_papers(page):
    _, ours, theirs = page.tables["Table 5 (%, means of the two classes)"]
    assert ours == [
        "this run, 15 validation images",
        bracketed(lambda tn, fp, fn, tp: (tn / (tn + fp + fn) + tp / (tp + fp + fn)) / 2),
        bracketed(lambda tn, fp, fn, tp: (tn / (tn + fp) + tp / (tp + fn)) / 2),
        bracketed(lambda tn, fp, fn, tp: (tn / (tn + fn) + tp / (tp + fp)) / 2),
    ]
    assert theirs == ["PSPNet (MobileNet), the paper, 51 test images", "89.11", "97.39", "92.61"]
    said = page.sections["Beside the paper"]
    assert "different images with different labels" in said and "not public" in said


def test_a_model_that_the_paper_does_not_have():
    settings = replace(SETTINGS, backbone="mobilenet")
    page = shown(replace(RECORD, said=RunSettings(settings)))
    assert "The paper has no figures" in page.sections["Beside the paper"] and "89.11" not in page.text


def captions(page: Page, heading: str) -> list[tuple[str, str]]:
    """Name and IoU of each figure below a heading."""
    return re.findall(r"(\w+): landslide IoU ([\d.]+) %", page.sections[heading])


def test_the_worst_and_the_best_images_are_those(page):
    worst, best = (captions(page, f"{which} validation images") for which in ("Worst", "Best"))
    assert [name for name, _ in worst] == BY_HITS[:6] and [name for name, _ in best] == BY_HITS[:-7:-1]
    assert [iou for _, iou in worst] == ["0.0", "5.0", "10.0", "15.0", "25.0", "35.0"]
    assert [iou for _, iou in best] == ["100.0", "95.0", "90.0", "80.0", "70.0", "60.0"]
    every = page.tables[next(caption for caption in page.tables if caption.startswith("Lowest"))][1:]
    assert [line[0] for line in every] == BY_HITS
    assert every[-2] == ["image1", "slope0", "95.0", "95.0", "100.0"]
    assert every[0] == ["image2", "slope0", "0.0", "0.0", "–"]
    assert "0.0 % of the label found, nothing marked" in page.sections["Worst validation images"]


def test_no_image_is_among_the_worst_and_the_best():
    few = {name: PER_IMAGE[name] for name in ("image0", "image1", "image2")} | {"empty": counted(0, labelled=0)}
    page = shown(replace(RECORD, scores=replace(SCORES, per_image=few, groups=dict.fromkeys(few, "slope"))))
    assert [name for name, _ in captions(page, "Worst validation images")] == ["image2", "image0"]
    assert [name for name, _ in captions(page, "Best validation images")] == ["image1"]
    alone = {"image0": PER_IMAGE["image0"]}
    assert "Best validation images" not in shown(replace(RECORD, scores=replace(SCORES, per_image=alone))).sections


def test_the_threshold_is_told_where_there_is_one():
    at = {str(step / 20): 0.5 for step in range(1, 20)} | {"0.5": 0.641, "0.8": 0.694}
    told = shown(replace(RECORD, scores=replace(SCORES, decision_threshold=Threshold(0.8, 15, 30, at)))).text
    assert "threshold is 0.8: with it landslide IoU is 69.4 % over these images and 30 without" in told
    assert "without it 64.1 %" in told
    assert "decision threshold" not in shown().text


def test_errors_are_drawn_over_the_image():
    """The first 30 rows are labelled, the rows from 10 to 50 marked: missed, right, wrong, and nothing below."""
    counts = [[3000, 1200], [600, 1200]]
    scores = replace(SCORES, per_image={"one": counts}, groups={"one": "one"})
    page = shown(replace(RECORD, scores=scores), predicted={"one": scene(counts, 100, 60)})
    plain, drawn = (page.pictures[name] for name in sorted(page.pictures))
    assert "one as it is" in page.pictures and plain.shape == drawn.shape == (480, 288, 3)
    np.testing.assert_allclose(plain, 120, atol=2)
    for row, colour in ((5, (60, 117, 149)), (20, (120, 120, 120)), (40, (166, 107, 60)), (80, (120, 120, 120))):
        np.testing.assert_allclose(drawn[round(4.8 * row), 144], colour, atol=6)
    np.testing.assert_allclose(drawn[round(4.8 * 30) - 1, 144], 255, atol=12)  # the outline of the label


def test_what_is_drawn_but_was_not_scored_is_told():
    other = {"image6": scene(counted(16))}
    assert "80.0 % as predicted again" in shown(predicted=other).sections["Best validation images"]
    assert "as predicted again" not in shown().text


def test_the_page_needs_nothing_but_itself(page):
    text = report_page(RECORD, {name: scene(counts) for name, counts in PER_IMAGE.items()}, None)
    page.check_alone()
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert "url(" not in style and "@import" not in style and "prefers-color-scheme: dark" in style
    (curves,) = [said["src"] for tag, said in page.tags if tag == "img" and "svg" in said["src"]]
    drawn = base64.b64decode(curves.split(",")[1]).decode()
    assert drawn.count("<path") > 20 and set(re.findall(r'href="(.)', drawn)) == {"#"}
    assert "<text" not in drawn  # which would need a font
    assert len(text) < 1_000_000


def test_the_same_run_gives_the_same_page():
    assert report_page(RECORD, {}, "gone") == report_page(RECORD, {}, "gone")


def test_what_files_say_is_text_and_never_markup():
    images = {ATTACK: counted(4), "other": counted(5)}
    attacked = replace(
        RECORD,
        folder=Path(ATTACK),
        said=RunSettings(replace(SETTINGS, backbone_weights=ATTACK), machine={ATTACK: ATTACK}, versions={"k": ATTACK}),
        images=Images(ATTACK, ATTACK, ATTACK, ATTACK),
        scores=Scores(ATTACK, images, dict.fromkeys(images, ATTACK), ("background", ATTACK)),
        weights=Weights({"start": {"weights": ATTACK, "random_layers": [ATTACK], "data": None}, "data": None}, ATTACK),
        files={ATTACK: 5},
    )
    for page in (shown(attacked), shown(attacked, without=ATTACK), shown(replace(attacked, scores=None))):
        assert {"script"}.isdisjoint(tag for tag, _ in page.tags)
        assert page.sections[""].count(ATTACK) >= 1 and ATTACK in page.sections["Data"]
    drawn = shown(attacked)
    assert drawn.tables["Scores by class (%)"][2][0] == ATTACK
    assert any(said.get("alt") == f"{ATTACK} as it is" for _, said in drawn.tags)


def test_names_that_are_no_text_do_not_stop_it():
    assert "runs/?" in shown(replace(RECORD, folder=Path("runs/\udcff"))).text


def test_a_run_that_is_not_finished_says_so():
    begun = replace(RECORD, scores=None)
    page = shown(replace(begun, said=replace(RECORD.said, images=Images("auto", folder="bijie"))))
    assert "not finished: 3 of up to 5 epochs are done" in page.sections[""]
    assert "keras-landslide train --resume runs/psp" in page.sections[""]
    assert "Training" in page.sections and not page.pictures
    assert not {"Validation scores", "Beside the paper", "Worst and best images"} & page.sections.keys()
    said = shown(replace(begun, said=replace(RECORD.said, images=None))).sections[""]  # a program gave them
    assert "it goes on when the program that began it is started again." in said and "--resume" not in said
    assert "not finished" not in shown().text
    begun = shown(replace(RECORD, scores=None, history=(), weights=None))
    assert "0 of up to 5 epochs" in begun.text and "Training" not in begun.sections


def test_a_run_without_its_data_says_so():
    page = shown(without="/data/bijie: no such folder")
    assert "/data/bijie: no such folder" in page.sections["Worst and best images"] and not page.pictures
    assert page.tables["Scores by class (%)"][2][3].startswith("48.00")


def test_the_curves_have_a_table_and_say_which_epoch_is_best(page):
    head, *lines = page.tables["Training and validation by epoch"]
    assert [line[0] for line in lines] == ["1", "2 (best)", "3"]
    by_name = dict(zip(head, lines[1], strict=True))
    assert (by_name["validation mIoU (%)"], by_name["loss"], by_name["seconds"]) == ("80.00", "0.2500", "90")
    assert "2 of 3" in page.sections[""] and "4 minutes" in page.sections[""]  # 4.5, to the even one
    (alt,) = [said["alt"] for tag, said in page.tags if tag == "img" and "svg" in said["src"]]
    assert "0.800, at epoch 2" in alt


def test_every_departure_and_every_setting_is_there(page):
    head, *departures = page.tables["Settings that are not the paper's"]
    assert head[:3] == ["setting", "this run", "the paper"]
    assert {line[0]: line[1:3] for line in departures} == {
        "init_weights": ["none", "VOC weights, in a file that it does not name"],
        "image_size": ["352", "473"],
        "frozen_epochs": ["1", "50"],
        "unfrozen_epochs": ["4", "100"],
        "augmentation": ["strong", "paper"],
        "samples_per_epoch": ["0", "2500"],
    }
    listed = {line[0]: line[1] for rows in page.tables.values() if rows[0][1] == "value" for line in rows[1:]}
    assert listed.keys() == SETTINGS.to_json().keys()
    assert listed["class_weights"] == "1.0, 2.0" and listed["early_stopping"] == "yes"
    assert listed["precision"] == "float32 (32 bits throughout)"


def test_data_start_and_files(page):
    data = page.sections["Data"]
    for said in ("/data/bijie", "fold 2/5", "the masks as published", "3 images in 2 groups", "4 images without"):
        assert said in data
    assert "15 images in 5 groups" in data
    start = page.sections["Start of the weights"]
    assert "imagenet" in start and "2 layers that began from random" in start and "fuse_conv, head" in start
    assert page.tables["In the run folder"][1:] == [["best.weights.h5", "10.1 MB"], ["history.csv", "0.7 kB"]]
    assert "0123abcd" in page.sections["Files"]


def test_the_machine_is_there_where_the_run_says_it(page):
    assert "Machine" not in page.sections
    machine = {"processor": "Abacus 3", "cores": 2, "memory_gb": 8, "gpus": []}
    said = RunSettings(SETTINGS, machine=machine, versions={"tensorflow": "2.99", "keras": "3.98"})
    text = shown(replace(RECORD, said=said)).sections["Machine"]
    for part in ("Abacus 3", "memory gb", "8", "none", "tensorflow 2.99, keras 3.98"):
        assert part in text


def test_more_than_two_classes_are_told_by_their_mean():
    per_image = {
        "low": [[5, 0, 0], [5, 5, 0], [0, 5, 0]],  # IoUs 1/2, 1/3, 0
        "high": [[10, 0, 0], [0, 5, 0], [0, 0, 5]],
    }
    scores = Scores("original", per_image, {"low": "a", "high": "b"}, ("background", "cat", "dog"))
    page = shown(replace(RECORD, scores=scores), without="none here")
    # of 15 pixels of cats and dogs 5 are found; of 10 marked ones 5 are right
    assert page.tables[next(one for one in page.tables if one.startswith("Lowest"))][1:] == [
        ["low", "a", f"{100 * (1 / 2 + 1 / 3) / 3:.1f}", "33.3", "50.0"],
        ["high", "b", "100.0", "100.0", "100.0"],
    ]
    assert [line[0] for line in page.tables["Scores by class (%)"][1:]] == ["background", "cat", "dog"]
    assert "no figures for this model and these classes" in page.sections["Beside the paper"]
