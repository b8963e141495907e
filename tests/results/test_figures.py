"""What stands in the figures: pictures, lines and boxes, from results and maps made by hand."""

import cv2
import numpy as np
import pytest

from keras_landslide.cli import main
from keras_landslide.data.layouts import find_samples
from keras_landslide.files.images import write_image
from keras_landslide.paper import FIGURE_5, FIGURE_6, TABLE_5
from keras_landslide.pictures import ERRORS, LABEL, MISSED, WRONG, errors_drawn
from keras_landslide.results.figures import (
    COLOURS,
    PRINT,
    drawings,
    false_boxes,
    figure_4,
    figure_5,
    figure_6,
    learning_curves,
    precision_recall_curves,
    reliability_diagram,
    worst_images,
)
from keras_landslide.results.maps import named_samples
from keras_landslide.results.result import firsts, read_results, write_probability

NAMES = [*FIGURE_5, *FIGURE_6]
ROW, OTHER = "pspnet_mobilenet_v2", "pspnet_resnet50"


def mask_of(name: str) -> np.ndarray:
    """A square of landslide, somewhere else in each image, in 40 × 60 pixels."""
    mask = np.zeros((40, 60), np.uint8)
    place = 3 * NAMES.index(name)
    mask[10:30, 5 + place : 25 + place] = 255
    return mask


def found_in(name: str) -> np.ndarray:
    """What is marked: the landslide without its first rows, and a piece of 4 × 6 pixels elsewhere."""
    found = mask_of(name) > 0
    found[10:13] = False
    found[33:37, 2:8] = True
    return found


@pytest.fixture
def results(tmp_path, stored):
    """A row with maps and a threshold, and one without maps; the images that `paper` names, with their masks."""
    data, counts = tmp_path / "data", {}
    for name in NAMES:
        mask, found = mask_of(name) > 0, found_in(name)
        counts[name] = [[int((~mask & ~found).sum()), 24], [60, 340]]
        write_image(data / "image" / f"{name}.png", np.full((40, 60, 3), 90, np.uint8))
        write_image(data / "mask" / f"{name}.png", mask_of(name))
        write_probability(tmp_path / "results" / "probabilities" / ROW / f"{name}.png", np.where(found, 0.8, 0.3))
    groups = {name: name for name in NAMES}
    nothing = {name: [[tn + fp, 0], [fn + tp, 0]] for name, ((tn, fp), (fn, tp)) in counts.items()}
    at_threshold = {"labels": "original", "groups": groups, "per_image": nothing, "threshold": 0.9}
    stored(OTHER, counts)
    folder = stored(ROW, counts, at_threshold=at_threshold)
    return firsts(read_results(folder)), named_samples(data, NAMES), data


def pictures(axes) -> list[np.ndarray]:
    return [np.asarray(axis.images[0].get_array()) for axis in axes]


def test_figure_5_shows_image_label_and_what_each_row_marks(results):
    rows, samples, _ = results
    kinds = {sample: FIGURE_5[sample.name] for sample in samples if sample.name in FIGURE_5}
    figure = figure_5({ROW: rows[ROW]}, kinds)
    lines = np.array(figure.axes).reshape(len(FIGURE_5), 8)
    assert [axis.get_title().replace("\n", " ") for axis in lines[0]] == ["image", "label", *(r.title for r in TABLE_5)]
    for sample, line in zip(kinds, lines, strict=True):
        assert line[0].get_ylabel().replace("\n", " ") == f"{kinds[sample]} {sample.name}"
        image, label, *of_rows = pictures(line)
        np.testing.assert_array_equal(image, np.full((40, 60, 3), 90))
        np.testing.assert_array_equal(label, mask_of(sample.name) > 0)
        for row, axis, picture in zip(TABLE_5, line[2:], of_rows, strict=True):
            if row.name == ROW:
                np.testing.assert_array_equal(picture, found_in(sample.name))
            else:
                assert [text.get_text() for text in axis.texts] == ["not run"] and np.ptp(picture) == 0


