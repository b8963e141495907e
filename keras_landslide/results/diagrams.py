"""Figures 1 to 3 from the built models: blocks with what they do and the shape of what leaves them."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
from keras import layers

from ..models.backbones import backbone_named
from ..models.layers import ResizeTo
from ..models.pyramid import Conv2D, PyramidPooling
from ..pictures import save_figure, subplots

# Which layers stand in one block, by architecture; a layer that no pattern knows is a block of its own.
BLOCKS = {
    "unet": {r"(?:up|join|decoder)_(\d).*": r"decoder \1"},
    "deeplabv3plus": {
        r"branch_(point|mean|atrous_\d).*": r"branch \1",
        "branches|projection.*": "projection",
        "fine.*": "fine features",
        "(?:to_fine|with_fine|decoder_).*": "decoder",
    },
    "pspnet": {
        r"pyramid_(\d).*": r"bins \1",
        "fuse.*|dropout": "fuse",
    },
}
SHARED_BLOCKS = {r"normalise|flip\w*": "image", "head|to_input_size|probabilities": "probabilities"}
BRANCHES = ("point", "atrous_1", "atrous_2", "atrous_3", "mean")
# (x, y) of each block in box widths and rows; U-Net's follow from its stages.
POSITIONS = {
    "deeplabv3plus": {
        "image": (0, 2),
        "stride_4": (0, 4.2),
        "stride_32": (1, 2),
        **{f"branch {name}": (2, row) for row, name in enumerate(BRANCHES)},
        "projection": (3, 2),
        "fine features": (1, 5.2),
        "decoder": (3, 5.2),
        "probabilities": (4, 5.2),
    },
    "pspnet": {
        "image": (0, 0),
        "stride_32": (1, 0),
        "pool": (2, 2.5),
        **{f"bins {bins}": (3, row) for row, bins in enumerate((1, 2, 3, 6), start=1)},
        "fuse": (4, 0),
        "probabilities": (5, 0),
    },
}
FIGURES = {"unet": "Figure 1", "deeplabv3plus": "Figure 2", "pspnet": "Figure 3"}
BOX_WIDTH, BOX_HEIGHT, FONT_SIZE = 0.78, 0.74, 6.5  # of a column, of a row, in points at print size
COLUMN, ROW = 1.5, 0.95  # inches


@dataclass(frozen=True)
class Block:
    """A box: its name and title, what its layers do in order, the shape of what leaves it, the blocks that feed it."""

    name: str
    title: str
    operations: tuple[str, ...]
    shape: tuple[int | None, ...]
    inputs: tuple[str, ...]


def blocks(model: keras.Model) -> list[Block]:
    """The blocks of a model of `build_model`, in order, read from its graph.

    The backbone is one block for each of its features that the decoder takes, named `stride_…` as they are.

    >>> from keras_landslide.models import build_model
    >>> model = build_model("pspnet", "mobilenet", input_shape=(64, 64, 3), backbone_weights=None)
    >>> [(block.name, block.inputs) for block in blocks(model)][1:3]
    [('stride_32', ('image',)), ('pool', ('stride_32',))]
    """
    architecture, backbone_name = model.name.split("_", 1)
    patterns = SHARED_BLOCKS | BLOCKS[architecture]
    backbone = model.get_layer("backbone")
    strides = keras.tree.flatten({key: key for key in backbone.output})  # the order in which Keras numbers them
    taken: dict[str, tuple] = {}
    members: dict[str, list] = {}
    feeds: dict[str, list[str]] = {}
    for operation in model.operations:
        if operation is backbone:
            continue
        name = _block_name(operation.name, patterns)
        members.setdefault(name, []).append(operation)
        for tensor in _inputs(operation):
            source = tensor._keras_history
            if source.operation is backbone:
                feeding = strides[source.tensor_index]
                taken[feeding] = tuple(tensor.shape[1:])
            else:
                feeding = _block_name(source.operation.name, patterns)
            if feeding != name and feeding not in feeds.setdefault(name, []):
                feeds[name].append(feeding)
    found = [_block("image", members.pop("image"), ())]
    found += _backbone_blocks(backbone_name, taken, found[0].shape[0])
    return found + [_block(name, operations, feeds[name]) for name, operations in members.items()]


def _inputs(operation) -> Sequence:
    if isinstance(operation, layers.InputLayer):
        return []
    if isinstance(operation, ResizeTo):  # its second input gives nothing but a size
        return operation.input[:1]
    return operation.input if isinstance(operation.input, list) else [operation.input]


def _block_name(layer: str, patterns: dict[str, str]) -> str:
    for pattern, name in patterns.items():
        match = re.fullmatch(pattern, layer)
        if match:
            return match.expand(name)
    return layer


def _block(name: str, operations: Sequence, inputs: Sequence[str]) -> Block:
    counted = Counter(text for operation in operations for text in _said(operation))
    texts = tuple(f"{number} × {text}" if number > 1 else text for text, number in counted.items())
    leaving = keras.tree.flatten(operations[-1].output)[-1]  # of the pyramid's means the finest
    return Block(name, name.replace("_", " "), texts, tuple(leaving.shape[1:]), tuple(inputs))


def _backbone_blocks(backbone: str, taken: dict[str, tuple], side: int | None) -> list[Block]:
    """One block a feature that is used, each computed from the one before; the title has the actual stride."""
    found, before = [], "image"
    for stride, layer in backbone_named(backbone).taps.items():
        name = f"stride_{stride}"
        if name in taken:
            actual = stride if side is None else 2 ** round(math.log2(side / taken[name][0]))
            found.append(Block(name, f"stride {actual}", (f"{backbone} to", layer), taken[name], (before,)))
            before = name
    return found


def _said(operation) -> tuple[str, ...]:
    """What a layer does, each in a few words; nothing for what every convolution is followed by."""
    if isinstance(operation, layers.DepthwiseConv2D):
        rate = operation.dilation_rate[0]
        return (f"depthwise {_kernel(operation)}" + (f", rate {rate}" if rate > 1 else ""),)
    if isinstance(operation, layers.Conv2D):
        joining = ("resize", "join") if isinstance(operation, Conv2D) else ()
        return (*joining, f"convolution {_kernel(operation)}")
    if isinstance(operation, PyramidPooling):
        return tuple(f"mean of {bins}×{bins} windows" for bins in operation.bins)
    said = {
        ResizeTo: "resize",
        layers.Concatenate: "join",
        layers.Dropout: "dropout",
        layers.GlobalAveragePooling2D: "mean of all",
        layers.Rescaling: "normalise",
        layers.Softmax: "softmax",
    }
    return (said[type(operation)],) if type(operation) in said else ()


def _kernel(operation) -> str:
    return "×".join(map(str, operation.kernel_size))


def figure_name(row: str) -> str:
    """The file name of a row's figure.

    >>> figure_name("pspnet_resnet50")
    'figure3_pspnet_resnet50.png'
    """
    return f"{FIGURES[row.split('_', 1)[0]].replace(' ', '').lower()}_{row}.png"


def draw_model(model: keras.Model, path: Path | str) -> None:
    """Draw the blocks of `model`, built for one input size, as Figures 1 to 3 do, into the PNG file `path`."""
    architecture = model.name.split("_", 1)[0]
    found = blocks(model)
    places = _u_shape(found) if architecture == "unet" else POSITIONS[architecture]
    columns, rows = (max(place[axis] for place in places.values()) + 1 for axis in (0, 1))
    figure, ((axis,),) = subplots(1, 1, figsize=(columns * COLUMN, rows * ROW + 0.3))
    axis.set(xlim=(0, columns), ylim=(rows, 0))
    axis.axis("off")
    for block in found:
        for source in block.inputs:
            _draw_arrow(axis, places[source], places[block.name])
        _draw_box(axis, block, places[block.name])
    axis.set_title(f"{FIGURES[architecture]}: {model.name}, {model.count_params() / 1e6:.1f} M parameters", fontsize=9)
    save_figure(figure, path, dpi=200)


def _u_shape(found: Sequence[Block]) -> dict[str, tuple[float, float]]:
    """Down on the left with the encoder, up on the right with the decoder, each stage in the row of its skip."""
    strides = [block.name for block in found if block.name.startswith("stride_")]
    first = 0 if "stride_1" in strides else 1  # the row of the finest features
    places = {name: (1.0, float(first + row)) for row, name in enumerate(strides)}
    places |= {"image": (0.0, 0.0), "probabilities": (3.4, 0.0)}
    stages = [block.name for block in found if block.name.startswith("decoder")]
    bottom = first + len(strides) - 2
    return places | {name: (2.4, float(bottom - row)) for row, name in enumerate(stages)}


COLOURS = {"image": "#e8e8e8", "probabilities": "#e8e8e8", "stride": "#cfe3f5"}
DECODER_COLOUR = "#fbe3c8"


def _draw_box(axis, block: Block, place: tuple[float, float]) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = place
    colour = COLOURS.get(block.name.split("_")[0], DECODER_COLOUR)
    corner = (x + (1 - BOX_WIDTH) / 2, y + (1 - BOX_HEIGHT) / 2)
    style = {
        "boxstyle": "round,pad=0,rounding_size=0.04",
        "facecolor": colour,
        "edgecolor": "#555555",
        "linewidth": 0.6,
    }
    axis.add_patch(FancyBboxPatch(corner, BOX_WIDTH, BOX_HEIGHT, zorder=2, **style))
    shape = " × ".join(map(str, block.shape))
    lines = [rf"$\bf{{{block.title.replace(' ', '~')}}}$", *block.operations, shape]
    axis.text(
        x + 0.5, y + 0.5, "\n".join(lines), ha="center", va="center", fontsize=FONT_SIZE, linespacing=1.15, zorder=3
    )


def _draw_arrow(axis, source: tuple[float, float], target: tuple[float, float]) -> None:
    """From the side of a box that faces the other to the side that faces back."""
    (x, y), (to_x, to_y) = source, target
    across = (BOX_WIDTH / 2 if to_x > x else -BOX_WIDTH / 2) if abs(to_x - x) > 0.5 else 0.0
    down = 0.0 if across else (BOX_HEIGHT / 2 if to_y > y else -BOX_HEIGHT / 2)
    start, end = (x + 0.5 + across, y + 0.5 + down), (to_x + 0.5 - across, to_y + 0.5 - down)
    axis.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "#444444", "linewidth": 0.8}, zorder=1)
