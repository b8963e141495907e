"""What averaging over mirror images is worth on the test part: the same weights, each image once and four times.

Takes the finished run of experiments/table5_pspnet_mobilenet_v2.py. Writes results/flips.json.

    python experiments/flips.py --data ../shared/bijie
"""

import argparse
import sys
from pathlib import Path

from keras_landslide.errors import exit_code
from keras_landslide.files.atomic import read_json
from keras_landslide.results.paired import Pair
from keras_landslide.results.reproduce import options_parser, parsed, scored, split_of, write_result
from keras_landslide.results.result import result_name
from keras_landslide.scores import landslide_iou

RUN = "runs/pspnet_mobilenet_v2"
PAIR = Pair(("alone", "averaged"), ("alone", "averaged"))


def main(arguments=None) -> None:
    parser = options_parser("flips", __doc__, preset_name="table")
    parser.add_argument("--run", help=f"the finished run; default: {RUN}, and {RUN}_seedK for a seed other than 0")
    options = parsed(parser, arguments)
    sys.exit(exit_code(lambda: run(options)))


def run(options: argparse.Namespace) -> None:
    """Score the run's best weights both ways by the more probable class, compare, write and print."""
    split = split_of(options)
    folder = Path(options.run or result_name(RUN, options.seed))
    weights = folder / "best.weights.h5"
    scores = {name: scored(weights, split, "test", average_flips=name == "averaged") for name in PAIR.names}
    from keras_landslide.training.runs import read_history  # after TensorFlow, which `scored` loads

    content = {
        "compared": {"test images": compared(scores)},
        "settings": read_json(folder / "settings.json")["settings"],
        "history": read_history(folder),
        **scores,
    }
    print("\n".join(PAIR.table(content["compared"], "landslide IoU, mirror images")))
    write_result(options, "flips", content)


def compared(scores: dict[str, dict]) -> dict:
    """Both ways by landslide IoU (`Pair.line`)."""
    alone, averaged = (scores[name] for name in PAIR.names)
    return PAIR.line(alone["per_image"], averaged["per_image"], alone["groups"], landslide_iou)


if __name__ == "__main__":
    main()
