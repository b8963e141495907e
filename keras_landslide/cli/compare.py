"""`compare`: what became of each landslide between two dates."""

from typing import TYPE_CHECKING

from ..console import say

if TYPE_CHECKING:
    from ..mapping.changes import Changes


def compare(options) -> None:
    from ..mapping.extra import check_extra

    check_extra()
    from ..mapping.changes import CSV, GEOPACKAGE, compare_files

    how = {"growth": options.growth, "overlap": options.overlap, "overwrite": options.overwrite}
    changes = compare_files(options.before, options.after, options.out, **how)
    for line in _lines(changes, options.growth):
        say(line)
    say(f"{CSV} and {GEOPACKAGE}: {options.out}")


def _lines(changes: "Changes", growth: float) -> list[str]:
    """The table of states, and what one should know to read it."""
    unit = "square units of the files (pixels, where those are images as they are)" if changes.crs is None else "m²"
    lines = [
        "".join([f"{'':12}{'landslides':>10}", *(f"{name:>15}" for name in ("before", "after", "gained", "lost"))])
    ]
    for state, (count, areas) in changes.totals().items():
        lines.append("".join([f"{state:12}{count:10d}", *(f"{area:15,.0f}" for area in areas)]))
    lines += [
        "",
        f"Areas in {unit}. Grown and shrunk: by more than {100 * growth:g} % of the earlier area; "
        "keras-landslide compare --help says what each word means.",
    ]
    if changes.merged or changes.split:
        lines.append(
            "Outlines that overlap count as one landslide. Landslides with several earlier outlines: "
            f"{changes.merged}; with several later ones: {changes.split}."
        )
    if changes.apart:
        lines.append("No outline of one file overlaps one of the other: are they of the same ground?")
    return lines
