"""Write the tables of the README from the files in `results/`.

python docs/write_tables.py
"""

import re
from pathlib import Path

from keras_landslide.comparison import TABLE5_HEAD, table5_line
from keras_landslide.io import read_json, write_text
from keras_landslide.paper import TABLE_5, VARIANTS

ROOT = Path(__file__).parents[1]


def table_5() -> str:
    """The README's Table 5: a line for each row that has a result, in the paper's order."""
    lines = [TABLE5_HEAD]
    for row in TABLE_5 + VARIANTS:
        path = ROOT / "results" / f"{row.name}.json"
        if path.exists():
            lines.append(table5_line(row, read_json(path)))
    return "\n".join(lines)


if __name__ == "__main__":
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    block = f"<!-- table5 -->\n{table_5()}\n<!-- /table5 -->"
    write_text(readme, re.sub(r"<!-- table5 -->.*<!-- /table5 -->", lambda _: block, text, flags=re.S))
