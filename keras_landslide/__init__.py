"""Landslides in satellite images with Keras: U-Net, DeepLabv3+ and PSPNet on the Bijie dataset.

The public names load on first use, so that `import keras_landslide` costs nothing and loads no TensorFlow.
"""

import importlib

_PUBLIC = {
    "LandslideError": "errors",
    "Predictor": "prediction.predictor",
    "Settings": "settings",
    "build_model": "models",
    "load_model": "models",
    "evaluate": "evaluation",
    "map_scene": "mapping",
    "planned": "training.plan",
    "predict": "prediction.images",
    "train": "training.fit",
}
__all__ = list(_PUBLIC)
__version__ = "0.1.0"


def __getattr__(name: str):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_PUBLIC[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
