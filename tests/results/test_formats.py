"""A table says the same in Markdown, CSV and LaTeX."""

import csv
import io
import re

from keras_landslide.results.estimates import Estimate
from keras_landslide.results.formats import Table

TABLE = Table(
    "scores",
    "Scores of 100 % & more",
    ("model_name", "count", "share", "difference"),
    (
        ("A, first", 3, 0.125, Estimate(-0.0123, (-0.05, 0.004), signed=True)),
        ("B_2", 0, None, Estimate(0.5, (0.25, 0.75), signed=True)),
    ),
    ("Labels of 5 % > 4 %.",),
)


def test_markdown():
    lines = TABLE.markdown().splitlines()
    assert lines[0] == "| model_name | count | share | difference (95 % interval) |"
    assert lines[2:4] == ["| A, first | 3 | 12.50 | −1.23 (−5.0 to +0.4) |", "| B_2 | 0 |  | +50.00 (+25.0 to +75.0) |"]
    assert lines[-1] == "Labels of 5 % > 4 %."
    assert "Labels" not in TABLE.markdown(notes=False)


def test_csv_has_the_ends_of_intervals_in_columns_of_their_own():
    head, *lines = csv.reader(io.StringIO(TABLE.csv()))
    assert head == ["model_name", "count", "share", "difference", "difference low", "difference high"]
    assert lines == [["A, first", "3", "12.50", "-1.23", "-5.00", "0.40"], ["B_2", "0", "", "50.00", "25.00", "75.00"]]


def test_latex_has_as_many_cells_as_columns_and_nothing_unescaped():
    text = TABLE.latex()
    (columns,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", text)
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert columns == "lrrr" and len(rows) == 3
    assert all(len(re.split(r"(?<!\\)&", row)) == 4 for row in rows)
    assert rows[1] == r"    A, first & 3 & 12.50 & $-$1.23 ($-$5.0 to +0.4) \\"
    assert r"\caption{Scores of 100 \% \& more}" in text and r"\footnotesize Labels of 5 \% $>$ 4 \%." in text
    assert r"\shortstack[r]{difference (95 \%\\interval)}" in text  # broken between words, before 17 characters
    assert not re.search(r"(?<!\\)[%#_]", text)


def test_a_table_without_lines_says_so():
    assert Table("t", "T", ("a",), ()).markdown() == "No result makes a line of this table yet."


def test_a_score_that_does_not_exist_is_an_empty_cell_in_every_format():
    nothing = Estimate(float("nan"), (float("nan"), float("nan")))
    table = Table("t", "T", ("a", "b"), (("x", nothing), ("y", Estimate(0.5, (0.25, 0.75)))))
    assert "| x |  |" in table.markdown() and "x & " in table.latex() and "nan" not in table.latex() + table.csv()


def test_options_are_no_dashes_and_backticks_no_quotation_marks_in_latex():
    text = Table("t", "T", ("a",), ((1,),), ("without `--threshold 0.5`",)).latex()
    assert r"\footnotesize without -{}-threshold 0.5" in text.splitlines()[-2]
