"""What training on ordinary terrain does: false alarms and landslide IoU, without and with images without landslide.

The same landslide images, seed and settings, twice; the second training adds images of `non-landslide/image` (of the
training part, all background) to every epoch. Both are scored on the test part, landslides and ordinary terrain apart.
Writes results/negatives.json and the two runs in runs/negatives/. A run that was stopped goes on, a finished one is not
trained again.
Two to three hours on two cores with the `cpu` preset; a quarter of an hour in a short form.

    python experiments/negatives.py --data ../shared/bijie --negatives 100
    python experiments/negatives.py --data ../shared/bijie --epochs 10 --image-size 192
    python experiments/negatives.py --quick --out runs/quick --results runs/quick
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np

from keras_landslide.errors import exit_code
from keras_landslide.evaluation import FalseAlarms
from keras_landslide.results.paired import Pair
from keras_landslide.results.reproduce import (
    paired_parser,
    paired_settings,
    parsed,
    split_of,
    trained_result,
    write_result,
)
from keras_landslide.scores import FALSE_ALARM, landslide_iou
from keras_landslide.settings import ALL

PAIR = Pair(("without_negatives", "with_negatives"), ("without", "with"))


def main(arguments=None) -> None:
    parser = paired_parser("negatives", __doc__)
    parser.add_argument("--negatives", default=ALL, help="images without landslide, a number or all; default: all")
    options = parsed(parser, arguments)
    sys.exit(exit_code(lambda: run(options)))


def run(options) -> None:
    """Train twice, score each, write and print."""
    wanted = int(options.negatives) if options.negatives.isdecimal() else options.negatives
    settings = dataclasses.replace(paired_settings(options), negatives=wanted)
    split = split_of(options, negatives=True)
    split.negative_subset("test")  # none is an error before anything is trained
    trained, alarms = {}, {}
    for name, used in zip(PAIR.names, (dataclasses.replace(settings, negatives=0), settings), strict=True):
        trained[name] = trained_result(used, split, Path(options.out) / name)
        block = trained[name]["negatives"]
        alarms[name] = FalseAlarms(block["per_image"], block["groups"])
    content = {"split": split.title, "negatives": wanted, "compared": compared(trained, alarms), **trained}
    print("\n".join(PAIR.table(content["compared"], "without and with negatives")))
    write_result(options, "negatives", content)


def compared(trained: dict[str, dict], alarms: dict[str, FalseAlarms]) -> dict[str, dict]:
    """Both trainings by each score (`Pair.line`)."""
    images = [trained[name]["per_image"] for name in PAIR.names]
    marked = [{image: np.array(counts) for image, counts in alarms[name].per_image.items()} for name in PAIR.names]
    alarmed = [{image: np.array([m / n > FALSE_ALARM, 1]) for image, (m, n) in counts.items()} for counts in marked]
    groups, negative_groups = trained[PAIR.names[0]]["groups"], alarms[PAIR.names[0]].groups

    def share(counts) -> float:
        return float(counts[0] / counts[1])

    return {
        "landslide IoU": PAIR.line(*images, groups, landslide_iou),
        "images with a false alarm": PAIR.line(*alarmed, negative_groups, share),
        "area falsely marked": PAIR.line(*marked, negative_groups, share),
    }


if __name__ == "__main__":
    main()
