"""What the classes of a data set are called."""

CLASS_NAMES = ("background", "landslide")
MOST_PROBABLE = 0.5  # the decision threshold at which the more probable of two classes wins


def class_names(classes: int) -> tuple[str, ...]:
    """Names of classes of which only the number is known: two are background and landslide, others have numbers.

    >>> class_names(3)
    ('background', 'class_1', 'class_2')
    """
    return CLASS_NAMES if classes == 2 else ("background", *(f"class_{number}" for number in range(1, classes)))
