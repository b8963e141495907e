"""Images a second, forward and in a training step of both phases, for the six rows of Table 3.

    python benchmarks/train_step.py
    python benchmarks/train_step.py --rows pspnet_mobilenet_v2 --rounds 3 --json step.json

Prints for each row parameters, multiply-adds of an image, images a second of a forward pass, of a training step with
the backbone frozen and of one without, and the time of the frozen step by that of the other. Each measurement is a
process of its own; a round takes all of them in turn, and each counts with the median of its steps in its best round.
With a yardstick (a script that prints "forward 0.1 s, training step 0.5 s an image" and takes --size, --batch,
--precision and --steps) PSPNet (MobileNetV2) is timed beside it in every round, and the ratio printed; its step also
without each of the two things that make it faster, and without both. The yardstick is always in float32.
"""

import argparse
import os
import re
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from one_measurement import WORK, output_of, seconds

from keras_landslide.console import progress
from keras_landslide.files.atomic import json_text, write_text
from keras_landslide.models.costs import model_cost
from keras_landslide.paper import INPUT_SIZE, TABLE_5, row

YARDSTICK = Path(__file__).parents[2] / "shared" / "yardstick.py"
YARDSTICK_ROW = "pspnet_mobilenet_v2"
LEFT_OUT = {
    "freed memory not kept": {"allocator": "default"},
    "batch normalisation of Keras": {"batch_normalization": "keras"},
    "both": {"allocator": "default", "batch_normalization": "keras"},
}
Times = dict[str, dict[str, float]]  # seconds an image by row, "yardstick" or what is left out, and by work


def one_round(options: argparse.Namespace, bar) -> Times:
    """Every measurement once."""
    chosen = {key: getattr(options, key) for key in ("image_size", "batch", "steps", "precision")}
    times: Times = {}
    for name, work, how in plan(options):
        bar.set_description(f"{name}, {work}")
        if name == "yardstick":
            times[name] = yardstick_seconds(options)
        else:
            times.setdefault(name, {})[work] = seconds(**chosen, work=work, **how)
        bar.update()
    return times


def plan(options: argparse.Namespace) -> list[tuple[str, str, dict[str, str]]]:
    """The measurements of a round: whose, of which work, how; the yardstick beside its row."""
    measurements = []
    for name in options.rows:
        measurements += [(name, work, {"row": name}) for work in WORK]
        if name == YARDSTICK_ROW and options.yardstick:
            measurements.append(("yardstick", "all", {}))
            measurements += [(left_out, "unfrozen", {"row": name, **how}) for left_out, how in LEFT_OUT.items()]
    return measurements


def yardstick_seconds(options: argparse.Namespace) -> dict[str, float]:
    sizes = ["--size", str(options.image_size), "--batch", str(options.batch), "--steps", str(options.steps)]
    printed = output_of([sys.executable, str(options.yardstick), *sizes])
    found = re.search(r"forward ([\d.]+) s, training step ([\d.]+) s an image", printed)
    if not found:
        sys.exit(f"{options.yardstick}: does not print times as a yardstick does: {printed}")
    return {"forward": float(found[1]), "unfrozen": float(found[2])}


def best_of(rounds: list[Times]) -> Times:
    return {name: {work: min(times[name][work] for times in rounds) for work in rounds[0][name]} for name in rounds[0]}


def measured(options: argparse.Namespace) -> dict:
    """What `--json` writes: settings, cost and best times of each row, ratios to the yardstick, and every round."""
    with progress(options.rounds * len(plan(options)), "", unit="measurement") as bar:
        rounds = [one_round(options, bar) for _ in range(options.rounds)]
    best = best_of(rounds)
    rows = {}
    for name in options.rows:
        cost = model_cost(row(name).architecture, row(name).backbone, options.image_size)
        frozen = best[name]["frozen"] / best[name]["unfrozen"]
        rows[name] = {
            "parameters": cost.parameters,
            "multiply_adds": cost.multiply_adds,
            "seconds_an_image": best[name],
            "frozen_by_unfrozen": frozen,
        }
    settings = {key: getattr(options, key) for key in ("image_size", "batch", "steps", "rounds", "precision")}
    result = {**settings, "cores": os.cpu_count(), "rows": rows}
    if "yardstick" in best:
        yardstick = best["yardstick"]
        result["yardstick"] = {
            "seconds_an_image": yardstick,
            "ratio": {work: best[YARDSTICK_ROW][work] / yardstick[work] for work in yardstick},
            "ratio_without": {name: best[name]["unfrozen"] / yardstick["unfrozen"] for name in LEFT_OUT},
        }
    return {**result, "every_round": rounds}


def report(result: dict) -> None:
    print(
        "{image_size} × {image_size} pixels, batch {batch}, {precision}, {cores} cores; images a second:".format(
            **result
        )
    )
    print(f"{'row':28}{'parameters':>11}{'mult.-adds':>11}{'forward':>9}{'frozen':>8}{'unfrozen':>9}{'time ratio':>11}")
    for name, line in result["rows"].items():
        speeds = [1 / line["seconds_an_image"][work] for work in WORK]
        print(
            f"{name:28}{line['parameters'] / 1e6:9.1f} M{line['multiply_adds'] / 1e9:8.1f} bn"
            f"{speeds[0]:9.2f}{speeds[1]:8.2f}{speeds[2]:9.2f}{line['frozen_by_unfrozen']:11.2f}"
        )
    if "yardstick" in result:
        times, ratio = (result["yardstick"][key] for key in ("seconds_an_image", "ratio"))
        print(
            f"yardstick: forward {times['forward']:.3f} s, training step {times['unfrozen']:.3f} s an image; "
            f"{YARDSTICK_ROW} takes {ratio['forward']:.2f} and {ratio['unfrozen']:.2f} of its time"
        )
        for name, without in result["yardstick"]["ratio_without"].items():
            print(f"  {name}: {without:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [one.name for one in TABLE_5]
    parser.add_argument("--rows", nargs="+", default=names, choices=names, metavar="ROW")
    parser.add_argument("--image-size", type=int, default=INPUT_SIZE)
    parser.add_argument("--batch", type=int, default=4, help="images a step; default: %(default)s")
    parser.add_argument("--steps", type=int, default=5, help="a measurement; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--precision", default="float32", help="a policy of Keras, as mixed_bfloat16")
    parser.add_argument("--yardstick", type=Path, default=YARDSTICK if YARDSTICK.is_file() else None, metavar="PATH")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured")
    options = parser.parse_args()
    if options.yardstick and not options.yardstick.is_file():
        parser.error(f"--yardstick: there is no file {options.yardstick}")
    result = measured(options)
    report(result)
    if options.json:
        write_text(options.json, json_text(result))


if __name__ == "__main__":
    main()
