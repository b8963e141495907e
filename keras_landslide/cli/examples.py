"""What stands under `examples` in each command's `--help`."""

EXAMPLES = {
    "demo": (
        "  keras-landslide demo\n  keras-landslide demo --scene\n  keras-landslide demo --out elsewhere --overwrite"
    ),
    "train": (
        "  keras-landslide train --experiment pspnet_mobilenet_v2 --preset cpu --data bijie --split paper510 "
        "--out runs/psp\n"
        "  keras-landslide train --experiment pspnet_resnet50 --data my_images --out runs/mine --frozen-epochs 10\n"
        "  keras-landslide train --preset cpu --data bijie --split paper510 --negatives all --out runs/with_negatives\n"
        "  keras-landslide train --preset cpu --data bijie --fold 2/5 --out runs/fold2\n"
        "  keras-landslide train --experiment pspnet_mobilenet_v2 --preset cpu --data bijie --out runs/from_voc "
        "--init-weights runs/voc/best.weights.h5\n"
        "  keras-landslide train --preset cpu --data bijie --split paper510 --out runs/three --seeds 0 1 2\n"
        "  keras-landslide train --resume runs/psp\n"
        "  keras-landslide train --resume runs/psp --finish"
    ),
    "evaluate": (
        "  keras-landslide evaluate --weights runs/psp/best.weights.h5 --data bijie --split paper510 --subset test\n"
        "  keras-landslide evaluate --weights runs/psp/best.weights.h5 --data bijie --subset val --json scores.json\n"
        "  keras-landslide evaluate --weights runs/psp/best.weights.h5 --data bijie --negatives\n"
        "  keras-landslide evaluate --weights runs/psp/best.weights.h5 --data bijie --labels both"
    ),
    "report": ("  keras-landslide report runs/psp\n  keras-landslide report runs/psp --data bijie --out psp.html"),
    "models": (
        "  keras-landslide models\n  keras-landslide models --image-size 352 --output-stride 16\n"
        "  keras-landslide models --plot figures"
    ),
    "export": (
        "  keras-landslide export --weights runs/psp/best.weights.h5 --format onnx --out exported\n"
        "  keras-landslide export --weights runs/psp/best.weights.h5 --format litert --image-size 473 --out phone\n"
        "  keras-landslide export --weights runs/psp/best.weights.h5 --format deepness --out qgis"
    ),
    "augment": (
        "  keras-landslide augment --data bijie --split paper510 --count 2500 --out bijie2500\n"
        "  keras-landslide augment --data bijie --augmentation strong --contact-sheet strong.png\n"
        "  keras-landslide train --preset cpu --augmentation none --data bijie2500 --out runs/expanded"
    ),
    "prepare": (
        "  keras-landslide prepare bijie --split paper510 --json report.json\n"
        "  keras-landslide prepare downloaded.zip --out clean"
    ),
    "tables": (
        "  keras-landslide tables --results results --data bijie\n"
        "  keras-landslide tables --results results --data bijie --out tables"
    ),
    "figures": "  keras-landslide figures --results results --data bijie --out figures",
    "compare": (
        "  keras-landslide compare before.gpkg after.gpkg --out changes\n"
        "  keras-landslide compare before.gpkg after.gpkg --out changes --growth 0.25 --overwrite"
    ),
    "predict": (
        "  keras-landslide predict photo.png\n"
        "  keras-landslide predict --weights runs/psp/best.weights.h5 photo.png folder/\n"
        "  keras-landslide predict --weights runs/psp/best.weights.h5 folder/ --out mine --resume"
    ),
    "map": (
        "  keras-landslide map scene.tif\n"
        "  keras-landslide map before.tif after.tif --gsd 0.8 --out maps\n"
        "  keras-landslide map scene.tif --aoi district.gpkg --average-flips --uncertainty --resume"
    ),
}
