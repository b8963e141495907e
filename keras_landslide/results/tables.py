"""The README's Table 5, from the files in `results/`."""

from ..errors import LandslideError
from ..paper import Row
from ..scores import interval, mean_iou


def table5_line(row: Row, content: dict) -> str:
    """A line of the README's Table 5 in Markdown, from a file in `results/`.

    Raises `LandslideError` for a file of an earlier version, which does not say which images share ground.
    """
    if "groups" not in content:
        raise LandslideError(
            f"The result of {row.name} does not say which images share ground; write it anew from the finished run: "
            f"python experiments/table5_{row.name}.py"
        )
    low, high = interval(content["per_image"], content["groups"], mean_iou)
    settings = content["settings"]
    ours = (
        f"**{100 * content['miou']:.2f}** ({100 * low:.1f}–{100 * high:.1f}) | {100 * content['mean_recall']:.2f} | "
        f"{100 * content['mean_precision']:.2f} | {100 * content['landslide']['iou']:.2f}"
    )
    epochs = len(content["history"])
    cores = content["machine"]["cores"]
    how = f"{settings['image_size']} px, {epochs} epochs, {content['minutes']:.0f} min on {cores} cores"
    how += f"; validation mIoU {100 * content['validation']['miou']:.1f}"
    paper = f"{row.miou:.2f} / {row.recall:.2f} / {row.precision:.2f}" if row.miou else "–"
    return f"| {row.title} | {paper} | {ours} | {how} |"


TABLE5_HEAD = """\
| model | paper: mIoU / recall / precision | ours: mIoU (95 % interval) | recall | precision | landslide IoU | how |
| --- | --- | --- | --- | --- | --- | --- |"""