def test_boxes_go_around_what_is_falsely_marked():
    """Pieces of 4 × 6 and of 2 pixels that touch at corners; one below 0.05 % of 100 × 100 pixels has no box."""
    truth, found = np.zeros((2, 100, 100), bool)
    truth[40:60, 40:60] = found[40:60, 40:60] = True
    found[10:14, 20:26] = True
    found[80:85, 70] = found[85:90, 71] = True
    found[2, 2:6] = True  # 4 of the 5 pixels that it takes
    assert sorted(false_boxes(truth, found)) == [(20, 10, 6, 4), (70, 80, 2, 10)]
    found[40:60, 60] = True  # beside the landslide: only what lies outside of it
    assert (60, 40, 1, 20) in false_boxes(truth, found)


def test_figure_6_boxes_the_false_positives_in_blue(results):
    rows, samples, _ = results
    shown = [sample for sample in samples if sample.name in FIGURE_6]
    lines = np.array(figure_6({ROW: rows[ROW]}, shown).axes).reshape(2, 3)
    for label, of_row, not_run in lines:
        assert not label.patches and [text.get_text() for text in not_run.texts] == ["not run"]
        (box,) = of_row.patches
        left, top, right, bottom = *box.get_xy(), *np.add(box.get_xy(), (box.get_width(), box.get_height()))
        assert left < 2 and top < 33 and right > 8 and bottom > 37 and box.get_width() < 15
        red, green, blue, _ = box.get_edgecolor()
        assert blue > green > red


def test_errors_are_told_apart_with_any_colour_vision():
    """Orange and blue differ most in the axis that the common deficiencies keep, and both from the white of labels."""
    wrong, missed, label = (
        cv2.cvtColor(np.array([[colour]], np.uint8), cv2.COLOR_RGB2LAB)[0, 0].astype(int)
        for colour in (WRONG, MISSED, LABEL)
    )
    assert wrong[2] - missed[2] > 80 and label[0] > max(wrong[0], missed[0]) + 80


def test_the_worst_images_are_drawn_with_their_confusion(results):
    rows, samples, _ = results
    figure = worst_images(rows[ROW], {sample.name: sample for sample in samples})
    lines = np.array(figure.axes).reshape(4, 5)
    names = sorted(NAMES)  # all have the same IoU
    titles = [axis.get_title() for line in lines[::2] for axis in line if axis.get_title()]
    assert titles == [f"{name}, IoU 80" for name in names]  # 340 / (340 + 24 + 60)
    below = [axis for line in lines[1::2] for axis in line if axis.images]
    for name, picture in zip(names, pictures(below), strict=True):
        grey = np.full((40, 60, 3), 90, np.uint8)
        truth, found = (mask_of(name) > 0).astype(np.uint8), found_in(name).astype(np.uint8)
        np.testing.assert_array_equal(picture, errors_drawn(grey, truth, found))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(ERRORS)


def test_learning_curves_are_those_of_validation(results):
    """The history of the fixture: validation mIoU 0.5, 0.7, 0.6, loss 1 less that."""
    rows, _, _ = results
    miou, loss = learning_curves(rows).axes
    lines = [line for line in miou.lines if len(line.get_xdata()) > 1]
    assert [list(line.get_ydata()) for line in lines] == 2 * [[0.5, 0.7, 0.6]]
    assert [line.get_label() for line in lines] == ["PSPNet (MobileNet)", "PSPNet (ResNet50)"]
    assert [tuple(*line.get_xydata()) for line in miou.lines if len(line.get_xdata()) == 1] == 2 * [(2, 0.7)]
    assert [tuple(*line.get_xydata()) for line in loss.lines if len(line.get_xdata()) == 1] == 2 * [
        (2, pytest.approx(0.3))
    ]


def test_precision_recall_marks_both_decisions(results):
    """Two probabilities: 340 of 364 pixels a image marked right, or everything; nothing is above 0.9."""
    rows, samples, _ = results
    (axis,) = precision_recall_curves({ROW: rows[ROW]}, samples).axes
    curve, faithful, threshold = axis.lines[:3]
    np.testing.assert_allclose(curve.get_xydata(), [(340 / 400, 340 / 364), (1, 400 / 2400)])
    np.testing.assert_allclose(faithful.get_xydata(), [(340 / 400, 340 / 364)])
    assert threshold.get_xdata()[0] == 0 and np.isnan(threshold.get_ydata()[0])
    assert (faithful.get_marker(), threshold.get_marker()) == ("o", "D")
    average = 0.85 * 340 / 364 + 0.15 * 400 / 2400
    assert curve.get_label() == f"PSPNet (MobileNet), average precision {100 * average:.1f} %"


