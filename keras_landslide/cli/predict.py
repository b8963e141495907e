"""`predict`: masks, overlays and a table of images."""

from ..console import bar, say
from .common import predictor_of, weights_of


def predict(options) -> None:
    from ..prediction.images import find_images, predict

    images = find_images(options.images)
    weights = weights_of(options)
    predictor = predictor_of(weights, options)
    how = {"overwrite": options.overwrite, "resume": options.resume, "weights": weights.stamp()}
    made = predict(predictor, images, options.out, track=bar("predicting"), **how)
    share = sum(one.landslide_pixels for one in made) / sum(one.width * one.height for one in made)
    count = "1 image" if len(made) == 1 else f"{len(made)} images"
    say(f"{count}, {100 * share:.1f} % of the pixels marked as {predictor.class_names[1]}.")
    say(f"Masks, overlays and predictions.csv: {options.out}")
    if weights.description.licence:
        say(weights.description.licence)
