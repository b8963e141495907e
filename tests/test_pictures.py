"""Colours of known pixels, and curves as shapes."""

import re

import numpy as np

from keras_landslide.pictures import LABEL, MISSED, WRONG, curves_figure, errors_drawn, svg_text


def blocks(*numbers: int) -> np.ndarray:
    """Squares of 20 × 20 pixels side by side, each of one class."""
    return np.kron(np.array([numbers], np.uint8), np.ones((20, 20), np.uint8))


def middles(drawn: np.ndarray) -> list[list[int]]:
    """The colour in the middle of each block."""
    return drawn[10, 10::20].tolist()


def tinted(colour: tuple[int, int, int]) -> list[int]:
    """Half of it and half of a grey of 100."""
    return [(100 + one) // 2 for one in colour]


def test_errors_have_colours_and_what_is_right_or_ignored_has_none():
    drawn = errors_drawn(np.full((20, 120, 3), 100, np.uint8), blocks(0, 0, 1, 1, 255, 255), blocks(0, 1, 0, 1, 0, 1))
    plain = [100, 100, 100]
    assert middles(drawn) == [plain, tinted(WRONG), tinted(MISSED), plain, plain, plain]
    assert drawn[10, 40].tolist() == drawn[10, 79].tolist() == list(LABEL)
    assert drawn[10, 20].tolist() == list(WRONG) and drawn[10, 119].tolist() == plain


def test_another_class_is_marked_wrongly():
    drawn = errors_drawn(np.full((20, 60, 3), 100, np.uint8), blocks(1, 2, 2), blocks(2, 2, 0))
    assert middles(drawn) == [tinted(WRONG), [100, 100, 100], tinted(MISSED)]


def test_the_image_itself_is_not_drawn_on():
    image = np.full((20, 20, 3), 100, np.uint8)
    errors_drawn(image, blocks(0), blocks(1))
    assert (image == 100).all()


def test_curves_as_svg_hold_their_letters_as_shapes_and_come_out_the_same():
    keys = ("loss", "miou", "val_loss", "val_miou")
    history = [{"epoch": number, "phase": "frozen"} | dict.fromkeys(keys, 1 / number) for number in (1, 2, 3)]
    text = svg_text(curves_figure(history))
    assert text.startswith("<?xml") and text.rstrip().endswith("</svg>")
    assert "<text" not in text and "<dc:date>" not in text
    assert len(re.findall(r"stroke: #d62728", text)) >= 2  # the validation's lines
    assert text == svg_text(curves_figure(history))
