"""What mixed precision does to the scores: the same training in float32 and in another precision.

The same images, seed and settings, twice; both are scored on the validation part at native size (the test part is not
touched: precision is a choice). Writes results/precision.json and the two runs in runs/precision/. A run that was
stopped goes on. Worth its time only where the processor or GPU multiplies bfloat16 in hardware: elsewhere a step in
mixed_bfloat16 takes several times as long.

    python experiments/precision.py --data ../shared/bijie
    python experiments/precision.py --quick --out runs/quick --results runs/quick
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np

from keras_landslide.data.dataset import load_split
from keras_landslide.errors import exit_code
from keras_landslide.files.atomic import read_json, write_json
from keras_landslide.results.reproduce import few, machine, paired_parser, paired_settings, parsed
from keras_landslide.scores import landslide_iou, paired_difference
from keras_landslide.training.fit import train
from keras_landslide.training.runs import read_history


def main(arguments=None) -> None:
    parser = paired_parser("precision", __doc__)
    parser.add_argument("--precision", default="mixed_bfloat16", help="beside float32; default: %(default)s")
    options = parsed(parser, arguments)
    sys.exit(exit_code(lambda: run(options)))


def run(options) -> None:
    """Train twice, compare on the validation part, write and print."""
    settings = paired_settings(options)
    split = load_split(options.data, options.split, seed=options.seed)
    if options.quick:
        split = few(split)
    groups = {sample.name: sample.group for sample in split.subset("val")}  # a finished run's scores may lack them
    trained = {}
    for precision in ("float32", options.precision):
        folder = Path(options.out) / precision
        finished = train(dataclasses.replace(settings, precision=precision), split, folder, resume=True, report=print)
        history = read_history(folder)
        minutes = round(sum(line["seconds"] for line in history) / 60, 1)
        scores = {**read_json(finished.scores), "groups": groups}
        trained[precision] = {**scores, "minutes": minutes, "history": history}
    line = compared(*trained.values())
    content = {"compared": line, "settings": settings.to_json(), "machine": machine(), **trained}
    print(table(line, list(trained)))
    path = Path(options.results) / "precision.json"
    write_json(path, content)
    print(f"Result: {path}")


def compared(plain: dict, mixed: dict) -> dict:
    """Landslide IoU of both on the same images, their difference and its 95 % interval, fractions; and the time."""
    difference, interval = paired_difference(plain["per_image"], mixed["per_image"], plain["groups"], landslide_iou)
    return {
        "images": len(plain["per_image"]),
        "landslide_iou": [landslide_iou(np.array(one["confusion"])) for one in (plain, mixed)],
        "difference": difference,
        "interval": interval,
        "minutes": [plain["minutes"], mixed["minutes"]],
    }


def table(line: dict, names: list[str]) -> str:
    """The comparison as lines of text, in per cent."""
    rows = [
        f"{name:16}{100 * iou:8.1f}{minutes:10.1f}"
        for name, iou, minutes in zip(names, line["landslide_iou"], line["minutes"], strict=True)
    ]
    low, high = (100 * end for end in line["interval"])
    return "\n".join(
        [
            f"\n{'':16}{'IoU (%)':>8}{'minutes':>10}   landslides of {line['images']} validation images",
            *rows,
            f"Difference {100 * line['difference']:+.1f}, 95 % interval {low:+.1f} to {high:+.1f}\n",
        ]
    )


if __name__ == "__main__":
    main()
