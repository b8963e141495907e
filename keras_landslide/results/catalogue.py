"""Architectures on backbones and what they cost; the figures of the default size ship as a table."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

from ..console import Track, untracked
from ..files.atomic import csv_text
from ..paper import INPUT_SIZE, row_name
from ..settings import ARCHITECTURES, BACKBONES

SHIPPED = (INPUT_SIZE, 8)  # image size and output stride of the table that ships
TABLE = "catalogue.csv"  # docs/write_tables.py makes it


@dataclass(frozen=True)
class Entry:
    """An architecture on a backbone: parameters, and multiply-adds of one image."""

    architecture: str
    backbone: str
    parameters: int
    multiply_adds: int

    @property
    def name(self) -> str:
        return row_name(self.architecture, self.backbone)


def catalogue(image_size: int, output_stride: int, track: Track = untracked) -> list[Entry]:
    """All there is at `image_size` × `image_size` pixels, from the table or else `computed`, which takes longer.

    >>> catalogue(473, 8)[0]
    Entry(architecture='unet', backbone='vgg16', parameters=24896962, multiply_adds=191327888192)
    """
    if (image_size, output_stride) == SHIPPED:
        return _shipped()
    return computed(image_size, output_stride, track)


def computed(image_size: int, output_stride: int, track: Track = untracked) -> list[Entry]:
    """As `catalogue`, from the built models; `track` may show how far it is (`console.bar`)."""
    from ..models.costs import model_cost

    pairs = [(architecture, backbone) for architecture in ARCHITECTURES for backbone in BACKBONES]
    entries = []
    for architecture, backbone in track(pairs):
        cost = model_cost(architecture, backbone, image_size, output_stride)
        entries.append(Entry(architecture, backbone, cost.parameters, cost.multiply_adds))
    return entries


def _shipped() -> list[Entry]:
    lines = csv.DictReader((resources.files(__package__) / TABLE).read_text(encoding="utf-8").splitlines())
    return [
        Entry(line["architecture"], line["backbone"], int(line["parameters"]), int(line["multiply_adds"]))
        for line in lines
    ]


def table_text(entries: Iterable[Entry]) -> str:
    """The text of the table that ships."""
    head = ("architecture", "backbone", "parameters", "multiply_adds")
    return csv_text([head, *([getattr(entry, name) for name in head] for entry in entries)])
