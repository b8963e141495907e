"""What the classes of a data set are called."""

from .voc import VOC_CLASSES

CLASS_NAMES = ("background", "landslide")


def class_names(classes: int) -> tuple[str, ...]:
    """What the classes are called in reports: 2 are background and landslide, 21 those of VOC, others have numbers.

    >>> class_names(3)
    ('background', 'class_1', 'class_2')
    """
    known = {len(names): names for names in (CLASS_NAMES, VOC_CLASSES)}
    return known.get(classes) or ("background", *(f"class_{number}" for number in range(1, classes)))
