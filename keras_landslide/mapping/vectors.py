"""Outlines on the ground: read from a GeoPackage, written to one, brought into another CRS, measured.

A CRS, coordinate reference system, says where on earth coordinates are. It is given as text that PROJ knows, such as
`EPSG:32633` or WKT. None stands for outlines of an image without a CRS: their coordinates are pixels, or what a world
file makes of them.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyogrio
import pyogrio.raw
import shapely
from affine import Affine
from pyproj import CRS, Geod, Transformer
from pyproj.exceptions import ProjError

from ..errors import LandslideError
from ..files.atomic import written_beside

LAYER = "landslides"
LONGITUDE_LATITUDE = "EPSG:4326"
ELLIPSOID = Geod(ellps="WGS84")
TURN = np.array([360.0, 0.0])  # degrees of longitude, and none of latitude
_POLYGONS = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


@dataclass(frozen=True)
class Outlines:
    """What a file of outlines holds: (N,) valid polygons and multipolygons, and what the file says of each.

    `ids` are (N,) texts, no two alike: the column `id`, or the GeoPackage's own numbers where that column is missing or
    does not name each outline once. `fields` has each column of the file, (N,), by its name.
    """

    geometries: np.ndarray
    ids: np.ndarray
    fields: dict[str, np.ndarray]
    crs: str | None


def read_outlines(path: Path | str) -> Outlines:
    """Read the layer `landslides` of a GeoPackage, or its only layer of polygons.

    Heights are dropped, and so are rows without an area; what crosses itself is made valid. There may be no outline at
    all. Raises `LandslideError` where the file is missing, no GeoPackage or damaged, or has anything but polygons.
    """
    path = Path(path)
    try:
        layer = _layer_of_polygons(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of kinds of columns and coordinates that are left out
            about, numbers, shapes, columns = pyogrio.raw.read(path, layer=layer, force_2d=True, return_fids=True)
            geometries = shapely.from_wkb(shapes)
            valid = made_valid(geometries)
    except (RuntimeError, shapely.errors.ShapelyError) as error:  # the first is the parent of all that pyogrio raises
        raise LandslideError(f"{path}: is damaged or cannot be read ({_one_line(error)}).") from error
    others = [shape.geom_type for shape in geometries if shape and shape.geom_type not in ("Polygon", "MultiPolygon")]
    if others:
        raise LandslideError(f"{path}: has a {others[0]} in layer {layer}, where polygons are needed.")
    there = shapely.area(valid) > 0
    fields = {name: column[there] for name, column in zip(about["fields"], columns, strict=True)}
    return Outlines(valid[there], _ids(fields, numbers[there]), fields, _georeference(path, about["crs"]))


def _layer_of_polygons(path: Path) -> str:
    if not path.is_file():
        raise LandslideError(f"{path}: no such file; give a GeoPackage with outlines.")
    with path.open("rb") as file:
        if file.read(16) != b"SQLite format 3\0":  # what a GeoPackage is, by its standard
            raise LandslideError(f"{path}: is no GeoPackage.")
    kinds = {name: kind or "" for name, kind in pyogrio.list_layers(path)}
    layers = [name for name, kind in kinds.items() if any(part in kind for part in ("Polygon", "Surface", "Unknown"))]
    if LAYER in layers:
        return LAYER
    if not layers:
        raise LandslideError(f"{path}: has no layer of polygons.")
    if len(layers) > 1:
        raise LandslideError(
            f"{path}: has several layers of polygons ({', '.join(layers)}); call the one that is meant {LAYER}."
        )
    return layers[0]


def _ids(fields: Mapping[str, np.ndarray], numbers: np.ndarray) -> np.ndarray:
    """(N,) texts: the column `id` where it tells all outlines apart, else `numbers`."""
    given = fields.get("id", np.array([], object))
    texts = np.array([str(value) for value in given.tolist() if value is not None and value == value], object)
    unique = len(set(texts.tolist())) == len(numbers)
    return texts if unique else np.array([str(number) for number in numbers.tolist()], object)


def _georeference(path: Path, crs: str | None) -> str | None:
    """`crs`, or None where it is one that says no place on earth, as GeoPackages have for plain coordinates."""
    if crs is None:
        return None
    try:
        known = CRS.from_user_input(crs)
    except ProjError as error:
        raise LandslideError(f"{path}: has a CRS that is not known ({_one_line(error)}).") from error
    return crs if known.is_geographic or known.is_projected else None


# One kind of geometry in a layer is what every program reads.
GEOPACKAGE = {"driver": "GPKG", "geometry_type": "MultiPolygon", "promote_to_multi": True}
# In longitude and latitude, outlines cut in two at the 180th meridian; to a thousandth of a millimetre.
GEOJSON = {"driver": "GeoJSON", "geometry_type": "Unknown", "RFC7946": "YES", "COORDINATE_PRECISION": 11}


def write_layer(
    path: Path | str,
    layer: str,
    geometries: Sequence | np.ndarray,
    fields: Mapping[str, Sequence],
    crs: str | None,
    kind: Mapping = GEOPACKAGE,
) -> None:
    """Write polygons as one layer of a `GEOPACKAGE` or of `GEOJSON`; a file at `path` is replaced by a complete one.

    `fields` has columns of N numbers or texts by their names; NaN and None stay empty. Raises `LandslideError` where
    nothing can be written at `path`, and `OSError` where writing fails.
    """
    with written_beside(Path(path)) as beside, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided")  # as meant for an image without a georeference
        try:
            pyogrio.raw.write(
                str(beside),
                shapely.to_wkb(_array(geometries)),
                [np.asarray(values) for values in fields.values()],
                list(fields),
                layer=layer,
                crs=crs,
                **kind,
            )
        except RuntimeError as error:
            raise OSError(f"{path}: writing failed ({_one_line(error)}).") from error


def _array(geometries: Sequence | np.ndarray) -> np.ndarray:
    """(N,) objects; of an empty list NumPy would make numbers."""
    array = np.empty(len(geometries), object)
    array[:] = geometries
    return array


def made_valid(geometries: Sequence | np.ndarray) -> np.ndarray:
    """(N,) polygons and multipolygons without crossings; lines and points that this leaves over are dropped.

    A geometry without any area becomes an empty polygon, so that all keep their places.

    >>> bow = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    >>> made_valid([bow])[0].area
    2.0
    """
    valid = shapely.make_valid(_array(geometries))
    for place in np.flatnonzero(~np.isin(shapely.get_type_id(valid), _POLYGONS)):
        parts = shapely.get_parts(valid[place])
        areas = parts[shapely.get_dimensions(parts) == 2]
        valid[place] = shapely.union_all(areas) if len(areas) else shapely.Polygon()
    return valid


def transformed(geometries: Sequence | np.ndarray, from_crs: str, to_crs: str) -> np.ndarray:
    """(N,) outlines in another CRS or the same, valid there. Corners are moved, and edges between them stay straight.

    Raises `LandslideError` where one of them has no place in `to_crs`, or would be torn at the 180th meridian.
    """
    moved = reprojected(geometries, from_crs, to_crs)
    west, _, east, _ = shapely.bounds(shapely.get_parts(moved)).T
    if CRS(to_crs).is_geographic and (east - west > 180).any():
        raise LandslideError(
            f"Outlines in {CRS(from_crs).name} cross the 180th meridian, where {CRS(to_crs).name} is torn; bring both "
            "files into a projected CRS."
        )
    return made_valid(moved)


def reprojected(geometries: Sequence | np.ndarray, from_crs: str, to_crs: str) -> np.ndarray:
    """(N,) geometries whose corners are in another CRS; x is always east, y north."""
    try:
        transformer = Transformer.from_crs(from_crs, to_crs, always_xy=True)

        def move(corners: np.ndarray) -> np.ndarray:
            x, y = corners.T
            return np.column_stack(transformer.transform(x, y, errcheck=True))

        return shapely.transform(_array(geometries), move)
    except ProjError as error:
        raise LandslideError(f"Outlines cannot be brought from {from_crs} to {to_crs} ({_one_line(error)}).") from error


def placed(geometries: Sequence | np.ndarray, transform: Affine) -> np.ndarray:
    """(N,) geometries in pixels (x, y) brought where the transform of a raster puts them, or back by its inverse."""
    matrix = np.array([[transform.a, transform.b], [transform.d, transform.e]])
    shift = np.array([transform.c, transform.f])
    return shapely.transform(_array(geometries), lambda points: points @ matrix.T + shift)


def geodesic_area(geometries: Sequence | np.ndarray, crs: str | None) -> np.ndarray:
    """(N,) areas on the WGS84 ellipsoid in m², whatever the CRS does to areas; without a CRS in square units.

    An edge counts as the shortest way between its corners, which from a straight edge in a map is centimetres away when
    it is a kilometre long. Raises `LandslideError` where an outline has no place on earth.

    On the middle line of a UTM zone lengths are shown at 0.9996 of what they are:

    >>> square = shapely.box(499_500, 3_320_000, 500_500, 3_321_000)
    >>> round(geodesic_area([square], "EPSG:32633")[0]), round(1e6 / 0.9996**2)
    (1000800, 1000800)
    """
    geometries = _array(geometries)
    if crs is None:
        return shapely.area(geometries)
    parts, of_geometry = shapely.get_parts(reprojected(geometries, crs, LONGITUDE_LATITUDE), return_index=True)
    rings, of_part = shapely.get_rings(parts, return_index=True)
    # the first ring of a polygon is its outside, the others are holes; which way round they run does not count
    signs = np.where(np.diff(of_part, prepend=-1) != 0, 1, -1)
    areas = [abs(ELLIPSOID.polygon_area_perimeter(*shapely.get_coordinates(ring).T)[0]) for ring in rings]
    return np.bincount(of_geometry[of_part], signs * np.array(areas), minlength=len(geometries))


def points_inside(geometries: Sequence | np.ndarray, crs: str | None) -> np.ndarray:
    """(N, 2) longitude and latitude in degrees of a point in each outline; without a CRS x and y in pixels.

    >>> ring = shapely.box(0, 0, 9, 9) - shapely.box(1, 1, 9, 8)
    >>> bool(ring.contains(shapely.Point(points_inside([ring], None)[0])))
    True
    """
    points = shapely.point_on_surface(_array(geometries))
    return shapely.get_coordinates(points) if crs is None else longitude_latitude(points, crs)


def longitude_latitude(points: Sequence | np.ndarray, crs: str) -> np.ndarray:
    """(N, 2) longitude, from −180 up to 180, and latitude in degrees of points.

    >>> longitude_latitude([shapely.Point(180.25, 10)], "EPSG:4326").tolist()
    [[-179.75, 10.0]]
    """
    places = shapely.get_coordinates(reprojected(points, crs, LONGITUDE_LATITUDE))
    return np.column_stack([(places[:, 0] + 180) % 360 - 180, places[:, 1]])


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
