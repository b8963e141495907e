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

from keras_landslide.console import progress
from keras_landslide.data.dataset import load_split
from keras_landslide.errors import exit_code
from keras_landslide.evaluation import FALSE_ALARM, FalseAlarms, false_alarms
from keras_landslide.files.atomic import write_json
from keras_landslide.models import load_model
from keras_landslide.results.reproduce import few, paired_parser, paired_settings, parsed, trained_result
from keras_landslide.scores import landslide_iou, paired_difference
from keras_landslide.settings import ALL

TRAININGS = ("without_negatives", "with_negatives")


def main(arguments=None) -> None:
    parser = paired_parser("negatives", __doc__, epochs=None, image_size=None)
    parser.add_argument("--negatives", default=ALL, help="images without landslide, a number or all; default: all")
    options = parsed(parser, arguments)
    sys.exit(exit_code(lambda: run(options)))


def run(options) -> None:
    """Train twice, score each, write and print."""
    wanted = int(options.negatives) if options.negatives.isdecimal() else options.negatives
    settings = dataclasses.replace(paired_settings(options), negatives=wanted)
    split = load_split(options.data, options.split, seed=options.seed, negatives=True)
    if options.quick:
        split = few(split)
    terrain = split.negative_subset("test")
    trained, alarms = {}, {}
    for name, used in zip(TRAININGS, (dataclasses.replace(settings, negatives=0), settings), strict=True):
        folder = Path(options.out) / name
        trained[name] = trained_result(used, split, folder)
        with progress(len(terrain), "looking for false alarms") as bar:
            model, size = load_model(folder / "best.weights.h5"), used.prediction_size
            alarms[name] = false_alarms(model, terrain, image_size=size, on_done=bar.update)
        found = alarms[name]
        trained[name]["negatives"] = {**found.to_json(), "groups": found.groups, "per_image": found.per_image}
    content = {"split": split.title, "negatives": wanted, "compared": compared(trained, alarms), **trained}
    print("\n".join(table(content["compared"])))
    path = Path(options.results) / "negatives.json"
    write_json(path, content)
    print(f"Result: {path}")


def compared(trained: dict[str, dict], alarms: dict[str, FalseAlarms]) -> dict[str, dict]:
    """Each score of both trainings, their difference on the same images and its 95 % interval; fractions."""
    images = [trained[name]["per_image"] for name in TRAININGS]
    marked = [{image: np.array(counts) for image, counts in alarms[name].per_image.items()} for name in TRAININGS]
    alarmed = [{image: np.array([m / n > FALSE_ALARM, 1]) for image, (m, n) in counts.items()} for counts in marked]

    groups, negative_groups = trained[TRAININGS[0]]["groups"], alarms[TRAININGS[0]].groups

    def line(matrices, groups, score) -> dict:
        values = [score(np.sum(list(one.values()), axis=0)) for one in matrices]
        difference, interval = paired_difference(*matrices, groups, score)
        return {
            "images": len(matrices[0]),
            **dict(zip(TRAININGS, values, strict=True)),
            "difference": difference,
            "interval": interval,
        }

    def share(counts) -> float:
        return float(counts[0] / counts[1])

    return {
        "landslide IoU": line(images, groups, landslide_iou),
        "images with a false alarm": line(alarmed, negative_groups, share),
        "area falsely marked": line(marked, negative_groups, share),
    }


def table(lines: dict[str, dict]) -> list[str]:
    """The comparison as lines of text, in per cent."""
    text = ["", f"{'(%)':28}{'images':>8}{'without':>9}{'with':>8}{'difference':>12}   95 % interval"]
    for name, line in lines.items():
        low, high = (100 * end for end in line["interval"])
        without, with_negatives = (100 * line[training] for training in TRAININGS)
        text.append(
            f"{name:28}{line['images']:8d}{without:9.1f}{with_negatives:8.1f}{100 * line['difference']:+12.1f}   "
            f"{low:+.1f} to {high:+.1f}"
        )
    return [*text, ""]


if __name__ == "__main__":
    main()
