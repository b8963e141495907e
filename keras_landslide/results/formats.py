"""A table as Markdown, CSV and LaTeX."""

import math
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from ..files.atomic import csv_text
from .estimates import Estimate

# Fractions are printed in per cent; None and NaN are an empty cell.
Cell = str | int | float | Estimate | None


@dataclass(frozen=True)
class Table:
    """What a table holds, whatever it is written as; `name` is that of its files.

    >>> table = Table("t", "Scores", ("model", "IoU"), (("A", Estimate(0.5, (0.25, 0.75))), ("B", None)), ("A note.",))
    >>> print(table.markdown())
    | model | IoU (95 % interval) |
    | --- | --- |
    | A | 50.00 (25.0–75.0) |
    | B |  |
    <BLANKLINE>
    A note.
    >>> print(table.csv(), end="")
    model,IoU,IoU low,IoU high
    A,50.00,25.00,75.00
    B,,,
    """

    name: str
    title: str
    head: tuple[str, ...]
    lines: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def markdown(self, *, notes: bool = True) -> str:
        """The table in Markdown, in per cent, with its notes below."""
        if not self.lines:
            return "No result makes a line of this table yet."
        lines = [self._titles(), ("---",) * len(self.head), *([_text(cell) for cell in line] for line in self.lines)]
        text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return "\n\n".join([text, *(self.notes if notes else ())])

    def csv(self) -> str:
        """The table as CSV, in per cent: a column that has intervals becomes three."""
        estimated = self._estimated()
        head = [
            title
            for name, three in zip(self.head, estimated, strict=True)
            for title in ((name, f"{name} low", f"{name} high") if three else (name,))
        ]
        lines = [
            [part for cell, three in zip(line, estimated, strict=True) for part in _parts(cell, three)]
            for line in self.lines
        ]
        return csv_text([head, *lines])

    def latex(self) -> str:
        """The table as a LaTeX float for a document that uses booktabs."""
        rows = [_latex_row(_escaped(_text(cell)) for cell in line) for line in self.lines]
        notes = [f"  \\par\\footnotesize {_escaped(note)}" for note in self.notes]
        return "\n".join(
            [
                r"\begin{table}",
                r"  \centering\scriptsize",
                rf"  \caption{{{_escaped(self.title)}}}",
                rf"  \begin{{tabular}}{{l{'r' * (len(self.head) - 1)}}}",
                r"    \toprule",
                _latex_row(map(_stacked, self._titles())),
                r"    \midrule",
                *rows,
                r"    \bottomrule",
                r"  \end{tabular}",
                *notes,
                r"\end{table}",
                "",
            ]
        )

    def _estimated(self) -> list[bool]:
        """Of each column, whether it has intervals."""
        return [any(isinstance(line[place], Estimate) for line in self.lines) for place in range(len(self.head))]

    def _titles(self) -> list[str]:
        parts = zip(self.head, self._estimated(), strict=True)
        return [f"{name} (95 % interval)" if estimated else name for name, estimated in parts]


def _text(cell: Cell) -> str:
    if not isinstance(cell, Estimate):
        return _number(cell)
    if math.isnan(cell.value):
        return ""
    low, high = cell.interval
    if cell.signed:
        return f"{100 * cell.value:+.2f} ({100 * low:+.1f} to {100 * high:+.1f})".replace("-", "−")
    return f"{100 * cell.value:.2f} ({100 * low:.1f}–{100 * high:.1f})"


def _number(cell: str | int | float | None) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return "" if math.isnan(cell) else f"{100 * cell:.2f}"
    return str(cell)


def _parts(cell: Cell, three: bool) -> list[str]:
    if isinstance(cell, Estimate):
        return [_number(float(part)) for part in (cell.value, *cell.interval)]
    return [_number(cell), "", ""] if three else [_number(cell)]


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}",
    "`": "", "–": "--", "−": "$-$", "±": r"$\pm$", "×": r"$\times$", "²": "$^2$", ">": "$>$", "<": "$<$",
}  # fmt: skip


def _escaped(text: str) -> str:
    """Text for TeX, which makes a dash of two hyphens."""
    parts = text.split("--")
    return "-{}-".join("".join(_LATEX.get(character, character) for character in part) for part in parts)


def _stacked(title: str) -> str:
    """A title on as many lines as keep its column narrow."""
    lines = r"\\".join(map(_escaped, textwrap.wrap(title, 16)))
    return rf"\shortstack[r]{{{lines}}}"


def _latex_row(cells: Iterable[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"
