"""A scene made of Bijie's test images, mapped as a whole, beside the same images predicted one by one.

The images of the test part of `bijie770` and the test images without landslide are laid side by side on a georeferenced
sheet of 4,600 × 4,600 pixels of 0.8 m; what is left over has no data. `map` and the prediction of each image alone use
the same weights, scale and threshold. With a gap between the images a window shows one of them and no data around
it; without one it shows several, as no real scene does. Writes results/scene_of_bijie.json, with a gap
results/scene_of_bijie_gapN.json (cost and scores stand there), and the scene with its map to runs/scene_of_bijie/.

    python experiments/scene_of_bijie.py --data ../shared/bijie
    python experiments/scene_of_bijie.py --data ../shared/bijie --gap 128 --side 6600
    python experiments/scene_of_bijie.py --quick --out runs/quick --results runs/quick
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from keras_landslide.console import bar, load_tensorflow
from keras_landslide.errors import LandslideError, exit_code
from keras_landslide.paper import METRES_A_PIXEL
from keras_landslide.results.maps import FOUND, iou_of_touching
from keras_landslide.results.paired import Pair
from keras_landslide.results.reproduce import options_parser, parsed, split_of, write_result
from keras_landslide.scores import confusion_matrix, landslide_iou
from keras_landslide.settings import LEAST_AREA, SCENE_WEIGHTS

PAIR = Pair(("alone", "as_scene"), ("alone", "scene"))
SIDE = 4600  # all of the images together have 16.6 million pixels

Place = tuple[slice, slice]


def main(arguments=None) -> None:
    parser = options_parser("scene_of_bijie", __doc__, split="bijie770")
    parser.add_argument("--weights", default=SCENE_WEIGHTS, help="default: %(default)s")
    parser.add_argument("--side", type=int, default=SIDE, help="of the scene, in pixels; default: %(default)s")
    text = "pixels without data between two images; default: %(default)s"
    parser.add_argument("--gap", type=int, default=0, help=text)
    options = parsed(parser, arguments)
    sys.exit(exit_code(lambda: run(options)))


def run(options: argparse.Namespace) -> None:
    """Lay out, map, predict alone, compare, write and print."""
    split = split_of(options, negatives=True)
    samples = [*split.subset("test"), *split.negative_subset("test")]
    read = {sample.name: sample.read() for sample in samples}
    places = dict(
        zip(read, laid_out([classes.shape for _, classes in read.values()], options.side, options.gap), strict=True)
    )
    load_tensorflow()
    from keras_landslide.models.loading import load_model
    from keras_landslide.prediction.predictor import Predictor

    scene = sheet_of(Path(options.out) / "scene.tif", read, places, options.side)
    mapped, told = mapped_scene(scene, options.weights)
    predictor = Predictor.of(load_model(options.weights))
    alone = {key: predictor.classes(image) for key, (image, _) in bar("predicting alone")(list(read.items()))}
    found = {"alone": alone, "as_scene": {key: mapped[place] for key, place in places.items()}}
    counts = {
        way: {key: confusion_matrix(read[key][1], classes) for key, classes in of_way.items()}
        for way, of_way in found.items()
    }
    groups = {sample.name: sample.group for sample in samples}
    content = {
        "compared": {"test images and negatives": PAIR.line(*counts.values(), groups, landslide_iou)},
        "landslides": {way: landslides_found(of_way, read) for way, of_way in found.items()},
        "false_alarms": false_alarms(mapped, places, read),
        **told,
        **{
            way: {"per_image": {key: one.tolist() for key, one in of_way.items()}, "groups": groups}
            for way, of_way in counts.items()
        },
    }
    print("\n".join(PAIR.table(content["compared"])))
    print(f"Landslides found: {content['landslides']}; false alarms: {content['false_alarms']}")
    write_result(options, f"scene_of_bijie{f'_gap{options.gap}' * bool(options.gap)}", content)


def laid_out(shapes: Sequence[tuple[int, int]], side: int, gap: int = 0) -> list[Place]:
    """Rows and columns of each image in a square sheet, the tall ones first, in shelves with a gap between them."""
    places: dict[int, Place] = {}
    top = left = shelf = 0
    for number in sorted(range(len(shapes)), key=lambda number: (-shapes[number][0], number)):
        height, width = shapes[number]
        if left + width > side:
            top, left, shelf = top + shelf + gap, 0, 0
        if top + height > side:
            raise LandslideError(f"--side {side} has no room for all {len(shapes)} images; give a larger one.")
        places[number] = slice(top, top + height), slice(left, left + width)
        left, shelf = left + width + gap, max(shelf, height)
    return [places[number] for number in range(len(shapes))]


def sheet_of(path: Path, read: dict[str, tuple[np.ndarray, np.ndarray]], places: dict[str, Place], side: int) -> Path:
    """The images on one sheet as a GeoTIFF; its mask says where there are any."""
    from keras_landslide.mapping.example import CRS, TRANSFORM
    from keras_landslide.mapping.raster import write_scene

    sheet, valid = np.zeros((side, side, 3), np.uint8), np.zeros((side, side), bool)
    for key, place in places.items():
        sheet[place], valid[place] = read[key][0], True
    write_scene(path, sheet, CRS, TRANSFORM, valid)
    return path


def mapped_scene(scene: Path, weights: str) -> tuple[np.ndarray, dict]:
    """The scene's classes as `map` finds them, and what it took."""
    import rasterio

    from keras_landslide import map_scene

    started = time.perf_counter()
    made = map_scene(scene, scene.parent / "map", weights=weights, gsd=METRES_A_PIXEL, overwrite=True)
    with rasterio.open(scene.parent / "map" / made.folder / "landslides.tif") as file:
        classes = file.read(1)
    told = {
        "outlines": made.landslides,
        "threshold": made.threshold,
        "seconds": round(time.perf_counter() - started, 1),
    }
    return classes, told


def landslides_found(found: dict[str, np.ndarray], read: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, int]:
    """Of the images with a landslide: how many there are, found by IoU, and by any overlap."""
    truths = {key: classes == 1 for key, (_, classes) in read.items() if (classes == 1).any()}
    overlaps = sum(bool((found[key] == 1)[truth].any()) for key, truth in truths.items())
    good = sum(iou_of_touching(truth, found[key] == 1) > FOUND for key, truth in truths.items())
    return {"landslides": len(truths), "iou_above_half": good, "any_overlap": overlaps}


def false_alarms(mapped: np.ndarray, places: dict[str, Place], read: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict:
    """Marked pieces of the scene that touch no landslide of a mask, and how many a square kilometre."""
    truth = np.zeros(mapped.shape, bool)
    for key, place in places.items():
        truth[place] = read[key][1] == 1
    _, pieces, about, _ = cv2.connectedComponentsWithStats((mapped == 1).astype(np.uint8), connectivity=4)
    large = np.flatnonzero(about[:, cv2.CC_STAT_AREA] * METRES_A_PIXEL**2 >= LEAST_AREA)
    false = set(large.tolist()) - {0} - set(np.unique(pieces[truth]).tolist())
    area = float((mapped != 255).sum()) * METRES_A_PIXEL**2 / 1e6
    return {
        "pieces": len(false),
        "square_kilometres": round(area, 3),
        "a_square_kilometre": round(len(false) / area, 2),
    }


if __name__ == "__main__":
    main()
