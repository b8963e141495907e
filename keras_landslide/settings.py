"""Everything that a training run can be told, with the paper's values (Table 4) as defaults."""

import dataclasses
import math
from dataclasses import dataclass, field

from .errors import LandslideError, unknown_name
from .paper import INPUT_SIZE, METRES_A_PIXEL

IGNORE_LABEL = 255  # a pixel that counts nowhere: letterbox bars, corners that a rotation opens
# The paper starts from "the pre-trained weights obtained in the VOC dataset" and does not say which file. None can be
# shipped here, so every run departs in this point; experiments/pretrain_voc.py makes weights to start from.
PAPER_INIT_WEIGHTS = "VOC weights, in a file that it does not name"
PAPER_SAMPLES_PER_EPOCH = 2500  # Table 2 expands the images to so many; here an epoch shows each once unless told
MAX_SEED = 2**31 - 2  # TensorFlow's seeds are 32-bit integers; one more than this is used too
MOST_CLASSES = 255  # that a mask of bytes can number, beside the value for ignored pixels
SMALLEST_INPUT = 64  # pixels a side: what is left of less at an output stride of 32 is too small for any decoder
SCENE_WEIGHTS = "pspnet_mobilenet_v2_scenes"  # at one scale: what `map` uses
SHIPPED_WEIGHTS = "pspnet_mobilenet_v2"  # those that travel with the package, for whoever names no others
RUN_REPORT = "report.html"  # in a run folder: the page about it, which a new run there removes
ALL = "all"
AUTO = "auto"

# What can be chosen by name, and what each name means.
ARCHITECTURES = {
    "unet": "U-Net",
    "deeplabv3plus": "DeepLabv3+",
    "pspnet": "PSPNet",
}
WITHOUT_OUTPUT_STRIDE = ("unet",)  # its decoder takes the features of every stride as they are
BACKBONES = {
    "vgg16": "VGG16",
    "resnet50": "ResNet50",
    "mobilenet": "MobileNet",
    "mobilenet_v2": "MobileNetV2",
    "xception": "Xception",
}
BIJIE_SPLITS = {
    "paper510": "413 Bijie images train, 46 validate, 51 test, as many as in the paper; shared ground on one side",
    "random510": "the same 510 images dealt at random, as the paper does it; shared ground on several sides",
    "bijie770": "all 770 Bijie landslide images, shared ground on one side",
    "county_split": "one county of Bijie tests (wn), one validates (js), the others train",
}
SPLITS = {
    "auto": "the folder's own lists if it is in VOC's form, else dealt from the seed, shared ground on one side",
    "voc": "the folder's own lists, in ImageSets/Segmentation",
    **BIJIE_SPLITS,
}
LABELS = {
    "original": "the masks as published",
    "completed": "with the landslides that overlapping images of the same subset show",
}
AUGMENTATIONS = {
    "paper": "Table 2 as written: turned by 20 or 90 degrees, mirrored, cropped to 70 %",
    "default": "turned, mirrored, cropped to 60-100 %, brightness and contrast varied a little",
    "strong": "as default, but more of everything, for images of other sensors",
    "none": "images as they are",
}
SAMPLINGS = {
    "squeeze": "the whole image, squeezed into the input",
    "crop": "a random window of an image that is larger than the input",
    "native": "all images at one scale, --zoom, each cut at a random place or with other ground around it, and "
    "predicted in overlapping windows: for scenes",
}
SCHEDULES = {"constant": "the same throughout a phase", "cosine": "falls to zero over each phase"}
PRECISIONS = {
    AUTO: "mixed_bfloat16 where processor and backbone gain by it, else float32",
    "float32": "32 bits throughout",
    "mixed_bfloat16": "16 bits, for processors and GPUs that multiply bfloat16",
    "mixed_float16": "16 bits, for GPUs",
}
JIT = {AUTO: "wherever it helps: not on TensorFlow's CPU", "on": "always", "off": "never"}
SUBSETS = {"train": "trains", "val": "chooses the best epoch", "test": "is scored once, at the end"}
LEAST_AREA = 100.0  # square metres of an outline on a map
STATES = {  # of a landslide from one date to another
    "new": "no earlier outline overlaps it",
    "grown": "its area is larger by more than --growth",
    "shrunk": "its area is smaller by more than --growth",
    "shifted": "its area is neither, but the two dates have less than half of its ground in common",
    "unchanged": "its area is neither, and they have half of its ground or more in common",
    "gone": "no later outline overlaps it",
}
GROWTH = 0.1  # share of the earlier area: outlines of two dates never agree to the pixel
OVERLAP = 0.1  # share of the smaller of two outlines that both must cover to be of one landslide

