"""What the paper's training is worth as it is written: on samples made from all 510 images, those of the test included.

Its training samples were changed "from the original 510 to 2500", and 510 is the number before the 51 test images are
taken. Here PSPNet (MobileNetV2) is trained on all 510 images, of which an epoch shows 413, as many as without the test
images and those for validation. Beside it stands the row that kept them out, which is trained first
(experiments/table5_pspnet_mobilenet_v2.py). Writes results/as_written.json (cost and scores stand there) and
runs/as_written/.

    python experiments/as_written.py --data ../shared/bijie
    python experiments/as_written.py --quick --out runs/quick --results runs/quick
"""

import argparse
import dataclasses
import sys
from pathlib import Path

from keras_landslide.data.splits import Split
from keras_landslide.errors import LandslideError, exit_code
from keras_landslide.files.atomic import read_json
from keras_landslide.results.paired import Pair
from keras_landslide.results.reproduce import (
    QUICK,
    options_parser,
    other_settings,
    parsed,
    split_of,
    trained_result,
    write_result,
)
from keras_landslide.results.result import result_name
from keras_landslide.scores import landslide_iou
from keras_landslide.settings import Settings, preset

ROW = "pspnet_mobilenet_v2"
PAIR = Pair(("kept_out", "drawn_from_all"), ("kept out", "drawn"))


def main(arguments=None) -> None:
    options = parsed(options_parser("as_written", __doc__, preset_name="table"), arguments)
    sys.exit(exit_code(lambda: run(options)))


def run(options: argparse.Namespace) -> None:
    """Train, compare with the row on the test images, write and print."""
    path = Path(options.results) / f"{result_name(ROW, options.seed)}.json"
    row, split = read_json(path), split_of(options, negatives=True)
    drawn = {"samples_per_epoch": len(split.subset("train")), "seed": options.seed}
    settings = preset(options.preset, **(QUICK if options.quick else {}) | drawn)
    if not options.quick:
        check_comparable(row, path, settings, split)
    content = trained_result(settings, with_all(split), Path(options.out))
    content["compared"] = {"test images": compared(row, content)}
    print("\n".join(PAIR.table(content["compared"], "landslide IoU, test images")))
    write_result(options, "as_written", content)


def check_comparable(row: dict, path: Path, settings: Settings, split: Split) -> None:
    """Raise `LandslideError` where the row was trained otherwise than in its images, or scored on others."""
    differing = other_settings(settings, row["settings"], "samples_per_epoch")
    if row["per_image"].keys() != {sample.name for sample in split.subset("test")}:
        differing.append("test images")
    if differing:
        raise LandslideError(f"{path}: was made with other {', '.join(differing)}; give --results with one that fits.")


def with_all(split: Split) -> Split:
    """The split with all of its images in the training part; the others stay as they are."""
    everything = [sample for part in split.subsets.values() for sample in part]
    return dataclasses.replace(
        split,
        subsets={**split.subsets, "train": everything},
        expected={**split.expected, "train": len(everything)},
    )


def compared(row: dict, content: dict) -> dict:
    """Both trainings by landslide IoU on the same test images (`Pair.line`)."""
    return PAIR.line(row["per_image"], content["per_image"], content["groups"], landslide_iou)


if __name__ == "__main__":
    main()
