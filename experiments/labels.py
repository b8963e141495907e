"""What completed labels are worth: trained on original against completed labels, each scored on both.

The same images, seed and settings, twice; the only difference are the landslides that overlapping images of the same
part add to the masks. Writes results/labels.json (cost and scores stand there) and the two runs in runs/labels/.

    python experiments/labels.py --data ../shared/bijie
    python experiments/labels.py --quick --out runs/quick --results runs/quick
"""

import sys
from pathlib import Path

from keras_landslide.data.dataset import labelled, load_split
from keras_landslide.errors import exit_code
from keras_landslide.results.paired import Pair
from keras_landslide.results.reproduce import few, paired_parser, paired_settings, parsed, trained_result, write_result
from keras_landslide.scores import landslide_iou
from keras_landslide.settings import LABELS

PAIR = Pair(("trained_on_original", "trained_on_completed"), tuple(LABELS))


def main(arguments=None) -> None:
    options = parsed(paired_parser("labels", __doc__, preset_name="table"), arguments)
    sys.exit(exit_code(lambda: run(options)))


def run(options) -> None:
    """Train twice, score each on both labels, write and print."""
    settings = paired_settings(options)
    split = load_split(options.data, options.split, seed=options.seed)
    splits = [labelled(split, labels) for labels in LABELS]
    if options.quick:  # images that the labels differ for
        alone = {sample.name for part in splits[1].subsets.values() for sample in part if not sample.neighbours}
        splits = [few(one, lambda sample: (sample.name in alone, sample.name)) for one in splits]
    completed = {name: sum(bool(sample.neighbours) for sample in part) for name, part in splits[1].subsets.items()}
    print(f"Two trainings: {splits[0].counts}; of these share ground within their part: {completed}.")
    trained = {
        f"trained_on_{one.labels}": trained_result(settings, one, Path(options.out) / one.labels, splits)
        for one in splits
    }
    content = {"split": split.name, "share_ground": completed, "landslide_iou": compared(trained), **trained}
    scored = {name.replace("_", " ") + " labels": line for name, line in content["landslide_iou"].items()}
    print("\n".join(PAIR.table(scored, "landslide IoU, trained on")))
    write_result(options, "labels", content)


def compared(trained: dict[str, dict]) -> dict[str, dict]:
    """Both trainings by landslide IoU (`Pair.line`), for each kind of labels that they are scored on.

    `trained` has the results of both, original first, with the scores on completed labels under `completed`.
    """
    lines = {}
    for labels in LABELS:
        one, other = (trained[name] if labels == PAIR.columns[0] else trained[name][labels] for name in PAIR.names)
        lines[f"scored_on_{labels}"] = PAIR.line(one["per_image"], other["per_image"], one["groups"], landslide_iou)
    return lines


if __name__ == "__main__":
    main()
