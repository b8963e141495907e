"""Write the tables of the README from the files in `results/`.

python docs/write_tables.py
"""

import re
import sys
from pathlib import Path

from keras_landslide.errors import exit_code
from keras_landslide.files.atomic import read_json, write_text
from keras_landslide.models.costs import row_cost
from keras_landslide.paper import INPUT_SIZE, PUBLIC_MULTIPLY_ADDS, TABLE_5, VARIANTS
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


def costs() -> str:
    """What the rows of Table 3 cost, and what public code of the same models does."""
    lines = [
        f"| model | parameters | multiply-adds at {INPUT_SIZE} × {INPUT_SIZE} | public code | ours at that size |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in TABLE_5:
        here, public = row_cost(row, INPUT_SIZE), "– | –"
        if row.name in PUBLIC_MULTIPLY_ADDS:
            side, billions = PUBLIC_MULTIPLY_ADDS[row.name]
            public = f"{billions:g} bn at {side} | {row_cost(row, side).multiply_adds / 1e9:.1f} bn"
        lines.append(f"| {row.title} | {here.parameters / 1e6:.1f} M | {here.multiply_adds / 1e9:.1f} bn | {public} |")
    return "\n".join(lines)


def with_tables(text: str) -> str:
    """The README's text with the tables that stand between its marks made anew."""
    for name, table in (("table5", table_5), ("costs", costs)):
        block = f"<!-- {name} -->\n{table()}\n<!-- /{name} -->"
        text = re.sub(f"<!-- {name} -->.*<!-- /{name} -->", lambda _, block=block: block, text, flags=re.S)
    return text


if __name__ == "__main__":
    readme = ROOT / "README.md"
    sys.exit(exit_code(lambda: write_text(readme, with_tables(readme.read_text(encoding="utf-8")))))
