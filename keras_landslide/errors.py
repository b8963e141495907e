"""The one exception that a user can mend."""

import difflib
from collections.abc import Iterable


class LandslideError(ValueError):
    """A mistake in the input that the user can mend.

    Its text says what was received, what is allowed and the remedy. The command line prints it on one line and exits
    with code 2; `files` are listed below it, one indented line each.

    >>> print(LandslideError("2 masks have no image:", files=["a.png: no image", "b.png: no image"]))
    2 masks have no image:
      a.png: no image
      b.png: no image
    """

    def __init__(self, message: str, files: Iterable[str] = ()):
        self.message = message
        self.files = list(files)
        super().__init__("\n  ".join([message, *self.files]))


def unknown_name(kind: str, received: object, choices: Iterable[str]) -> LandslideError:
    """The error for a name that is not among `choices`: lists them, and the nearest one first.

    >>> print(unknown_name("backbone", "resnet5", ["vgg16", "resnet50"]))
    Unknown backbone 'resnet5'; did you mean 'resnet50'? Choose from: vgg16, resnet50.
    """
    choices = list(choices)
    near = difflib.get_close_matches(str(received), choices, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    return LandslideError(f"Unknown {kind} '{received}'{hint} Choose from: {', '.join(choices)}.")