COMPUTING = ("devices", "jit")  # how a machine gets through the same work: what is trained does not depend on it
SECTIONS = {  # of `train --help` and of a report
    "data": "what is shown",
    "model": "what is trained; the defaults are the paper's (Table 3)",
    "schedule": "for how long and how fast; the defaults are the paper's (Table 4)",
    "loss": "what counts as an error",
    "machine": "how the machine gets through the work",
}


def _setting(default, group: str, text: str, choices: dict[str, str] | None = None, *, least=None, most=None):
    told = {"group": group, "help": text, "choices": choices or {}, "least": least, "most": most}
    return field(default=default, metadata=told)


def _check_range(one: dataclasses.Field, value) -> None:
    """Raise `LandslideError` for a value that is none of the choices, or below or above what is possible."""
    choices, least, most = (one.metadata[name] for name in ("choices", "least", "most"))
    if choices and value not in choices:
        raise unknown_name(flag(one.name), value, choices)
    if least is not None and not least <= value <= (value if most is None else most):
        allowed = f"{least} or more" if most is None else f"{least} to {most}"
        raise LandslideError(f"{flag(one.name)} {value} is not possible; give {allowed}.")


@dataclass(frozen=True)
class Settings:
    """The settings of one training run; the defaults are the paper's, so `departures_from_paper` is a comparison.

    Only the paper's `init_weights` cannot be had, and an epoch shows each image once, where the paper expands them on
    disk first.

    >>> Settings(unfrozen_epochs=20).departures_from_paper()["unfrozen_epochs"]
    (20, 100)
    """

    architecture: str = _setting("pspnet", "model", "the decoder", ARCHITECTURES)
    backbone: str = _setting("mobilenet_v2", "model", "the network below it", BACKBONES)
    backbone_weights: str | None = _setting("imagenet", "model", "imagenet, none, or the path of a .weights.h5 file")
    init_weights: str | None = _setting(
        None,
        "model",
        "start from a .weights.h5 of the same row that train wrote, for any number of classes; instead of "
        "--backbone-weights",
    )
    image_size: int = _setting(
        INPUT_SIZE, "model", "side of the square input in pixels (input_shape)", least=SMALLEST_INPUT
    )
    classes: int = _setting(2, "model", "number of classes, background included", least=2, most=MOST_CLASSES)
    output_stride: int = _setting(8, "model", "8, 16 or, but for vgg16, 32 (downsample_factor); U-Net has none")
    frozen_epochs: int = _setting(50, "schedule", "epochs with the backbone frozen (freeze_epoch); 0 for none", least=0)
    unfrozen_epochs: int = _setting(
        100, "schedule", "epochs with everything trained, after those (unfreeze_epoch)", least=0
    )
    frozen_learning_rate: float = _setting(1e-4, "schedule", "Adam's learning rate while frozen")
    unfrozen_learning_rate: float = _setting(1e-5, "schedule", "Adam's learning rate while unfrozen")
    frozen_batch_size: int = _setting(8, "schedule", "images a step while frozen", least=1)
    unfrozen_batch_size: int = _setting(4, "schedule", "images a step while unfrozen", least=1)
    learning_rate_schedule: str = _setting("constant", "schedule", "how the learning rate goes on", SCHEDULES)
    focal: bool = _setting(True, "loss", "use the focal loss")
    dice: bool = _setting(True, "loss", "use the dice loss; without both, weighted cross-entropy")
    class_weights: tuple[float, ...] = _setting((1.0, 2.0), "loss", "loss weight of each class (cls_weights)")
    weight_averaging: float = _setting(
        0.0,
        "schedule",
        "keep a moving average of the weights over the steps, of this momentum, such as 0.995; 0 for none",
        least=0,
        most=0.9999,
    )
    early_stopping: bool = _setting(
        True, "schedule", "end a phase when validation mIoU has not risen for --patience epochs"
    )
    patience: int = _setting(10, "schedule", "epochs without a better validation mIoU before a phase ends", least=1)
    augmentation: str = _setting("paper", "data", "how images are varied while training", AUGMENTATIONS)
    samples_per_epoch: int = _setting(
        0, "data", f"samples an epoch (Table 2: {PAPER_SAMPLES_PER_EPOCH}); 0: each image once", least=0
    )
    negatives: int | str = _setting(0, "data", "images without landslide added to each epoch, a number or all")
    sampling: str = _setting("squeeze", "data", "how images come into the input", SAMPLINGS)
    zoom: float = _setting(
        1.0, "data", "with --sampling native, pixels of the input for a pixel of an image", least=0.01, most=100
    )
    image_gsd: float = _setting(
        METRES_A_PIXEL,
        "data",
        "metres a pixel of the images (ground sampling distance), for --sampling native",
        least=0.01,
        most=100,
    )
    num_workers: int = _setting(
        0, "machine", "parallel readers (the paper: 1, the result is the same); 0 lets TensorFlow choose", least=0
    )
    eager: bool = _setting(False, "machine", "run step by step without a graph, for debugging; several times slower")
    batch_normalization_momentum: float | None = _setting(
        None, "model", "of every batch normalisation; none for the networks' own"
    )
    aux_branch: bool = _setting(False, "model", "PSPNet: train an auxiliary branch beside the decoder")
    prediction_scale: float = _setting(
        1.0, "model", "size of the input when scoring and predicting, times image_size; not with --sampling native"
    )
    devices: int | str = _setting(
        1, "machine", "GPUs that share each batch, a number or all; the result is that of one"
    )
    precision: str = _setting("float32", "machine", "of the layers' arithmetic; weights have 32 bits", PRECISIONS)
    jit: str = _setting(AUTO, "machine", "whether XLA compiles the step", JIT)
    seed: int = _setting(0, "schedule", "of everything random", least=0, most=MAX_SEED)

    def __post_init__(self):
        for one in dataclasses.fields(self):
            _check_range(one, getattr(self, one.name))
        self._check_count("negatives", 0)
        self._check_count("devices", 1)
        self._check_fractions()
        if self.frozen_epochs + self.unfrozen_epochs == 0:
            raise LandslideError("No epochs to train; give --frozen-epochs or --unfrozen-epochs 1 or more.")

    def _check_fractions(self) -> None:
        if not 0.5 <= self.prediction_scale <= 2:
            raise LandslideError(f"--prediction-scale {self.prediction_scale} is not possible; give one of 0.5 to 2.")
        for name in ("frozen_learning_rate", "unfrozen_learning_rate"):
            if not 0 < getattr(self, name) < 1:
                raise LandslideError(f"{flag(name)} {getattr(self, name)} is not possible; give one between 0 and 1.")
        momentum = self.batch_normalization_momentum
        if momentum is not None and not 0 <= momentum < 1:
            raise LandslideError(f"--batch-normalization-momentum {momentum} is not possible; give 0 or more, below 1.")
        weights = self.class_weights
        if len(weights) != self.classes or not (all(0 <= one < math.inf for one in weights) and any(weights)):
            raise LandslideError(
                f"--class-weights {' '.join(map(str, weights))} does not fit; give one weight of 0 or more for each of "
                f"the {self.classes} classes, not all 0."
            )

    def _check_count(self, name: str, least: int) -> None:
        value = getattr(self, name)
        if value != ALL and not (isinstance(value, int) and value >= least):
            raise LandslideError(f"{flag(name)} {value} is not possible; give a number of {least} or more, or all.")

    @property
    def prediction_size(self) -> int:
        """Side of the square input when scoring and predicting: scaled, in steps of 32 pixels.

        Where images keep their scale, windows have the size that was trained.
        """
        if self.prediction_scale == 1 or self.sampling == "native":
            return self.image_size
        return max(SMALLEST_INPUT, 32 * round(self.image_size * self.prediction_scale / 32))

    def departures_from_paper(self) -> dict[str, tuple]:
        """The settings that are not the paper's: name to (this value, the paper's); `init_weights` never are."""
        ours, paper = dataclasses.asdict(self), dataclasses.asdict(Settings(self.architecture, self.backbone))
        paper |= {"init_weights": PAPER_INIT_WEIGHTS, "samples_per_epoch": PAPER_SAMPLES_PER_EPOCH}
        same = ["seed", "num_workers", *COMPUTING]
        same += ["output_stride"] if self.architecture in WITHOUT_OUTPUT_STRIDE else []
        return {name: (ours[name], paper[name]) for name in ours if ours[name] != paper[name] and name not in same}

    def to_json(self) -> dict:
        """Plain values, for `settings.json` and the weights file."""
        return {**dataclasses.asdict(self), "class_weights": list(self.class_weights)}

    @classmethod
    def from_json(cls, content: dict) -> "Settings":
        """The settings that `to_json` gave; one that the content does not know has its default."""
        return cls(**{**content, "class_weights": tuple(content["class_weights"])})


