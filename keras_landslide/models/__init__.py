"""Networks: any architecture on any backbone, and weights files that describe themselves.

It knows nothing of image files; it may import `data.classes`, `files`, `paper`, `settings` and what is before them.
"""

from .backbones import BACKBONES
from .build import ARCHITECTURES, DeepLabV3Plus, PSPNet, UNet, build_model
from .description import Description
from .loading import load_model
from .saving import initialise_from, read_description, read_weights, save_weights

__all__ = [
    "ARCHITECTURES",
    "BACKBONES",
    "DeepLabV3Plus",
    "Description",
    "PSPNet",
    "UNet",
    "build_model",
    "initialise_from",
    "load_model",
    "read_description",
    "read_weights",
    "save_weights",
]
