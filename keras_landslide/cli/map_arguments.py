"""What `map` takes, group by group."""

from ..settings import LEAST_AREA, SCENE_WEIGHTS
from .arguments import add_decision, length, positive


def add_map_arguments(parser) -> None:
    parser.add_argument("scenes", nargs="+", metavar="SCENE", help="GeoTIFFs, or anything else that GDAL opens")
    parser.add_argument(
        "--out", default="map", metavar="FOLDER", help="a folder a scene goes there; default: %(default)s"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace earlier maps there")
    parser.add_argument("--resume", action="store_true", help="go on with maps there that were stopped")
    _add_network(parser)
    _add_machines(parser)
    _add_scale(parser)
    _add_values(parser)
    _add_outlines(parser)


def _add_network(parser) -> None:
    network = parser.add_argument_group("network")
    network.add_argument(
        "--weights", default=SCENE_WEIGHTS, metavar="FILE",
        help="a .weights.h5 that train wrote, or the name of a shipped one; default: %(default)s",
    )  # fmt: skip
    network.add_argument(
        "--ensemble", nargs="+", default=[], metavar="FILE", help="more weights, whose opinions are averaged with those"
    )
    add_decision(network)
    network.add_argument(
        "--uncertainty",
        action="store_true",
        help="also a raster of how far the opinions of mirror images or of an ensemble lie apart",
    )
    network.add_argument(
        "--runtime", metavar="NAME", help="openvino, onnx or keras; default: the first of these that is installed"
    )
    network.add_argument(
        "--bfloat16",
        action="store_true",
        help="compute in bfloat16 where the processor can and 99.5 %% of the pixels tried keep their class (openvino)",
    )


def _add_machines(parser) -> None:
    machines = parser.add_argument_group("processes and machines", "with Dask, of the extra dask")
    machines.add_argument(
        "--workers", type=positive, metavar="N", help="so many processes on this machine, each with its own network"
    )
    machines.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a Dask cluster that is running, such as tcp://host:8786; its workers see the scenes and --out under "
        "the paths that are given here",
    )


def _add_scale(parser) -> None:
    scale = parser.add_argument_group("scale")
    scale.add_argument(
        "--gsd", type=length, metavar="METRES", help="a pixel as the network sees it; default: what the weights say"
    )
    scale.add_argument("--scene-gsd", type=length, metavar="METRES", help="a pixel of scenes that do not say it")
    scale.add_argument(
        "--grid",
        default="scene",
        metavar="NAME",
        help="results on the pixels of the scene or of the model: scene or model; default: %(default)s",
    )


def _add_values(parser) -> None:
    values = parser.add_argument_group("values of the scene")
    values.add_argument(
        "--bands",
        type=int,
        nargs="+",
        metavar="N",
        help="red, green and blue, from 1; one for grey; default: what the scene calls so",
    )
    values.add_argument(
        "--stretch", type=float, nargs=2, metavar=("LOW", "HIGH"),
        help="percentiles of a band that become black and white; default: 2 98, and 8-bit bands as they are",
    )  # fmt: skip
    values.add_argument(
        "--black-is-nodata", action="store_true", help="pixels that are 0 in all three bands are no data"
    )
    values.add_argument("--aoi", metavar="FILE", help="a GeoPackage of polygons: only there")


def _add_outlines(parser) -> None:
    outlines = parser.add_argument_group("outlines")
    outlines.add_argument(
        "--min-area",
        type=float,
        default=LEAST_AREA,
        metavar="M2",
        help="of an outline, in square metres (square pixels where a scene lies nowhere); default: %(default)g",
    )
    outlines.add_argument(
        "--simplify",
        type=float,
        metavar="METRES",
        help="how far an outline may leave the pixels' own; default: one pixel that the network sees",
    )
