"""Two trainings that differ in one thing, compared on the same images: one value, one table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..scores import paired_difference


@dataclass(frozen=True)
class Pair:
    """Two trainings by the names under which results keep them; the second is what is tried.

    `columns` are their heads in the table.

    >>> pair = Pair(("without", "with"), ("without", "with"))
    >>> line = pair.line({"a": [[8, 0], [1, 1]]}, {"a": [[8, 0], [0, 2]]}, {"a": "a"}, lambda counts: counts[1, 1] / 2)
    >>> line["without"], line["with"], line["difference"], line["interval"]
    (np.float64(0.5), np.float64(1.0), 0.5, (0.5, 0.5))
    """

    names: tuple[str, str]
    columns: tuple[str, str]

    def line(
        self,
        first: Mapping[str, np.ndarray],
        second: Mapping[str, np.ndarray],
        groups: Mapping[str, str],
        score: Callable[[np.ndarray], float],
    ) -> dict:
        """A score of both trainings on the same images, their difference and its 95 % interval; fractions.

        `first` and `second` have counts by image, such as confusion matrices, of which `score` takes the sum.
        """
        difference, interval = paired_difference(first, second, groups, score)
        values = [score(np.sum(list(counts.values()), axis=0)) for counts in (first, second)]
        return {
            "images": len(first),
            **dict(zip(self.names, values, strict=True)),
            "difference": difference,
            "interval": interval,
        }

    def table(self, lines: Mapping[str, dict], title: str = "landslide IoU") -> list[str]:
        """The lines by their names as lines of text, in per cent."""
        one, other = self.columns
        text = ["", f"{title + ' (%)':36}{'images':>8}{one:>11}{other:>11}{'difference':>12}   95 % interval"]
        for name, line in lines.items():
            first, second = (100 * line[training] for training in self.names)
            low, high = (100 * end for end in line["interval"])
            text.append(
                f"{name:36}{line['images']:8d}{first:11.1f}{second:11.1f}{100 * line['difference']:+12.1f}   "
                f"{low:+.1f} to {high:+.1f}"
            )
        return [*text, ""]
