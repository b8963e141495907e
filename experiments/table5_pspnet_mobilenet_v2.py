"""PSPNet (MobileNet) of Table 5, the `table` preset on the paper's split.

Writes results/pspnet_mobilenet_v2.json and runs/pspnet_mobilenet_v2/.

    python experiments/table5_pspnet_mobilenet_v2.py --data ../shared/bijie
    python experiments/table5_pspnet_mobilenet_v2.py --quick --out runs/quick --results runs/quick
"""

from keras_landslide.results.reproduce import main

if __name__ == "__main__":
    main("pspnet_mobilenet_v2", __doc__)
