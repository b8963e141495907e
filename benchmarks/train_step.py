"""Images a second, forward and in a training step of both phases, for the six rows of Table 3.

    python benchmarks/train_step.py
    python benchmarks/train_step.py --rows pspnet_mobilenet_v2 --rounds 3 --json step.json
    python benchmarks/train_step.py --precision float32 mixed_bfloat16 --image-size 352 --output-stride 16 --batch 8

Prints for each row parameters, multiply-adds of an image, images a second of a forward pass, of a training step with
the backbone frozen and of one without, and the time of the frozen step by that of the other; for each precision that is
asked for. Each measurement is a process of its own; a round takes all of them in turn, and each counts with the median
of its steps in its best round. With a yardstick (a script that prints "forward 0.1 s, training step 0.5 s an image" and
takes --size, --batch and --steps) PSPNet (MobileNetV2) at output stride 8 is timed beside it in every round, and the
ratio printed; its step also without each of the things that make it faster, and without all of them. The yardstick is
always in float32.
"""

import argparse
import os
import re
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from one_measurement import FASTER, WORK, output_of, seconds

from keras_landslide.console import progress
from keras_landslide.files.atomic import json_text, write_text
from keras_landslide.models.costs import model_cost
from keras_landslide.paper import INPUT_SIZE, TABLE_5, row
from keras_landslide.training.compute import processor

YARDSTICK = Path(__file__).parents[2] / "shared" / "yardstick.py"
YARDSTICK_ROW, YARDSTICK_STRIDE = "pspnet_mobilenet_v2", 8
LEFT_OUT = {**{text: [name] for name, text in FASTER.items()}, "all of these": list(FASTER)}
Times = dict[str, dict[str, float]]  # seconds an image by row and precision, "yardstick" or what is left out, and work


def one_round(options: argparse.Namespace, bar) -> Times:
    """Every measurement once."""
    chosen = {key: getattr(options, key) for key in ("image_size", "output_stride", "batch", "steps")}
    times: Times = {}
    for name, work, how in plan(options):
        bar.set_description(f"{name}, {work}")
        if name == "yardstick":
            times[name] = yardstick_seconds(options)
        else:
            times.setdefault(name, {})[work] = seconds(**chosen, work=work, **how)
        bar.update()
    return times


def plan(options: argparse.Namespace) -> list[tuple[str, str, dict]]:
    """The measurements of a round: whose, of which work, how; the yardstick beside its row."""
    measurements = []
    for row_name in options.rows:
        beside = compared(options) and row_name == YARDSTICK_ROW
        measurements += [("yardstick", "all", {})] if beside else []
        for precision in options.precision:
            how = {"row": row_name, "precision": precision}
            measurements += [(key(row_name, precision), work, how) for work in WORK]
            if beside:
                without = [(key(text, precision), {**how, "without": names}) for text, names in LEFT_OUT.items()]
                measurements += [(name, "unfrozen", left_out) for name, left_out in without]
    return measurements


def key(name: str, precision: str) -> str:
    return f"{name}, {precision}"


def compared(options: argparse.Namespace) -> bool:
    """Whether the yardstick, which has one output stride only, is timed."""
    return bool(options.yardstick) and YARDSTICK_ROW in options.rows and options.output_stride == YARDSTICK_STRIDE


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
    settings = {name: getattr(options, name) for name in ("image_size", "output_stride", "batch", "steps", "rounds")}
    result = {**settings, "cores": os.cpu_count(), "processor": processor().get("model name"), "precisions": {}}
    for precision in options.precision:
        rows = {name: of_row(name, precision, best, options) for name in options.rows}
        result["precisions"][precision] = {"rows": rows, **(ratios(precision, best) if compared(options) else {})}
    if compared(options):
        result["yardstick"] = best["yardstick"]
    return {**result, "every_round": rounds}


def of_row(name: str, precision: str, best: Times, options: argparse.Namespace) -> dict:
    cost = model_cost(row(name).architecture, row(name).backbone, options.image_size, options.output_stride)
    times = best[key(name, precision)]
    return {
        "parameters": cost.parameters,
        "multiply_adds": cost.multiply_adds,
        "seconds_an_image": times,
        "frozen_by_unfrozen": times["frozen"] / times["unfrozen"],
    }


def ratios(precision: str, best: Times) -> dict:
    """Times of the yardstick's row by the yardstick's: forward by forward, a step of both phases by its step."""
    times, yardstick = best[key(YARDSTICK_ROW, precision)], best["yardstick"]
    step = yardstick["unfrozen"]
    return {
        "ratio": {**{work: times[work] / step for work in times}, "forward": times["forward"] / yardstick["forward"]},
        "ratio_without": {text: best[key(text, precision)]["unfrozen"] / step for text in LEFT_OUT},
    }


def report(result: dict) -> None:
    print(
        "{processor}, {cores} cores; {image_size} × {image_size} pixels, output stride {output_stride}, batch {batch}; "
        "images a second:".format(**result)
    )
    for precision, found in result["precisions"].items():
        print(
            f"\n{precision:28}{'parameters':>11}{'mult.-adds':>11}{'forward':>9}{'frozen':>8}{'unfrozen':>9}{'ratio':>7}"
        )
        for name, line in found["rows"].items():
            speeds = [1 / line["seconds_an_image"][work] for work in WORK]
            print(
                f"{name:28}{line['parameters'] / 1e6:9.1f} M{line['multiply_adds'] / 1e9:8.1f} bn"
                f"{speeds[0]:9.2f}{speeds[1]:8.2f}{speeds[2]:9.2f}{line['frozen_by_unfrozen']:7.2f}"
            )
    if "yardstick" not in result:
        return
    times = result["yardstick"]
    print(f"\nYardstick (float32): forward {times['forward']:.3f} s, step {times['unfrozen']:.3f} s an image.")
    for precision, found in result["precisions"].items():
        of = ", ".join(f"{work} {ratio:.2f}" for work, ratio in found["ratio"].items())
        print(f"{YARDSTICK_ROW} in {precision} by the yardstick: {of}; the unfrozen step without")
        for text, ratio in found["ratio_without"].items():
            print(f"  {text}: {ratio:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [one.name for one in TABLE_5]
    parser.add_argument("--rows", nargs="+", default=names, choices=names, metavar="ROW")
    parser.add_argument("--image-size", type=int, default=INPUT_SIZE)
    parser.add_argument("--batch", type=int, default=4, help="images a step; default: %(default)s")
    parser.add_argument("--steps", type=int, default=5, help="a measurement; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--output-stride", type=int, default=YARDSTICK_STRIDE, help="default: %(default)s")
    parser.add_argument("--precision", nargs="+", default=["float32"], help="policies of Keras, as mixed_bfloat16")
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
