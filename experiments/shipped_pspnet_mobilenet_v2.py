"""The weights that travel with the package: PSPNet (MobileNetV2) with images without landslide, strongly augmented.

Writes weights/<name>.weights.h5 and its card, results/shipped/<name>.json with its probability maps, and runs/shipped/.
A run scores the test part of `bijie770` once, with the file that ships. Cost and score stand in the card.

    python experiments/shipped_pspnet_mobilenet_v2.py --data ../shared/bijie
    python experiments/shipped_pspnet_mobilenet_v2.py --sampling native --zoom 1 --name pspnet_mobilenet_v2_scenes
    python experiments/shipped_pspnet_mobilenet_v2.py --quick --out runs/quick --results runs/quick --weights runs/quick
"""

import argparse
import dataclasses
import sys
from pathlib import Path

from keras_landslide.data.dataset import labelled
from keras_landslide.errors import exit_code
from keras_landslide.files.atomic import write_text
from keras_landslide.results.card import LICENCE, USED, card
from keras_landslide.results.report import report_lines
from keras_landslide.results.reproduce import QUICK, options_parser, parsed, result, split_of, trained, write_result
from keras_landslide.results.result import map_folder, result_name
from keras_landslide.settings import ALL, SHIPPED_WEIGHTS, preset

SETTINGS = {"negatives": ALL, "augmentation": "strong"}
# The median Bijie image is 227 pixels wide: a larger window would mostly show mirror images. The learning rate is the
# better one of results/tries.json.
NATIVE = {"sampling": "native", "image_size": 256, "unfrozen_epochs": 22, "unfrozen_learning_rate": 1e-3}


def main(arguments=None) -> None:
    parser = options_parser("shipped", __doc__, split="bijie770")
    parser.set_defaults(results="results/shipped")
    parser.add_argument("--name", default=SHIPPED_WEIGHTS, help="of the weights; default: %(default)s")
    parser.add_argument("--weights", default="weights", help="folder of weights and card; default: %(default)s")
    parser.add_argument("--sampling", default="squeeze", choices=list(USED), help="default: %(default)s")
    parser.add_argument("--zoom", type=float, default=1.0, help="with --sampling native; default: %(default)s")
    options = parsed(parser, arguments)
    sys.exit(exit_code(lambda: ship(options)))


def ship(options: argparse.Namespace) -> None:
    """Train, halve the weights and give them their terms, score that file, write its card."""
    given = {**SETTINGS, "seed": options.seed}
    if options.sampling == "native":
        given |= {**NATIVE, "zoom": options.zoom}
    settings = preset(options.preset, **given | (QUICK if options.quick else {}))
    split = split_of(options, negatives=True)
    name = result_name(options.name, options.seed)
    run = trained(settings, split, Path(options.out) / options.name)
    from keras_landslide.models.saving import halve  # after TensorFlow, which `trained` loads when all else is right

    file = Path(options.weights) / f"{name}.weights.h5"
    halve(run.best_weights, file, licence=LICENCE)
    tested = dataclasses.replace(split, subsets={"test": split.subset("test")})
    maps = map_folder(options.results, options.name, options.seed)
    content = result(run.folder, tested, labelled(tested, "completed"), maps=maps, weights_file=file)
    print("\n".join(report_lines(content)))
    write_result(options, options.name, content)
    told = {
        "command": command(options),
        "result": f"{options.results}/{name}.json",
        "trained_on": len(split.subset("train")),
        "trained_on_negatives": len(split.negative_subset("train")),
    }
    write_text(file.with_name(f"{name}.md"), card(content, file, **told))
    print(f"Weights and card: {file}")


def command(options: argparse.Namespace) -> str:
    """What makes the weights anew, as the card says it."""
    more = f" --sampling native --zoom {options.zoom:g} --name {options.name}" if options.sampling == "native" else ""
    more += f" --seed {options.seed}" if options.seed else ""
    return f"python experiments/{Path(__file__).name}{more}"


if __name__ == "__main__":
    main()
