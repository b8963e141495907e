"""Write the tables of README.md and docs/results.md from `results/`, and the catalogue of models that ships.

python docs/write_tables.py
"""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_landslide.errors import exit_code
from keras_landslide.files.atomic import read_json, write_text
from keras_landslide.models.costs import model_cost
from keras_landslide.paper import INPUT_SIZE, PUBLIC_MULTIPLY_ADDS, TABLE_5
from keras_landslide.results.card import summary
from keras_landslide.results.catalogue import SHIPPED, TABLE, computed, table_text
from keras_landslide.results.formats import Table
from keras_landslide.results.result import read_results
from keras_landslide.results.tables import all_tables
from keras_landslide.settings import SCENE_WEIGHTS, SHIPPED_WEIGHTS

ROOT = Path(__file__).resolve().parents[1]
README, PAGE = ROOT / "README.md", ROOT / "docs" / "results.md"
SHIPPED_RESULTS = ROOT / "results" / "shipped"
WEIGHTS = {"shipped": SHIPPED_WEIGHTS, "shipped_scenes": SCENE_WEIGHTS}  # by the marks of the README
BIJIE = ROOT.parent / "shared" / "bijie"


def results_tables(data: Path | None = BIJIE) -> list[Table]:
    """All tables of the files in `results/`; without `data` outlines and found landslides are empty."""
    return all_tables(read_results(ROOT / "results"), data)


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


def with_tables(text: str, tables: Mapping[str, str]) -> str:
    """A page's text with the tables that stand between marks of their names made anew."""
    for name, table in tables.items():
        block = f"<!-- {name} -->\n{table}\n<!-- /{name} -->"
        text = re.sub(f"<!-- {name} -->.*<!-- /{name} -->", lambda _, block=block: block, text, flags=re.S)
    return text


def readme_tables(tables: Sequence[Table], entries) -> dict[str, str]:
    """Those of the README; what notes would say stands in its text."""
    shipped = {name: summary(read_json(SHIPPED_RESULTS / f"{weights}.json")) for name, weights in WEIGHTS.items()}
    return {"table5": tables[0].markdown(notes=False), "costs": costs(entries), **shipped}


def page_tables(tables: Sequence[Table]) -> dict[str, str]:
    """Those of docs/results.md."""
    return {table.name: table.markdown() for table in tables}


def write() -> None:
    """Write the tables, and the catalogue of models that `keras-landslide models` prints."""
    entries = computed(*SHIPPED)
    write_text(ROOT / "keras_landslide" / "results" / TABLE, table_text(entries))
    tables = results_tables()
    for path, made in ((README, readme_tables(tables, entries)), (PAGE, page_tables(tables))):
        write_text(path, with_tables(path.read_text(encoding="utf-8"), made))


if __name__ == "__main__":
    sys.exit(exit_code(write))
