"""Train a row of Table 3 on PASCAL VOC2012: weights to start from, as the paper does.

    python experiments/pretrain_voc.py --data VOCdevkit/VOC2012 --row pspnet_mobilenet_v2 --out runs/voc
    python experiments/pretrain_voc.py --quick --data VOCdevkit/VOC2012 --out runs/quick

What it writes is for `keras-landslide train --experiment pspnet_mobilenet_v2 --init-weights runs/voc/best.weights.h5`.

21 classes of equal weight; the lists train and val of VOC2012, 1464 and 1449 images. VOC2012 is 2 GB from
http://host.robots.ox.ac.uk/pascal/VOC/voc2012/. It was not to be had where this was written, so this has not been run
in full and no score is known: only on a made-up folder of the same form (tests/training/test_from_voc.py). From timed
steps, the 45 epochs of the `cpu` preset take PSPNet (MobileNetV2) about six hours on two cores.
"""

import argparse
import dataclasses
import sys

from keras_landslide.data.dataset import load_split
from keras_landslide.data.voc import VOC_CLASSES
from keras_landslide.errors import exit_code
from keras_landslide.paper import row
from keras_landslide.results.reproduce import QUICK, few, trained
from keras_landslide.settings import Settings, preset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="the folder with JPEGImages, SegmentationClass and ImageSets")
    parser.add_argument("--row", default="pspnet_mobilenet_v2", help="default: %(default)s")
    parser.add_argument("--preset", default="cpu", help="default: %(default)s")
    parser.add_argument("--backbone-weights", default="imagenet", help="imagenet, none or a file; default: %(default)s")
    parser.add_argument("--out", required=True, help="the run folder")
    parser.add_argument(
        "--overwrite", action="store_true", help="start anew; default: go on with a run that was stopped"
    )
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="a few images, a few epochs, 64 px")
    options = parser.parse_args()
    sys.exit(exit_code(lambda: pretrain(options)))


def pretrain(options: argparse.Namespace) -> None:
    """Train on the lists of VOC and say where the weights are."""
    settings = voc_settings(options)
    split = load_split(options.data, "voc", classes=settings.classes)
    split = dataclasses.replace(split, class_names=VOC_CLASSES)
    if options.quick:
        split = few(split)
    run = trained(settings, split, options.out, overwrite=options.overwrite)
    print(f"Best validation mIoU of {settings.classes} classes {run.best['val_miou']:.4f}, scores: {run.scores}")
    print(f"Weights for keras-landslide train --experiment {options.row} --init-weights: {run.best_weights}")


def voc_settings(options: argparse.Namespace) -> Settings:
    """The settings of the row for VOC's classes."""
    chosen = row(options.row)
    classes = len(VOC_CLASSES)
    return preset(
        options.preset,
        architecture=chosen.architecture,
        backbone=chosen.backbone,
        backbone_weights=options.backbone_weights,
        classes=classes,
        class_weights=(1.0,) * classes,
        seed=options.seed,
        **(QUICK if options.quick else {}),
    )


if __name__ == "__main__":
    main()
