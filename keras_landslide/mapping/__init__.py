"""From scenes with a georeference to outlines of landslides, and from outlines of two dates to what changed.

It needs the extra `geo`. It may import `evaluation`, `prediction` and the rooms before them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .extra import check_extra

if TYPE_CHECKING:
    from .results import Mapped


def map_scene(
    scene: Path | str,
    out: Path | str = "map",
    *,
    weights: Path | str | None = None,
    ensemble: Sequence[Path | str] = (),
    overwrite: bool = False,
    resume: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    **options,
) -> "Mapped":
    """Landslides of a satellite or aerial scene on a map: outlines, rasters and a page in a folder of `out`.

    `scene` is a raster that GDAL opens; `weights` a file that `train` wrote or the name of one that travels with the
    package, by default the one for scenes, and `ensemble` more of them, whose opinions are averaged. `options` are the
    fields of `plan.Options`: `gsd`, the metres a pixel that the network sees, `threshold`, `aoi` and others, called as
    those of `keras-landslide map`. What is
    written, and what `overwrite` and `resume` do, says `scenes.map_scenes`; what `workers` and `scheduler` do, and what
    the script then needs, `cluster.Cluster`. Raises `LandslideError` where the extra
    `geo` is not installed, or scene, weights or folder are not fit for it.

    Example:
        >>> from keras_landslide import map_scene
        >>> mapped = map_scene("scene.tif", "maps", average_flips=True)  # doctest: +SKIP
        >>> mapped.landslides, mapped.area, mapped.unit  # doctest: +SKIP
        (12, 48210.5, 'm²')
    """
    check_extra()
    from ..models.loading import weights_file
    from ..models.saving import read_weights
    from ..settings import SCENE_WEIGHTS
    from .cluster import Cluster
    from .plan import Options
    from .scenes import map_scenes

    read = [read_weights(weights_file(path)) for path in (weights or SCENE_WEIGHTS, *ensemble)]
    cluster = Cluster(workers, scheduler) if workers is not None or scheduler else None
    how = Options(**options)
    (mapped,) = map_scenes([scene], out, read, how, overwrite=overwrite, resume=resume, cluster=cluster)
    return mapped
