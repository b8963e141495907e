"""What averaging over mirror images is worth on the test part: the same weights, each image once and four times.

Takes the finished run of experiments/table5_pspnet_mobilenet_v2.py. Writes results/flips.json.

    python experiments/flips.py --data ../shared/bijie
"""

import argparse
import sys
from pathlib import Path

from keras_landslide.console import bar, load_tensorflow
from keras_landslide.data.dataset import load_split
from keras_landslide.errors import exit_code
from keras_landslide.evaluation import evaluate
from keras_landslide.prediction.predictor import Predictor
from keras_landslide.results.paired import Pair
from keras_landslide.results.reproduce import few, options_parser, parsed, write_result
from keras_landslide.scores import landslide_iou

PAIR = Pair(("alone", "averaged"), ("alone", "averaged"))


def main(arguments=None) -> None:
    parser = options_parser("flips", __doc__, preset_name="table")
    parser.add_argument("--run", default="runs/pspnet_mobilenet_v2", help="the finished run; default: %(default)s")
    options = parsed(parser, arguments)
    sys.exit(exit_code(lambda: run(options)))


def run(options: argparse.Namespace) -> None:
    """Score the run's best weights both ways by the more probable class, compare, write and print."""
    split = load_split(options.data, options.split, seed=options.seed)
    split = few(split) if options.quick else split
    load_tensorflow()
    from keras_landslide.models import load_model
    from keras_landslide.training.runs import read_history

    model = load_model(Path(options.run) / "best.weights.h5")
    scores = {}
    for name, flips in zip(PAIR.names, (False, True), strict=True):
        predictor = Predictor.of(model, average_flips=flips, threshold=0.5)
        told = {"split": split.title, "subset": "test", "track": bar(f"scoring, {name}")}
        scores[name] = evaluate(predictor, split.subset("test"), **told).to_json()
    content = {
        "compared": {"test images": compared(scores)},
        "settings": model.description.settings,
        "history": read_history(options.run),
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
