"""PSPNet (ResNet50) of Table 5, the `table` preset on the paper's split.

Writes results/pspnet_resnet50.json and runs/pspnet_resnet50/.

    python experiments/table5_pspnet_resnet50.py --data ../shared/bijie
    python experiments/table5_pspnet_resnet50.py --quick --out runs/quick --results runs/quick
"""

from keras_landslide.results.reproduce import main

if __name__ == "__main__":
    main("pspnet_resnet50", __doc__)
