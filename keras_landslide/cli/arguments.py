"""Arguments that several commands take, and how their values are read."""

import argparse
from collections.abc import Mapping

from ..settings import LABELS, MAX_SEED, SPLITS, SUBSETS


def listed(text: str, choices: Mapping[str, str], default: str | None) -> str:
    """The help of an option with `choices`: each with its meaning, and which one it is without the option."""
    meanings = "; ".join(f"{name} ({meaning})" for name, meaning in choices.items())
    return f"{text}: {meanings}{f'; default: {default}' if default else ''}".replace("%", "%%")  # argparse fills in


def number_or_none(text: str) -> float | None:
    return None if text == "none" else float(text)


def count_or_word(text: str) -> int | str:
    return int(text) if text.lstrip("-").isdigit() else text  # Settings says which word is allowed


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not possible; give 1 or more")
    return int(text)


def probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not possible; give a number between 0 and 1")
    return value


def seed(text: str) -> int:
    if not text.isdecimal() or int(text) > MAX_SEED:
        raise argparse.ArgumentTypeError(f"{text} is not possible; give a number from 0 to {MAX_SEED}")
    return int(text)


def length(text: str) -> float:
    """Metres, above 0."""
    try:
        metres = float(text)
    except ValueError:
        metres = 0.0
    if not 0 < metres < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is no length; give metres above 0")
    return metres


def add_split(parser, default: str | None) -> None:
    """`--split`, `--labels` and `--fold`; without a `default`, split and fold are those of training."""
    parser.add_argument(
        "--split",
        default=default,
        metavar="NAME",
        help=listed("how the images are divided", SPLITS, default or "that of training"),
    )
    both = {} if default else {"both": "each, and both are reported"}
    parser.add_argument(
        "--labels",
        default="original",
        metavar="NAME",
        help=listed("what the masks hold", LABELS | both, "original"),
    )
    parser.add_argument(
        "--fold",
        metavar="I/K",
        help="deal the split's images into K parts by shared ground: part I tests, the next validates, the rest train"
        + ("" if default else "; default: that of training, unless --split is given"),
    )


def add_subset(parser, default: str) -> None:
    parser.add_argument(
        "--subset", default=default, metavar="NAME", help=listed("which images of the split", SUBSETS, default)
    )


def add_weights(parser, default: str | None = None) -> None:
    text = "a .weights.h5 that train wrote, or the name of a shipped one" + (
        "; default: %(default)s" if default else ""
    )
    parser.add_argument("--weights", required=default is None, default=default, metavar="FILE", help=text)
    parser.add_argument(
        "--image-size", type=int, metavar="N", help="side of the model's input; default: what the weights say"
    )


def add_decision(parser) -> None:
    parser.add_argument(
        "--average-flips", action="store_true", help="average over mirror images; takes four times as long"
    )
    parser.add_argument(
        "--threshold",
        type=probability,
        metavar="P",
        help="probability above which a pixel is landslide; 0.5 is the more probable class; default: what the weights "
        "say, chosen on validation when they were trained",
    )
