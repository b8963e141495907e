"""Is the extra `geo` installed? Asked before anything of this room that needs it is imported."""

import importlib.util

from ..errors import LandslideError

PACKAGES = ("rasterio", "pyogrio", "shapely", "pyproj")
INSTALL = 'pip install "keras-landslide[geo]"'


def check_extra() -> None:
    """Raise `LandslideError`, which says how to install it, where a package of the extra is missing."""
    missing = [package for package in PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        raise LandslideError(f"Maps need {', '.join(missing)}, not installed here; run: {INSTALL}")
