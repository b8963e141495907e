"""`export`: weights for another runtime."""

from ..console import say, standard_error_closed
from .common import weights_of


def export(options) -> None:
    weights = weights_of(options)
    size = options.image_size or weights.description.prediction_size
    from ..data.synthetic import mountain_scene
    from ..runtimes.export import export_model

    with standard_error_closed():  # the converters write there whatever they are told
        made = export_model(
            weights,
            options.format,
            options.out,
            images=[mountain_scene(0, (size, size)).image],
            image_size=size,
            overwrite=options.overwrite,
            report=say,
        )
    say(f"Agrees with Keras to {made.difference:.0e} in its own runtime.")
    say(f"Model: {made.model}\nHow to use it: {made.card}")
    for note in made.notes:
        say(note)
