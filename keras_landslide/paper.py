"""What the paper prints, with its slips corrected: the six rows of Table 3, Tables 5 and 6, where figures come from.

Source: Yang et al., "Automatic Identification of Landslides Based on Deep Learning", Applied Sciences 2022, 12, 8153,
https://doi.org/10.3390/app12168153 (CC BY 4.0).
"""

from dataclasses import dataclass

from .errors import unknown_name

CITATION = "Yang et al. 2022, Appl. Sci. 12, 8153"
INPUT_SIZE = 473
TEST_IMAGES = 51
METRES_A_PIXEL = 0.8  # of the images of Bijie, which the paper uses


def row_name(architecture: str, backbone: str) -> str:
    """What a network is called in commands, files and models.

    >>> row_name("pspnet", "resnet50")
    'pspnet_resnet50'
    """
    return f"{architecture}_{backbone}"


@dataclass(frozen=True)
class Row:
    """A row of Table 3 (architecture and backbone) with its line of Table 5, in per cent.

    `miou`, `recall` and `precision` are means over the two classes, as worked out from Table 6; `None` for a variant
    that the paper does not have.
    """

    architecture: str
    backbone: str
    title: str
    miou: float | None = None
    recall: float | None = None
    precision: float | None = None

    @property
    def name(self) -> str:
        """The row's name (`row_name`)."""
        return row_name(self.architecture, self.backbone)


# The paper's "MobileNet" is most probably MobileNetV2: the names of Table 4 are those of a family of public
# implementations in which it is. MobileNet (v1) rows are variants.
TABLE_5 = (
    Row("unet", "vgg16", "U-Net (VGG)", 81.64, 89.34, 89.22),
    Row("deeplabv3plus", "xception", "DeepLabv3+ (Xception)", 86.15, 92.26, 92.20),
    Row("deeplabv3plus", "mobilenet_v2", "DeepLabv3+ (MobileNet)", 87.06, 94.06, 91.64),
    Row("unet", "resnet50", "U-Net (ResNet50)", 88.75, 96.15, 91.82),
    Row("pspnet", "mobilenet_v2", "PSPNet (MobileNet)", 89.11, 97.39, 92.61),
    Row("pspnet", "resnet50", "PSPNet (ResNet50)", 91.18, 96.9, 93.76),
)
VARIANTS = (
    Row("deeplabv3plus", "mobilenet", "DeepLabv3+ (MobileNet v1)"),
    Row("pspnet", "mobilenet", "PSPNet (MobileNet v1)"),
)
ROWS = {row.name: row for row in TABLE_5 + VARIANTS}

# Billions of multiply-adds of the public implementations whose setting names Table 4 has, at output stride 8: the side
# of the image, and the count. Their U-Net needs a multiple of 32 and cannot take the paper's 473.
PUBLIC_MULTIPLY_ADDS = {
    "unet_vgg16": (480, 198.0),
    "unet_resnet50": (480, 79.0),
    "pspnet_mobilenet_v2": (473, 8.4),
    "pspnet_resnet50": (473, 161.0),
}


@dataclass(frozen=True)
class ClassScores:
    """Precision, recall and IoU of one class, in per cent (a column of Table 6)."""

    precision: float
    recall: float
    iou: float


# What the paper prints and cannot be, each as a sentence for the tables beside which it stands.
TABLE_5_SLIP = (
    "The paper's mean precision of PSPNet (MobileNet), 92.61, does not follow from any confusion matrix with its other "
    "figures; from its Table 6 follows (82.97 + 99.65) / 2 = 91.31."
)
TABLE_6_SLIP = (
    "Table 6 is corrected: the paper prints 82.97 as the background IoU of PSPNet (MobileNet), 97.08 as its background "
    "precision and 82.79 as its landslide precision. With recall 97.37 and IoU 81.15 the landslide precision must be "
    "82.97; (81.15 + 97.08) / 2 is the printed mIoU of 89.11, so 97.08 is the background IoU, and the background "
    "precision that follows is 99.65."
)
TABLE_6 = {
    "pspnet_mobilenet_v2": {
        "landslide": ClassScores(82.97, 97.37, 81.15),
        "background": ClassScores(99.65, 97.41, 97.08),
    },
    "pspnet_resnet50": {
        "landslide": ClassScores(88.14, 95.47, 84.60),
        "background": ClassScores(99.41, 98.34, 97.76),
    },
}

# Chosen by looking at test images of paper510 and their labels, at no prediction: what Figure 5 shows, and images
# with roads and bare ground around the landslide for Figure 6. The paper does not name its own.
FIGURE_5 = {
    "js023": "large, new",
    "qxg024": "elongated",
    "qxg044": "beside a road",
    "df003": "old, overgrown",
}
FIGURE_6 = ("js036", "qxg114")


def row(name: str) -> Row:
    """The row called `name`; raises `LandslideError` listing the names.

    >>> row("pspnet_resnet50").miou
    91.18
    """
    if name not in ROWS:
        raise unknown_name("experiment", name, ROWS)
    return ROWS[name]
