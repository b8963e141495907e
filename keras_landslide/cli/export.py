"""`export`: weights for another runtime."""

from ..console import say, standard_error_closed
from .common import described


def export(options) -> None:
    _, size = described(options)
    from ..data.synthetic import mountain_scene
    from ..runtimes.export import export_model

    with standard_error_closed():  # the converters write there whatever they are told
        made = export_model(
            options.weights,
            options.format,
            options.out,
            images=[mountain_scene(0, (size, size)).image],
            image_size=size,
            overwrite=options.overwrite,
            report=say,
        )
    say(f"Agrees with Keras to {made.difference:.0e} in its own runtime.")
    say(f"Model: {made.model}\nHow to use it: {made.card}")
