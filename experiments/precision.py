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

from keras_landslide.errors import LandslideError, exit_code
from keras_landslide.files.atomic import read_json
from keras_landslide.results.paired import Pair
from keras_landslide.results.reproduce import paired_parser, paired_settings, parsed, split_of, trained, write_result
from keras_landslide.scores import landslide_iou


def main(arguments=None) -> None:
    parser = paired_parser("precision", __doc__, epochs=10, image_size=192)
    parser.add_argument("--precision", default="mixed_bfloat16", help="beside float32; default: %(default)s")
    options = parsed(parser, arguments)
    sys.exit(exit_code(lambda: run(options)))


def run(options) -> None:
    """Train twice, compare on the validation part, write and print."""
    if options.precision == "float32":
        raise LandslideError("--precision float32 is what is compared with; give mixed_bfloat16 or mixed_float16.")
    settings = paired_settings(options)
    split = split_of(options)
    groups = {sample.name: sample.group for sample in split.subset("val")}  # a finished run's scores may lack them
    both = {}
    for precision in ("float32", options.precision):
        folder = Path(options.out) / precision
        run = trained(dataclasses.replace(settings, precision=precision), split, folder)
        minutes = round(sum(line["seconds"] for line in run.history) / 60, 1)
        scores = {**read_json(run.scores), "groups": groups}
        both[precision] = {**scores, "minutes": minutes, "history": run.history}
    from keras_landslide.training.circumstances import machine  # TensorFlow is there now

    pair = Pair(tuple(both), tuple(both))
    lines = compared(pair, both)
    content = {"compared": lines, "settings": settings.to_json(), "machine": machine(), **both}
    print("\n".join(pair.table(lines, "validation images")))
    print("Minutes: " + ", ".join(f"{one['minutes']} in {name}" for name, one in both.items()))
    write_result(options, "precision", content)


def compared(pair: Pair, both: dict[str, dict]) -> dict[str, dict]:
    """Both trainings by landslide IoU (`Pair.line`)."""
    plain, mixed = (both[name] for name in pair.names)
    return {"landslide IoU": pair.line(plain["per_image"], mixed["per_image"], plain["groups"], landslide_iou)}


if __name__ == "__main__":
    main()
