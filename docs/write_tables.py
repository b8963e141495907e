"""Write the tables of the README from the files in `results/`, and the catalogue of models that ships.

python docs/write_tables.py
"""

import re
import sys
from pathlib import Path

from keras_landslide.errors import exit_code
from keras_landslide.files.atomic import read_json, write_text
from keras_landslide.models.costs import model_cost
from keras_landslide.paper import INPUT_SIZE, PUBLIC_MULTIPLY_ADDS, TABLE_5, VARIANTS
from keras_landslide.results.catalogue import SHIPPED, TABLE, computed, table_text
from keras_landslide.results.tables import TABLE5_HEAD, table5_line

ROOT = Path(__file__).parents[1]


def table_5() -> str:
    """The README's Table 5: a line for each row that has a result, in the paper's order."""
    lines = [TABLE5_HEAD]
    for row in TABLE_5 + VARIANTS:
        path = ROOT / "results" / f"{row.name}.json"
        if path.exists():
            lines.append(table5_line(row, read_json(path)))
    return "\n".join(lines)


def costs(entries) -> str:
    """What the rows of Table 3 cost, and what public code of the same models does."""
    known = {entry.name: entry for entry in entries}
    lines = [
        f"| model | parameters | multiply-adds at {INPUT_SIZE} × {INPUT_SIZE} | public code | ours at that size |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in TABLE_5:
        here, public = known[row.name], "– | –"
        if row.name in PUBLIC_MULTIPLY_ADDS:
            side, billions = PUBLIC_MULTIPLY_ADDS[row.name]
            there = model_cost(row.architecture, row.backbone, side)
            public = f"{billions:g} bn at {side} | {there.multiply_adds / 1e9:.1f} bn"
        lines.append(f"| {row.title} | {here.parameters / 1e6:.1f} M | {here.multiply_adds / 1e9:.1f} bn | {public} |")
    return "\n".join(lines)


def with_tables(text: str, entries) -> str:
    """The README's text with the tables that stand between its marks made anew."""
    for name, table in (("table5", table_5()), ("costs", costs(entries))):
        block = f"<!-- {name} -->\n{table}\n<!-- /{name} -->"
        text = re.sub(f"<!-- {name} -->.*<!-- /{name} -->", lambda _, block=block: block, text, flags=re.S)
    return text


def write() -> None:
    """Write the tables, and the catalogue of models that `keras-landslide models` prints."""
    entries = computed(*SHIPPED)
    write_text(ROOT / "keras_landslide" / "results" / TABLE, table_text(entries))
    readme = ROOT / "README.md"
    write_text(readme, with_tables(readme.read_text(encoding="utf-8"), entries))


if __name__ == "__main__":
    sys.exit(exit_code(write))
