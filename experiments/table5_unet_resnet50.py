"""U-Net (ResNet50) of Table 5, the `table` preset on the paper's split.

Writes results/unet_resnet50.json and runs/unet_resnet50/.

    python experiments/table5_unet_resnet50.py --data ../shared/bijie
    python experiments/table5_unet_resnet50.py --quick --out runs/quick --results runs/quick
"""

from keras_landslide.results.reproduce import main

if __name__ == "__main__":
    main("unet_resnet50", __doc__)
