"""`augment`: a training set expanded on disk, and a sheet of what training sees."""

import dataclasses
from typing import Any

from ..console import bar, load_tensorflow, say
from ..errors import LandslideError
from ..settings import LABELS, Settings
from .common import check_labels


def augment(options) -> None:
    from ..data.dataset import labelled, load_split
    from ..data.layouts import EXPANDED
    from ..files.checks import check_copy, check_image_path

    if not (options.out or options.contact_sheet):
        raise LandslideError("Nothing to do; give --out FOLDER, --contact-sheet FILE or both.")
    check_labels(options.labels, LABELS)
    settings = Settings(augmentation=options.augmentation, image_size=options.image_size, seed=options.seed)
    recipe: dict[str, Any] = {"augmentation": settings.augmentation, "seed": settings.seed}
    if options.contact_sheet:
        check_image_path(options.contact_sheet, overwrite=options.overwrite)
    if options.out:
        check_copy(options.data, options.out, EXPANDED, overwrite=options.overwrite)
    split = load_split(options.data, options.split, fold=options.fold, seed=settings.seed)
    only = dataclasses.replace(split, subsets={options.subset: split.subset(options.subset)})
    samples = labelled(only, options.labels).subset(options.subset)
    load_tensorflow()
    from ..data.expansion import contact_sheet, expand

    if options.out:  # first, because it replaces all of its folder, where the sheet may be wanted
        expand(samples, options.out, options.count, track=bar("augmenting"), **recipe)
        say(f"{options.count} variants of {len(samples)} images: {options.out}")
    if options.contact_sheet:
        contact_sheet(samples, options.contact_sheet, image_size=settings.image_size, **recipe)
        say(f"Thirty samples as training sees them: {options.contact_sheet}")
