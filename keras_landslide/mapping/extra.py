"""Are the extras `geo` and `dask` installed? Asked before anything that needs them is imported."""

import importlib.util
from collections.abc import Sequence

from ..errors import LandslideError

PACKAGES = ("rasterio", "pyogrio", "shapely", "pyproj")
DASK = ("dask", "distributed")
INSTALL = 'pip install "keras-landslide[geo]"'
INSTALL_DASK = 'pip install "keras-landslide[dask]"'
INSTALL_BOTH = 'pip install "keras-landslide[dask,geo]"'


def check_extra() -> None:
    """Raise `LandslideError`, which says how to install it, where a package of the extra `geo` is missing."""
    _check("Maps need", PACKAGES, INSTALL)


def check_dask() -> None:
    """The same of the extra `dask`."""
    _check("Several processes or machines need", DASK, INSTALL_DASK)


def _check(what_needs: str, packages: Sequence[str], install: str) -> None:
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise LandslideError(f"{what_needs} {', '.join(missing)}, not installed here; run: {install}")
