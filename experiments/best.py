"""The best network that validation leads to: the strongest row of Table 5 with what helped in experiments/tries.py.

The row is the one with the highest validation mIoU of the six; `CHANGES` are the tries whose validation landslide IoU
was higher with both seeds. The test part is scored once. Writes results/best.json and runs/best/.

    python experiments/best.py --data ../shared/bijie
    python experiments/best.py --quick --out runs/quick --results runs/quick
"""

import sys

from keras_landslide.errors import exit_code
from keras_landslide.paper import row
from keras_landslide.results.comparisons import BEST
from keras_landslide.results.reproduce import options_parser, parsed, reproduced

ROW = "deeplabv3plus_xception"
CHANGES: dict = {"average_flips": True}


def main(arguments=None) -> None:
    options = parsed(options_parser(BEST, __doc__, preset_name="table"), arguments)
    sys.exit(exit_code(lambda: reproduced(row(ROW), BEST, options, **CHANGES)))


if __name__ == "__main__":
    main()
