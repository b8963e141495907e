"""The main job from end to end on synthetic scenes: data, two phases, scores, pictures."""

import shutil
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np

from .console import bar
from .data.colour_baseline import ColourBaseline
from .data.layouts import find_samples
from .data.pipeline import evaluation_batches
from .data.splits import Split, split_samples
from .data.synthetic import mountain_scene, write_dataset
from .errors import LandslideError
from .evaluation import evaluate
from .files.atomic import write_json
from .files.checks import check_writable, free_names
from .files.images import write_image
from .models.build import local_backbone_file
from .models.calibration import calibrate_batch_normalization
from .models.loading import load_model
from .pictures import comparison_figure, overlay
from .prediction.predictor import Predictor
from .results.report import report_lines
from .scores import confusion_matrix, landslide_iou
from .settings import preset
from .training.fit import train
from .training.plan import Plan, planned

MADE_OF, SCENE_MADE_OF = "demo.json", "demo_scene.json"  # mark the folder of a demo: nothing else is ever replaced
SCENES = 160
CALIBRATION_BATCHES = 8
SCENE_LANDSLIDES = 4
FIGURE_SCENES = 5
# From random weights a few hundred steps must do: high learning rates, and statistics that follow within ten steps.
SETTINGS = {
    "image_size": 128,
    "output_stride": 8,
    "frozen_epochs": 2,
    "unfrozen_epochs": 15,
    "frozen_learning_rate": 3e-3,
    "unfrozen_learning_rate": 2e-3,
    "batch_normalization_momentum": 0.9,
}


def demo(
    out: Path | str,
    *,
    seed: int = 0,
    overwrite: bool = False,
    report: Callable[[str], None] = print,
    scenes: int = SCENES,
    **overrides,
) -> dict:
    """Run the demo into the folder `out` and return the network's scores with the colour baseline's landslide IoU.

    `overrides` replace single settings, `scenes` their number (the tests make it tiny). Raises `LandslideError` if
    `out` holds a finished demo, unless `overwrite`, or anything else.
    """
    started = time.monotonic()
    weights = "imagenet" if local_backbone_file("mobilenet_v2") else None
    settings = preset("cpu", seed=seed, backbone_weights=weights, **{**SETTINGS, **overrides})
    out = _free_demo_folder(Path(out), overwrite)
    write_json(out / MADE_OF, {"scenes": scenes, "seed": seed})
    report(f"{scenes} synthetic mountain scenes with landslides: {out / 'data'}")
    write_dataset(out / "data", scenes, seed=seed, size=settings.image_size, track=bar("scenes", "scene"))
    split = split_samples(find_samples(out / "data"), "auto", seed=seed)
    report(f"Split auto: {split.counts}. Backbone from {weights or 'random'} weights.")

    baseline = _baseline(split)
    baseline_iou = landslide_iou(_baseline_confusion(baseline, split))
    plan = planned(settings, split, out / "run", overwrite=overwrite)
    if weights is None:
        _calibrate(plan)
    run = train(plan, report=report)
    predictor = Predictor.of(load_model(run.best_weights))
    found = evaluate(predictor, split.subset("test"), split=split.name, subset="test")
    scores = {**found.to_json(), **predictor.to_json()}
    _draw(predictor, baseline, split, out / "comparison.png")
    write_json(out / "scores.json", {**scores, "colour_baseline": {"landslide": {"iou": baseline_iou}}})

    images = out / "data" / "landslide" / "image"
    report("\n" + "\n".join(report_lines(scores)))
    report(
        f"\nLandslide IoU of a per-pixel colour classifier on the same scenes: {100 * baseline_iou:.1f}; "
        f"of the network: {100 * scores['landslide']['iou']:.1f}\n\n"
        f"Done in {(time.monotonic() - started) / 60:.1f} minutes.\n"
        f"  weights         {run.best_weights}\n"
        f"  learning curve  {run.curves}\n"
        f"  pictures        {out / 'comparison.png'}\n"
        f"  scores          {out / 'scores.json'}\n"
        f"Try: keras-landslide predict --weights {run.best_weights} {images} --out predictions"
    )
    return {**scores, "colour_baseline": baseline_iou}


