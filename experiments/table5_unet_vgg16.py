"""U-Net (VGG) of Table 5, the `table` preset on the paper's split.

Writes results/unet_vgg16.json and runs/unet_vgg16/. This is the largest of the six. The result that is there was
computed in bfloat16, on a processor that multiplies it; in float32, the preset's precision, it takes twice as long.

    python experiments/table5_unet_vgg16.py --data ../shared/bijie --precision mixed_bfloat16
    python experiments/table5_unet_vgg16.py --quick --out runs/quick --results runs/quick
"""

from keras_landslide.results.reproduce import main

if __name__ == "__main__":
    main("unet_vgg16", __doc__)