PRESET_MEANINGS = {
    "paper": "Table 4 of the paper; takes long without a GPU",
    "cpu": "about an hour on two cores: a smaller input, output stride 16, fewer epochs, higher learning rates",
    "table": "cpu with 3 + 17 epochs, an input of 192 and a learning rate of 1e-3: ten minutes to four hours on two "
    "cores, for the six rows",
}
# `cpu` is what two cores do in about an hour on the Bijie images. Its learning rates are 10 and 30 times Table 4's,
# which a short run needs, and at output stride 16 a step costs less than a third of that at 8. Its crops show training
# everything enlarged, so at prediction a larger input fits what was learnt (docs/measurements.md). `table` is what the
# six rows of Table 5 are compared at: one preset for all, small enough for the largest of them. In so few steps a
# learning rate of 1e-3 is better than that of `cpu` by five points of landslide IoU on validation (results/tries.json).
_CPU = {
    "image_size": 352,
    "output_stride": 16,
    "frozen_epochs": 3,
    "unfrozen_epochs": 42,
    "frozen_learning_rate": 1e-3,
    "unfrozen_learning_rate": 3e-4,
    "unfrozen_batch_size": 8,
    "learning_rate_schedule": "cosine",
    "patience": 20,
    "augmentation": "default",
    "batch_normalization_momentum": 0.99,
    "prediction_scale": 1.2,
    "precision": AUTO,
}
PRESETS: dict[str, dict] = {
    "paper": {},
    "cpu": _CPU,
    # In float32 on every processor, so that the rows of a table differ in nothing but the model.
    "table": {
        **_CPU,
        "image_size": 192,
        "unfrozen_epochs": 17,
        "unfrozen_learning_rate": 1e-3,
        "precision": "float32",
    },
}


def preset(name: str, **overrides) -> Settings:
    """The settings called `name`, one of `PRESETS`, with `overrides`.

    >>> preset("cpu", seed=3).seed
    3
    """
    if name not in PRESETS:
        raise unknown_name("preset", name, PRESETS)
    return Settings(**{**PRESETS[name], **overrides})


def flag(name: str) -> str:
    """The command line's flag for a setting."""
    return "--" + name.replace("_", "-")