def demo_scene(
    out: Path | str,
    *,
    seed: int = 0,
    overwrite: bool = False,
    report: Callable[[str], None] = print,
    size: tuple[int, int] = (1000, 1400),
) -> dict:
    """Paint a georeferenced scene with landslides and map it with the weights that travel with the package.

    Writes `scene.tif`, `truth.png` with the landslides as they were painted, and `map/` (`mapping.scenes.map_scenes`)
    to the folder `out`. `size` is (height, width). Returns the scores of the map against what was painted. Raises
    `LandslideError` if `out` holds such files already, unless `overwrite`, or anything else, or the extra `geo` is not
    installed.
    """
    from .mapping.extra import check_extra

    check_extra()
    from .mapping.example import mapped_example

    _check_ours(Path(out), SCENE_MADE_OF)
    folder = free_names(out, ["scene.tif", "truth.png", "map"], overwrite=overwrite)
    write_json(folder / SCENE_MADE_OF, {"size": list(size), "seed": seed})
    report(f"Painting a scene of {size[1]} × {size[0]} pixels with landslides, then mapping it: half a minute.")
    painted = mountain_scene(seed, size, landslides=SCENE_LANDSLIDES)
    write_image(folder / "truth.png", painted.mask)
    classes, page = mapped_example(painted.image, folder, overwrite=overwrite, report=report)
    confusion = confusion_matrix((painted.mask > 0).astype(np.uint8), classes)
    report(
        f"\nLandslide IoU with what was painted: {100 * landslide_iou(confusion):.0f}. The network has learnt from "
        f"photographs alone and never saw a painted scene.\n"
        f"  scene   {folder / 'scene.tif'}\n"
        f"  map     {page}  (open it in a browser)\n"
        f"  layers  {page.parent}  (open outlines.gpkg and probability.tif in QGIS)\n"
        "Try: keras-landslide map YOUR_SCENE.tif"
    )
    return {"confusion": confusion.tolist(), "landslide_iou": landslide_iou(confusion)}


def _free_demo_folder(out: Path, overwrite: bool) -> Path:
    """An unfinished demo may be run again, a finished one with `overwrite`; of other folders nothing is touched."""
    _check_ours(out, MADE_OF)
    if (out / "scores.json").exists() and not overwrite:
        raise LandslideError(f"{out}: holds a finished demo; add --overwrite or choose another --out.")
    check_writable(out)
    for part in ("data", "run"):
        shutil.rmtree(out / part, ignore_errors=True)
    (out / "scores.json").unlink(missing_ok=True)
    return out


def _check_ours(out: Path, mark: str) -> None:
    if out.is_dir() and any(out.iterdir()) and not (out / mark).is_file():
        raise LandslideError(f"{out}: holds something else than a demo; choose another --out.")


def _calibrate(plan: Plan) -> None:
    batches = evaluation_batches(plan.train_samples, image_size=plan.settings.image_size, batch_size=16)
    with plan.where.scope():
        calibrate_batch_normalization(plan.model, islice((images for images, _ in batches), CALIBRATION_BATCHES))


def _baseline(split: Split) -> ColourBaseline:
    images, masks = zip(*(sample.read() for sample in split.subset("train")), strict=True)
    return ColourBaseline.fit(images, masks)


def _baseline_confusion(baseline: ColourBaseline, split: Split) -> np.ndarray:
    pairs = [sample.read() for sample in split.subset("test")]
    return np.sum([confusion_matrix(truth, baseline.predict(image)) for image, truth in pairs], axis=0)


def _draw(predictor: Predictor, baseline: ColourBaseline, split: Split, path: Path) -> None:
    rows = []
    for sample in split.subset("test")[:FIGURE_SCENES]:
        image, truth = sample.read()
        landslide = predictor.classes(image) == 1
        pictures = [image, truth == 1, baseline.predict(image), landslide, overlay(image, landslide)]
        rows.append((sample.name, pictures))
    comparison_figure(rows, ["scene", "label", "by colour alone", "network", "outlined"], path)
