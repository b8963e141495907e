"""Figure 5: image, label, and what each of a set of weights files marks.

    python experiments/figure5.py --names df003 --weights runs/*/best.weights.h5 --out figure5.png

Without --names it draws the first images of the test part. Research use: the Bijie images may not be passed on in bulk.
"""

import argparse
import sys
from pathlib import Path

import keras_landslide
from keras_landslide.console import load_tensorflow
from keras_landslide.data.layouts import find_samples
from keras_landslide.data.sample import Sample
from keras_landslide.data.splits import split_samples
from keras_landslide.errors import LandslideError, exit_code
from keras_landslide.files.checks import check_file
from keras_landslide.paper import ROWS
from keras_landslide.pictures import comparison_figure
from keras_landslide.prediction.predictor import Predictor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/bijie", help="default: %(default)s")
    parser.add_argument("--split", default="paper510", help="default: %(default)s")
    parser.add_argument("--weights", nargs="+", required=True, help="one column each")
    parser.add_argument("--names", nargs="+", help="image names, one line each")
    parser.add_argument("--count", type=int, default=5, help="lines without --names; default: %(default)s")
    parser.add_argument("--out", default="figure5.png", help="default: %(default)s")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier figure there")
    options = parser.parse_args()
    sys.exit(exit_code(lambda: draw(options)))


def draw(options: argparse.Namespace) -> None:
    """Predict every chosen image with every file and write the figure."""
    if options.count < 1:
        raise LandslideError(f"--count {options.count} is not possible; give 1 or more.")
    if Path(options.out).suffix not in (".png", ".pdf"):
        raise LandslideError(f"{options.out}: is no picture; give a name that ends in .png or .pdf.")
    check_file(options.out, overwrite=options.overwrite)
    samples = _chosen(options)
    images = [sample.read() for sample in samples]
    rows = [[image, truth == 1] for image, truth in images]
    load_tensorflow()
    columns = []
    for path in options.weights:
        model = keras_landslide.load_model(path)
        columns.append(ROWS[model.name].title if model.name in ROWS else model.name)
        predictor = Predictor.of(model)
        for row, (image, _) in zip(rows, images, strict=True):
            row.append(predictor.classes(image) == 1)
    named = [(sample.name, row) for sample, row in zip(samples, rows, strict=True)]
    comparison_figure(named, ["image", "label", *columns], options.out)
    print(f"Figure: {options.out}")


def _chosen(options: argparse.Namespace) -> list[Sample]:
    samples = split_samples(find_samples(options.data), options.split).subset("test")
    if not options.names:
        return samples[: options.count]
    by_name = {sample.name: sample for sample in samples}
    missing = [name for name in options.names if name not in by_name]
    if missing:
        raise LandslideError(
            f"{', '.join(missing)}: not in the test part of split {options.split} in {Path(options.data)}."
        )
    return [by_name[name] for name in options.names]


if __name__ == "__main__":
    main()
