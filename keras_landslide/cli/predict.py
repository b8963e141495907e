"""`predict`: masks, overlays and a table of images."""

from ..console import load_tensorflow, progress, say
from .common import described


def predict(options) -> None:
    load_tensorflow()
    from ..prediction.images import find_images

    images = find_images(options.images)
    description, size = described(options)
    from ..data.classes import class_names
    from ..models import load_model
    from ..prediction.images import predict

    model = load_model(options.weights)
    with progress(len(images), "predicting") as bar:
        made = predict(
            model,
            images,
            options.out,
            image_size=size,
            average_flips=options.average_flips,
            overwrite=options.overwrite,
            on_done=bar.update,
        )
    share = sum(one.landslide_pixels for one in made) / sum(one.width * one.height for one in made)
    say(f"{len(made)} images, {100 * share:.1f} % of their pixels marked as {class_names(description['classes'])[1]}.")
    say(f"Masks, overlays and predictions.csv: {options.out}")
