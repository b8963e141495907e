"""Models: `build_model` for any architecture and backbone, and weights files that describe themselves."""

from .build import ARCHITECTURES, build_model
from .saving import load_model, read_description, save_weights

__all__ = ["ARCHITECTURES", "build_model", "load_model", "read_description", "save_weights"]
