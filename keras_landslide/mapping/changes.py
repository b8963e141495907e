"""Outlines of two dates compared: which landslides are new, which have grown, shrunk, shifted, stayed or gone.

Outlines of two dates never agree to the pixel: the sun stands elsewhere, scenes lie a pixel apart, a model is not sure
of a rim. An area therefore counts as changed only above a share of it, and two outlines as of one landslide only where
they have more than a rim in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely

from ..errors import LandslideError
from ..files.atomic import csv_text, folder_written_beside, write_text
from ..files.checks import free_names
from ..settings import GROWTH, OVERLAP, STATES
from .vectors import Outlines, geodesic_area, points_inside, read_outlines, transformed, write_layer

CSV, GEOPACKAGE, LAYER = "changes.csv", "changes.gpkg", "changes"
SAME_GROUND = 0.5  # share of what either date shows: less is another place, even where the area is the same


@dataclass(frozen=True)
class Changes:
    """What became of N landslides, in the order of `STATES`, large ones first.

    A landslide is all the outlines that overlap, from one to the next, so that each outline of both dates is in exactly
    one: `ids_before` and `ids_after` are (N,) tuples of their ids. `geometries` are their later outlines in one, the
    earlier ones of those that are gone. Areas are (N,), m² on the ellipsoid, or square units where `crs` is None:
    `before` and `after`; of them `gained` is ground that only the later outlines cover, `lost` only the earlier ones.
    """

    states: np.ndarray
    ids_before: tuple[tuple[str, ...], ...]
    ids_after: tuple[tuple[str, ...], ...]
    geometries: np.ndarray
    before: np.ndarray
    after: np.ndarray
    gained: np.ndarray
    lost: np.ndarray
    crs: str | None

    @property
    def merged(self) -> int:
        """How many landslides have several earlier outlines."""
        return sum(len(ids) > 1 for ids in self.ids_before)

    @property
    def split(self) -> int:
        """How many landslides have several later outlines."""
        return sum(len(ids) > 1 for ids in self.ids_after)

    @property
    def apart(self) -> bool:
        """Whether both dates have outlines, and none overlaps one of the other."""
        return {"new", "gone"} == set(self.states)

    def totals(self) -> dict[str, tuple[int, list[float]]]:
        """For each state, and last for `all`: how many landslides, and the sums of before, after, gained and lost."""
        chosen = {state: self.states == state for state in STATES} | {"all": np.full(len(self.states), True)}
        areas = (self.before, self.after, self.gained, self.lost)
        return {name: (int(here.sum()), [float(area[here].sum()) for area in areas]) for name, here in chosen.items()}

    def columns(self) -> dict[str, Sequence]:
        """What is written of each landslide, by column; several ids are one text. Units stand in the names."""
        unit, place = ("units2", ("x", "y")) if self.crs is None else ("m2", ("longitude", "latitude"))
        points = points_inside(self.geometries, self.crs)
        areas = {"before": self.before, "after": self.after, "gained": self.gained, "lost": self.lost}
        return {
            "state": self.states,
            "ids_before": [" ".join(ids) for ids in self.ids_before],
            "ids_after": [" ".join(ids) for ids in self.ids_after],
            **{f"area_{name}_{unit}": area for name, area in areas.items()},
            **dict(zip(place, points.T, strict=True)),
        }


def compare_files(
    before: Path | str,
    after: Path | str,
    out: Path | str,
    *,
    growth: float = GROWTH,
    overlap: float = OVERLAP,
    overwrite: bool = False,
) -> Changes:
    """Compare two GeoPackages of outlines and write `changes.csv` and `changes.gpkg` to the folder `out`.

    Raises `LandslideError` where a file cannot be used (`read_outlines`), the two cannot be compared (`compared`), or
    the files are there already and `overwrite` does not allow to replace them. Nothing is then written.
    """
    folder = free_names(out, (CSV, GEOPACKAGE), overwrite=overwrite)
    if (folder / GEOPACKAGE).resolve() in (Path(before).resolve(), Path(after).resolve()):
        raise LandslideError(f"{folder / GEOPACKAGE}: is to be compared itself; choose another --out.")
    changes = compared(read_outlines(before), read_outlines(after), growth=growth, overlap=overlap)
    write_changes(changes, folder)
    return changes


def write_changes(changes: Changes, folder: Path | str) -> None:
    """Write `changes.csv` and `changes.gpkg` with the layer `changes` to a folder, where they replace earlier ones."""
    columns = changes.columns()
    decimals = {name: 6 if name in ("longitude", "latitude") else 1 for name in columns}
    texts = [
        [value if isinstance(value, str) else f"{value:.{decimals[name]}f}" for value in values]
        for name, values in columns.items()
    ]
    with folder_written_beside(folder) as beside:
        write_text(beside / CSV, csv_text([list(columns), *zip(*texts, strict=True)]))
        write_layer(beside / GEOPACKAGE, LAYER, changes.geometries, columns, changes.crs)


def compared(before: Outlines, after: Outlines, *, growth: float = GROWTH, overlap: float = OVERLAP) -> Changes:
    """What became of each landslide, in the CRS of `after`.

    An earlier and a later outline overlap where they share at least `overlap` (0 to 1) of the area of the smaller one.
    Outlines that overlap, from one to the next, are one landslide, as where earlier ones have merged, or one was split.
    `STATES` says what its state means; `growth` (0 to 1) is a share of its earlier area.

    Raises `LandslideError` where one has a CRS and the other none, or the earlier ones have no place in the other's.

    >>> earlier, later = [shapely.box(0, 0, 10, 10)], [shapely.box(0, 0, 10, 12), shapely.box(30, 0, 40, 5)]
    >>> plain = lambda shapes: Outlines(np.array(shapes), np.array(["1", "2"][: len(shapes)]), {}, None)
    >>> changes = compared(plain(earlier), plain(later))
    >>> for line in zip(changes.states, changes.ids_before, changes.ids_after, changes.gained.tolist()):
    ...     print(*line)
    new () ('2',) 50.0
    grown ('1',) ('1',) 20.0
    """
    crs, later = after.crs, after.geometries
    earlier = _in_same_crs(before, crs)
    of_earlier, of_later, count = _landslides(earlier, later, overlap)
    ids_before, ids_after = _by_landslide(before.ids, of_earlier, count), _by_landslide(after.ids, of_later, count)
    was, now = _united(earlier, of_earlier, count), _united(later, of_later, count)
    before_area, after_area = geodesic_area(was, crs), geodesic_area(now, crs)
    gained, lost = geodesic_area(shapely.difference(now, was), crs), geodesic_area(shapely.difference(was, now), crs)
    states = _states(before_area, after_area, gained, growth)
    rank = [list(STATES).index(state) for state in states]
    order = np.lexsort((-np.maximum(before_area, after_area), rank))
    return Changes(
        states[order],
        tuple(tuple(ids_before[place].tolist()) for place in order),
        tuple(tuple(ids_after[place].tolist()) for place in order),
        np.where(shapely.is_empty(now), was, now)[order],
        before_area[order],
        after_area[order],
        gained[order],
        lost[order],
        crs,
    )


def _states(before: np.ndarray, after: np.ndarray, gained: np.ndarray, growth: float) -> np.ndarray:
    """(N,) names of states, from areas; where several conditions hold, the first counts."""
    shown_by_both, shown_by_either = after - gained, before + gained
    conditions = {
        "new": before == 0,
        "gone": after == 0,
        "grown": after > (1 + growth) * before,
        "shrunk": after < (1 - growth) * before,
        "shifted": shown_by_both < SAME_GROUND * shown_by_either,
    }
    return np.select(list(conditions.values()), list(conditions), "unchanged").astype(object)


def _in_same_crs(before: Outlines, crs: str | None) -> np.ndarray:
    """The earlier outlines in the CRS of the later ones."""
    if before.crs is not None and crs is not None:
        return transformed(before.geometries, before.crs, crs)
    if before.crs is None and crs is None:
        return before.geometries
    one, other = ("earlier", "later") if crs is None else ("later", "earlier")
    raise LandslideError(
        f"The {one} outlines have a CRS ({before.crs or crs}) and the {other} ones none, so nothing says where those "
        "lie; give their scene a georeference."
    )


def _landslides(earlier: np.ndarray, later: np.ndarray, overlap: float) -> tuple[np.ndarray, np.ndarray, int]:
    """The number of the landslide that each earlier and each later outline belongs to, and how many there are."""
    of_later, of_earlier = shapely.STRtree(earlier).query(later, predicate="intersects")
    shared = shapely.area(shapely.intersection(later[of_later], earlier[of_earlier]))
    # a share of area: what a map does to areas it does to both, so that it need not be measured on the ellipsoid
    smaller = np.minimum(shapely.area(later[of_later]), shapely.area(earlier[of_earlier]))
    linked = (shared > 0) & (shared >= overlap * smaller)
    group = np.arange(len(earlier) + len(later))
    for one, other in zip(of_earlier[linked], len(earlier) + of_later[linked], strict=True):
        group[group == group[other]] = group[one]
    names, numbers = np.unique(group, return_inverse=True)
    return numbers[: len(earlier)], numbers[len(earlier) :], len(names)


def _by_landslide(values: np.ndarray, landslide: np.ndarray, count: int) -> list[np.ndarray]:
    """`values` of outlines, divided among `count` landslides."""
    ends = np.cumsum(np.bincount(landslide, minlength=count))
    return np.split(values[np.argsort(landslide, kind="stable")], ends)[:count]


def _united(outlines: np.ndarray, landslide: np.ndarray, count: int) -> np.ndarray:
    """(count,) outlines of each landslide in one; an empty geometry where it has none."""
    united = np.empty(count, object)
    united[:] = [shapely.union_all(one) for one in _by_landslide(outlines, landslide, count)]
    return united