def test_the_gallery_is_evenly_of_all_samples_with_their_labels_outlined(tmp_path):
    for number in range(30):
        mask = np.zeros((40, 60), np.uint8)
        mask[10:30, number + 4 : number + 26] = 255
        write_image(tmp_path / "image" / f"s{number:02d}.png", np.full((40, 60, 3), 90, np.uint8))
        write_image(tmp_path / "mask" / f"s{number:02d}.png", mask)
    samples = find_samples(tmp_path)
    axes = [axis for axis in figure_4(samples).axes if axis.images]
    places = np.linspace(0, 29, 24).round().astype(int)
    assert [axis.get_title() for axis in axes] == [f"s{place:02d}" for place in places]
    for axis, place in zip(axes, places, strict=True):
        label = samples[place].read()[1].astype(np.uint8)
        drawn = (np.asarray(axis.images[0].get_array()) != 90).any(axis=-1)
        grown, shrunk = cv2.dilate(label, np.ones((7, 7))), cv2.erode(label, np.ones((7, 7)))
        assert drawn.any() and not drawn[(grown == 0) | (shrunk == 1)].any()  # along the edge, and nowhere else
        edge = (label == 1) & (cv2.erode(label, np.ones((3, 3))) == 0)
        assert drawn[edge].mean() > 0.9


def test_reliability_has_a_point_a_bin(results):
    rows, samples, _ = results
    shares, pixels = reliability_diagram({ROW: rows[ROW]}, samples).axes
    points = [point for point in shares.lines[1].get_xydata() if not np.isnan(point).any()]
    level = round(0.3 * 255) / 255
    np.testing.assert_allclose(points, [(level, 60 / 2036), (0.8, 340 / 364)])
    np.testing.assert_allclose([share for share in pixels.lines[0].get_ydata() if share], [2036 / 2400, 364 / 2400])


def test_every_row_has_a_colour_of_its_own():
    assert len(set(COLOURS.values())) == len(COLOURS)


def test_only_what_can_be_drawn_is(results, tmp_path):
    rows, samples, _ = results
    curves = {"precision_recall", "reliability"}
    assert set(drawings(rows, samples)) == {"figure4", "figure5", "figure6", "learning_curves", f"worst_{ROW}", *curves}
    assert set(drawings({OTHER: rows[OTHER]}, samples[:2])) == {"figure4", "learning_curves"}


def test_the_command_writes_every_figure_for_print(results, tmp_path, capsys, fails):
    _, _, data = results
    command = [
        "figures",
        "--results",
        str(tmp_path / "results"),
        "--data",
        str(data),
        "--out",
        str(tmp_path / "figures"),
    ]
    assert main(command) == 0
    assert f"7 figures of 2 rows, each as PNG and PDF: {tmp_path / 'figures'}" in capsys.readouterr().out
    stems = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert len(stems) == 7 and len(list((tmp_path / "figures").iterdir())) == 14
    for stem in stems:
        assert (tmp_path / "figures" / f"{stem}.pdf").read_bytes().startswith(b"%PDF")
        width = cv2.imread(str(tmp_path / "figures" / f"{stem}.png")).shape[1]
        assert width <= 17 / 2.54 * 300 + 1, stem  # pixels of 17 cm at 300 an inch
    assert "add --overwrite" in fails(*command)
    assert min(size for name, size in PRINT.items() if "size" in name) >= 7


def test_images_that_are_not_there_are_named(results, tmp_path, fails):
    _, _, data = results
    for part in ("image", "mask"):
        (data / part / f"{NAMES[0]}.png").unlink()
    assert f"lacks 1 of the 6 images that were scored, {NAMES[0]} first" in fails(
        "figures", "--results", tmp_path / "results", "--data", data, "--out", tmp_path / "figures"
    )
    assert not (tmp_path / "figures").exists()
