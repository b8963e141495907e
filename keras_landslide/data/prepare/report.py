"""The report of `prepare` for people."""

from ...settings import SUBSETS

BIJIE_COUNTS = {"landslide": 770, "non_landslide": 2003}  # of the whole data set
PROBLEMS_SHOWN = 20


def report_lines(content: dict) -> list[str]:
    """The report as lines; `content` has the keys of `prepare --json`."""
    return [
        *_counts(content),
        *_problems(content["problems"]),
        *_masks(content),
        "",
        *_sizes(content["sizes"]),
        "",
        *_overlaps(content),
        *_splits(content),
    ]


def _counts(content: dict) -> list[str]:
    landslide, others = content["landslide"], content["non_landslide"]["images"]
    whole = {kind: f" of {count}" if content["bijie"] else "" for kind, count in BIJIE_COUNTS.items()}
    return [
        content["folder"],
        f"  {landslide['images']}{whole['landslide']} landslide images, {landslide['masks']} masks; "
        f"{others}{whole['non_landslide']} non-landslide images",
    ]


def _problems(problems: list[dict]) -> list[str]:
    if not problems:
        return ["  every file can be read and used as it is"]
    lines = [f"  {_number(len(problems), 'problem')}:"]
    lines += [f"    {one['file']}: {one['problem']}" for one in problems[:PROBLEMS_SHOWN]]
    if len(problems) > PROBLEMS_SHOWN:
        lines.append(f"    and {len(problems) - PROBLEMS_SHOWN} more; --json FILE lists all")
    return lines


def _masks(content: dict) -> list[str]:
    if not content["mask_codings"]:
        return ["  no mask that can be used"]
    codings = ", ".join(f"{count} {coding}" for coding, count in content["mask_codings"].items())
    share = {name: f"{100 * value:.1f} %" for name, value in content["landslide_share"].items()}
    return [
        f"  masks by the values that they hold: {codings}",
        f"  landslide: {share['pixels']} of all pixels, {share['mean']} as a mean over images "
        f"({share['smallest']} to {share['largest']})",
    ]


def _sizes(sizes: dict) -> list[str]:
    lines = [f"{'size (width×height, by area)':30}{'images':>8}{'smallest':>12}{'median':>12}{'largest':>12}"]
    for kind, text in (("landslide", "landslide"), ("non_landslide", "non-landslide")):
        if sizes[kind]:
            edges = "".join(
                f"{'×'.join(map(str, sizes[kind][name])):>12}" for name in ("smallest", "median", "largest")
            )
            lines.append(f"{text:30}{sizes[kind]['images']:8}{edges}")
    return lines


def _overlaps(content: dict) -> list[str]:
    groups, duplicates = content["groups"], content["duplicates"]
    if not content["overlaps"]:
        return ["No two images share ground to the bit."]
    largest = f" of 2 to {groups[-1]}" if groups[-1] > 2 else ""
    shared, added = content["shared_ground"], content["completed"]
    lines = [
        f"{_number(len(content['overlaps']), 'pair')} of images share ground to the bit: {sum(groups)} images in "
        f"{_number(len(groups), 'group')}{largest}.",
        "  duplicates (the whole image): " + (", ".join(f"{a} = {b}" for a, b in duplicates) or "none"),
        f"  {_number(shared['pairs_with_landslide'], 'pair')} with landslide on the shared ground; in "
        f"{shared['pairs_that_disagree']} the two masks disagree",
    ]
    if added["images_changed"]:
        lines.append(
            f"  --labels completed: {100 * added['landslide_pixels']:.1f} % more landslide pixels, "
            f"{_number(added['images_changed'], 'image')} changed; fewer where a split parts neighbours"
        )
    return lines


def _splits(content: dict) -> list[str]:
    splits = list(content["splits"].values())
    if not splits:
        return []
    lines = ["", f"{'split':16}" + "".join(f"{name:>12}" for name in SUBSETS) + "   groups on two sides"]
    for split in splits:
        counts = ""
        for name in SUBSETS:
            here, whole = split["present"][name], split["expected"][name]
            counts += f"{here if here == whole else f'{here} of {whole}':>12}"
        lines.append(f"{split['name']:16}{counts}   {split['groups_on_two_sides']}")
    return lines


def _number(count: int, thing: str) -> str:
    """
    >>> _number(1, "pair"), _number(3, "pair")
    ('1 pair', '3 pairs')
    """
    return f"{count} {thing}{'' if count == 1 else 's'}"
