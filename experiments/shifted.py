"""Is a landslide still found where it is not in the middle of its image? Weights that ship, on validation images.

Bijie's images are cut around their landslide. Of each validation image of `bijie770` whose landslide has room on all
sides, what lies above and before it is cut away, so that it stands in the upper left corner, and then what lies below
and behind it. A landslide is found where its IoU is above 0.5. Writes results/shifted.json; two minutes on two cores.

    python experiments/shifted.py --data ../shared/bijie
    python experiments/shifted.py --quick --out runs/quick --results runs/quick
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np

from keras_landslide.console import bar, load_tensorflow
from keras_landslide.data.sample import Sample
from keras_landslide.errors import exit_code
from keras_landslide.prediction.predictor import Predictor
from keras_landslide.results.maps import FOUND, iou_of_touching
from keras_landslide.results.reproduce import options_parser, parsed, split_of, write_result
from keras_landslide.settings import SCENE_WEIGHTS, SHIPPED_WEIGHTS

ROOM = 20  # pixels on every side of a landslide
PLACES = ("in the middle", "upper left", "lower right")


def main(arguments=None) -> None:
    parser = options_parser("shifted", __doc__, split="bijie770")
    text = "files, or names of shipped ones; default: %(default)s"
    parser.add_argument("--weights", nargs="+", default=[SHIPPED_WEIGHTS, SCENE_WEIGHTS], help=text)
    options = parsed(parser, arguments)
    sys.exit(exit_code(lambda: run(options)))


def run(options: argparse.Namespace) -> None:
    """Predict each image whole and cut, count, write and print."""
    split = split_of(options)
    load_tensorflow()
    from keras_landslide.models.loading import load_model

    content = {}
    for weights in options.weights:
        ious = shifted(Predictor.of(load_model(weights)), split.subset("val"))
        found = {place: sum(one[place] > FOUND for one in ious.values()) for place in PLACES}
        content[weights] = {"images": len(ious), "found": found, "landslide_iou": ious}
        print(f"{weights}: of {len(ious)} landslides found: {found}")
    write_result(options, "shifted", content)


def shifted(predictor: Predictor, samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """The IoU of each landslide with room around it, by its place in what is shown."""
    ious = {}
    for sample in bar("cutting and predicting")(samples):
        image, classes = sample.read()
        truth = classes == 1
        cuts = cut_places(truth)
        if cuts is not None:
            ious[sample.name] = {
                place: iou_of_touching(truth[cut], predictor.classes(np.ascontiguousarray(image[cut])) == 1)
                for place, cut in zip(PLACES, cuts, strict=True)
            }
    return ious


def cut_places(truth: np.ndarray) -> tuple[tuple[slice, slice], ...] | None:
    """All of an image, and what is left where its landslide is to stand in a corner; `None` where it has no room."""
    rows, columns = (np.flatnonzero(truth.any(axis=axis)) for axis in (1, 0))
    (top, bottom), (left, right) = ((side[0], side[-1] + 1) for side in (rows, columns))
    height, width = truth.shape
    if min(top, left, height - bottom, width - right) < ROOM:
        return None
    whole = slice(None), slice(None)
    return whole, (slice(top, None), slice(left, None)), (slice(None, bottom), slice(None, right))


if __name__ == "__main__":
    main()
