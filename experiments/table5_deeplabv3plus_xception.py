"""DeepLabv3+ (Xception) of Table 5, the `table` preset on the paper's split.

Writes results/deeplabv3plus_xception.json and runs/deeplabv3plus_xception/.

    python experiments/table5_deeplabv3plus_xception.py --data ../shared/bijie
    python experiments/table5_deeplabv3plus_xception.py --quick --out runs/quick --results runs/quick
"""

from keras_landslide.results.reproduce import main

if __name__ == "__main__":
    main("deeplabv3plus_xception", __doc__)
