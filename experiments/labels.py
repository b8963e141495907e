"""What completed labels are worth: trained on original against completed labels, each scored on both.

The same images, seed and settings, twice; the only difference are the landslides that overlapping images of the same
part add to the masks. Writes results/labels.json (cost and scores stand there) and the two runs in runs/labels/.

    python experiments/labels.py --data ../shared/bijie
    python experiments/labels.py --quick --out runs/quick --results runs/quick
"""

import sys
from pathlib import Path

import numpy as np

from keras_landslide.console import progress
from keras_landslide.data.dataset import load_split
from keras_landslide.data.labels import with_labels
from keras_landslide.errors import exit_code
from keras_landslide.files.atomic import write_json
from keras_landslide.results.reproduce import few, paired_parser, paired_settings, parsed, trained_result
from keras_landslide.scores import landslide_iou, paired_difference
from keras_landslide.settings import LABELS


def main(arguments=None) -> None:
    options = parsed(paired_parser("labels", __doc__), arguments)
    sys.exit(exit_code(lambda: run(options)))


def run(options) -> None:
    """Train twice, score each on both labels, write and print."""
    settings = paired_settings(options)
    split = load_split(options.data, options.split, seed=options.seed)
    with progress(2 * sum(map(len, split.subsets.values())), "finding overlaps", "step") as bar:
        splits = [with_labels(split, labels, bar.update) for labels in LABELS]
    if options.quick:  # images that the labels differ for
        alone = {sample.name for part in splits[1].subsets.values() for sample in part if not sample.neighbours}
        splits = [few(labelled, lambda sample: (sample.name in alone, sample.name)) for labelled in splits]
    completed = {name: sum(bool(sample.neighbours) for sample in part) for name, part in splits[1].subsets.items()}
    print(f"Two trainings: {splits[0].counts}; of these share ground within their part: {completed}.")
    trained = {
        f"trained_on_{labelled.labels}": trained_result(settings, labelled, Path(options.out) / labelled.labels, splits)
        for labelled in splits
    }
    content = {"split": split.name, "share_ground": completed, "landslide_iou": compared(trained), **trained}
    print("\n".join(table(content["landslide_iou"])))
    path = Path(options.results) / "labels.json"
    write_json(path, content)
    print(f"Result: {path}")


def compared(trained: dict[str, dict]) -> dict[str, dict]:
    """Landslide IoU of both trainings and their paired difference, for each kind of labels that they are scored on.

    `trained` has the results of both, original first, with the scores on completed labels under `completed`.
    """
    lines = {}
    for labels in LABELS:
        scored = [result if labels == LABELS[0] else result[labels] for result in trained.values()]
        original, completed = (one["per_image"] for one in scored)
        difference, interval = paired_difference(original, completed, scored[0]["groups"], landslide_iou)
        ious = {name: landslide_iou(np.array(one["confusion"])) for name, one in zip(trained, scored, strict=True)}
        lines[f"scored_on_{labels}"] = {**ious, "difference": difference, "interval": interval}
    return lines


def table(lines: dict[str, dict]) -> list[str]:
    """The comparison as lines of text, in per cent."""
    text = [
        "",
        f"{'landslide IoU (%), trained on':32}{'original':>10}{'completed':>11}{'difference':>12}   95 % interval",
    ]
    for scored, line in lines.items():
        ious = [100 * line[f"trained_on_{labels}"] for labels in LABELS]
        low, high = (100 * end for end in line["interval"])
        text.append(
            f"{scored.replace('_', ' ') + ' labels':32}{ious[0]:10.1f}{ious[1]:11.1f}"
            f"{100 * line['difference']:+12.1f}   {low:+.1f} to {high:+.1f}"
        )
    return [*text, ""]


if __name__ == "__main__":
    main()
