"""What keeping freed memory is worth: a training step of PSPNet (MobileNetV2), with and without, in turn.

    python benchmarks/memory.py --image-size 352 --output-stride 16

Prints seconds an image of a training step (median of the steps, best of the rounds) for both, and their ratio. Each
measurement is a process of its own, because the allocator cannot be told to forget.
"""

import argparse
import sys

from one_measurement import seconds

from keras_landslide.memory import keep_freed_memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-size", type=int, default=352)
    parser.add_argument("--output-stride", type=int, default=16)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    if not keep_freed_memory():
        sys.exit("This system's allocator cannot be told: nothing to measure.")
    chosen = {name: getattr(options, name) for name in ("image_size", "output_stride", "batch", "steps")}
    best = {"default": float("inf"), "kept": float("inf")}
    for _ in range(options.rounds):
        for allocator in best:
            best[allocator] = min(best[allocator], seconds(**chosen, allocator=allocator))
    print(f"training step, {options.image_size} px, output stride {options.output_stride}, batch {options.batch}:")
    ratio = best["kept"] / best["default"]
    print(f"  as it comes {best['default']:.3f} s an image, freed memory kept {best['kept']:.3f} s; ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
