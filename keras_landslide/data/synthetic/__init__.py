"""Made-up satellite chips of mountain terrain with landslide scars, for the demo and the tests.

The chips are shaped like those of the Bijie dataset: about 0.8 m per pixel, a scar in or near the middle, sizes that
differ. Bare fields, roads and bare soil are painted from the scar's own colours, so that colour alone does not find
the scar; its shape along the fall line, its rough streaked surface and its rim do.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...console import Track, untracked
from ...files.images import write_image
from .ground import photograph, season_of
from .scar import release_landslides
from .terrain import bare_hills, build_roads, expose_soil, grow_forest, lay_fields

SMALLEST_SIDE = 32


@dataclass(frozen=True)
class Scene:
    """One chip and the landslide in it.

    Attributes:
        image: (H, W, 3) uint8, RGB.
        mask: (H, W) uint8, 0 background, 255 landslide.
    """

    image: np.ndarray
    mask: np.ndarray


def mountain_scene(seed: int, size: tuple[int, int] = (128, 128), *, landslides: int = 1) -> Scene:
    """Paint one chip of mountain terrain.

    Args:
        seed: not negative; the same seed, size and number of landslides give the same bytes.
        size: height and width in pixels, each at least 32.
        landslides: how many scars; together they cover 5 % to 35 % of the chip. With 0 the chip has forest, fields,
            roads and bare soil as any other, and an empty mask.

    Example:
        >>> scene = mountain_scene(7, (96, 128))
        >>> scene.image.shape, scene.image.dtype.name, scene.mask.shape
        ((96, 128, 3), 'uint8', (96, 128))
        >>> sorted(set(scene.mask.ravel().tolist()))
        [0, 255]
        >>> bool(mountain_scene(7, landslides=0).mask.any())
        False
    """
    if min(size) < SMALLEST_SIDE:
        raise ValueError(f"size must be at least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels, got {size}")
    if landslides < 0:
        raise ValueError(f"landslides must not be negative, got {landslides}")
    # Terrain and scar draw from streams of their own: a scene without its scar is otherwise the same place.
    terrain, scars = (np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(2))
    season = season_of(terrain)
    ground = bare_hills(terrain, size)
    grow_forest(terrain, ground, season)
    lay_fields(terrain, ground, season)
    expose_soil(terrain, ground, season)
    build_roads(terrain, ground, season)
    mask = np.zeros(size, np.uint8)
    if landslides:
        mask = release_landslides(scars, ground, season, landslides)
    return Scene(photograph(terrain, ground, season), mask)


def dataset_scene(number: int, *, seed: int = 0, size: int = 128, landslides: int = 1) -> Scene:
    """The chip that `write_dataset` writes under a number (1, 2, ...), without writing it.

    Each side is between 0.75 and 1.25 times `size`, in pixels.

    Example:
        >>> dataset_scene(3, seed=1).image.shape[2]
        3
    """
    rng = np.random.default_rng([seed, number])
    height, width = (int(side) for side in rng.integers(int(np.ceil(0.75 * size)), int(1.25 * size), 2, endpoint=True))
    return mountain_scene(int(rng.integers(2**32)), (height, width), landslides=landslides)


def write_dataset(
    folder: Path,
    count: int,
    *,
    seed: int = 0,
    size: int = 128,
    negatives: int = 0,
    track: Track = untracked,
) -> None:
    """Write a dataset of made-up chips, laid out as the Bijie dataset.

    Writes `landslide/image/NAME.png` (RGB) and `landslide/mask/NAME.png` (one channel, 0 or 255) for `count` chips, and
    `non-landslide/image/NAME.png` for `negatives` more. Names are synth_0001, synth_0002, ...; the chips without a
    landslide go on counting after those with one, so that no name is used twice.

    Args:
        folder: created where missing.
        count: chips with one landslide, 5 % to 35 % of their pixels.
        seed: not negative; the same arguments write the same chips.
        size: typical side in pixels; each side of a chip is between 0.75 and 1.25 of it.
        negatives: chips without a landslide.
        track: may show how far it is (`console.bar`).

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_dataset(folder, 1, size=48, negatives=1)
        >>> sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
        ['landslide/image/synth_0001.png', 'landslide/mask/synth_0001.png', 'non-landslide/image/synth_0002.png']
    """
    folder = Path(folder)
    for number in track(range(1, count + negatives + 1)):
        has_landslide = number <= count
        scene = dataset_scene(number, seed=seed, size=size, landslides=int(has_landslide))
        kind = folder / ("landslide" if has_landslide else "non-landslide")
        name = f"synth_{number:04d}.png"
        write_image(kind / "image" / name, scene.image)
        if has_landslide:
            write_image(kind / "mask" / name, scene.mask)
