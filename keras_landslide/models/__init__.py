"""Models: `build_model` for any architecture and backbone, and weights files that describe themselves."""

from .backbones import BACKBONES
from .build import ARCHITECTURES, DeepLabV3Plus, PSPNet, UNet, build_model
from .saving import initialise_from, load_model, read_description, save_weights

__all__ = [
    "ARCHITECTURES",
    "BACKBONES",
    "DeepLabV3Plus",
    "PSPNet",
    "UNet",
    "build_model",
    "initialise_from",
    "load_model",
    "read_description",
    "save_weights",
]
