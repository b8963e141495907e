"""A clean copy of what `survey` could use."""

import shutil
from pathlib import Path

import numpy as np

from ...files.atomic import folder_written_beside, write_json, write_text
from ...files.images import write_image
from ..layouts import GROUPS, groups_table
from .survey import REPORT_NAME, Survey


def write_clean_copy(report: Survey, out: Path | str, content: dict) -> None:
    """Write what can be used to the folder `out`, laid out as it was found, with `content` as `prepare.json`.

    Images are copied as they are, masks become PNG with 0 and 255, and a table of groups names those that are left. The
    folder appears when it is complete, in place of an earlier one; see `files.checks.check_copy`.
    """
    found = report.found
    with folder_written_beside(out, replace=True) as beside:
        for item in report.pairs + report.negatives:
            copy = beside / found.relative(item.image)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(item.image, copy)
            if item.mask:
                mask = (beside / found.relative(item.mask)).with_suffix(".png")
                write_image(mask, item.classes() * np.uint8(255))
        groups = {item.name: report.listed[item.name] for item in report.pairs if item.name in report.listed}
        if groups:
            write_text(beside / found.relative(report.pairs[0].image.parent.parent / GROUPS), groups_table(groups))
        write_json(beside / REPORT_NAME, content)
