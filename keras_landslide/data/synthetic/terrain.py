"""What stands on a mountain slope without a landslide: forest, fields, worn ground, roads.

Bare fields, roads and bare soil are painted from the scar's own colours.
"""

import cv2
import numpy as np

from .ground import Ground, Season, blend, fractal, grain, soil_colour


def bare_hills(rng: np.random.Generator, size: tuple[int, int]) -> Ground:
    """A slope that falls one way on the whole, with fractal ridges and gullies on it."""
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)
    direction = rng.uniform(0, 2 * np.pi)
    slope = rng.uniform(0.25, 0.55)
    scale = float(np.mean(size))
    height = -slope * (columns * np.float32(np.cos(direction)) + rows * np.float32(np.sin(direction)))
    height += np.float32(0.068 * scale) * fractal(rng, size, 2.3, coarsest=scale)
    return Ground(height, np.zeros(size, np.float32), np.zeros((*size, 3), np.float32))


def grow_forest(rng: np.random.Generator, ground: Ground, season: Season) -> None:
    """Grass and scrub everywhere, and stands of trees whose crowns throw shade."""
    size = ground.height.shape
    mottle = fractal(rng, size, 1.2)
    ground.colour[:] = season.grass * (1 + 0.09 * mottle[..., None])
    stands = fractal(rng, size, 1.9)
    edge = np.quantile(stands, 1 - rng.uniform(0.45, 0.8))
    forest = np.clip((stands - edge) * 5 + 0.5, 0, 1)
    crowns = grain(rng, size, rng.uniform(1.3, 1.9))
    blend(ground.colour, forest, season.canopy * (1 + 0.12 * crowns + 0.10 * mottle)[..., None])
    ground.relief += forest * crowns * np.float32(0.9) + (1 - forest) * np.maximum(crowns - 1.2, 0) * np.float32(0.9)


def _parcels(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Cut the chip into four-sided parcels: the number of each pixel's parcel, and a coordinate across the furrows."""
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)
    turn = rng.uniform(0, np.pi)
    shear = turn + np.pi / 2 + rng.normal(0, 0.15)
    across = columns * np.float32(np.cos(turn)) + rows * np.float32(np.sin(turn))
    along = columns * np.float32(np.cos(shear)) + rows * np.float32(np.sin(shear))
    reach = sum(size)
    strip_edges = np.cumsum(rng.uniform(9, 26, 2 * reach // 9)) - reach
    strip = np.searchsorted(strip_edges, across)
    # Each strip is cut at places of its own, so that the parcels do not line up as on a chessboard.
    shift = rng.uniform(0, 60, len(strip_edges) + 1)
    plot_edges = np.cumsum(rng.uniform(18, 44, 2 * reach // 18)) - reach
    plot = np.searchsorted(plot_edges, along + shift[strip])
    _, parcel = np.unique(strip * (len(plot_edges) + 1) + plot, return_inverse=True)
    return parcel.reshape(size), across


def lay_fields(rng: np.random.Generator, ground: Ground, season: Season) -> None:
    """A block of smooth, straight-edged fields, some with crops and some bare in the colours of a scar."""
    size = ground.height.shape
    parcel, across = _parcels(rng, size)
    area = np.bincount(parcel.ravel())
    # Fields lie together: parcels join the block in the order of a smooth field's mean over them.
    nearness = np.bincount(parcel.ravel(), weights=fractal(rng, size, 2.5).ravel()) / area
    block = np.argsort(-nearness)
    block = block[: 1 + np.searchsorted(np.cumsum(area[block]), rng.uniform(0.25, 0.5) * area.sum())]
    bare = rng.permutation(block)
    bare = bare[: 1 + np.searchsorted(np.cumsum(area[bare]), rng.uniform(0.08, 0.24) * area.sum())]
    is_field = np.zeros(len(area), np.float32)
    is_field[block] = 1
    colours = season.crops[rng.integers(len(season.crops), size=len(area))] * rng.uniform(0.85, 1.15, (len(area), 1))
    colours[bare] = [soil_colour(rng, season) for _ in bare]
    furrows = np.sin(across * np.float32(2 * np.pi / rng.uniform(2.8, 4.5)))
    depth = rng.uniform(0, 0.05, len(area))[parcel]
    surface = colours[parcel] * (1 + depth * furrows + 0.02 * grain(rng, size, 2.0))[..., None]
    inside = is_field[parcel]
    blend(ground.colour, inside, surface.astype(np.float32))
    ground.relief *= 1 - inside
    number = parcel.astype(np.float32)
    hedge = (cv2.dilate(number, np.ones((2, 2))) != number) & (inside > 0)
    blend(ground.colour, 0.55 * hedge.astype(np.float32), season.grass * 0.8)


def expose_soil(rng: np.random.Generator, ground: Ground, season: Season) -> None:
    """Worn ground: rounded patches of soil with soft edges and a few shrubs, lying any way on the slope."""
    size = ground.height.shape
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)
    dents = 0.3 * fractal(rng, size, 1.8, coarsest=0.25 * float(np.mean(size)))
    mottle = 1 + 0.06 * fractal(rng, size, 1.0)
    shrubs = np.clip(grain(rng, size, 1.4) - 1.3, 0, 1)
    for _ in range(rng.integers(1, 4)):
        radius = np.float32(rng.uniform(0.07, 0.15) * np.mean(size))
        x, y = rng.uniform(0, size[1]), rng.uniform(0, size[0])
        distance = np.hypot(columns - np.float32(x), rows - np.float32(y))
        patch = np.clip((1 - distance / radius + dents) * 3 + 0.3, 0, 1)
        blend(ground.colour, patch * (1 - 0.8 * shrubs), soil_colour(rng, season) * mottle[..., None])
        ground.relief *= 1 - patch
        ground.relief += patch * shrubs


def build_roads(rng: np.random.Generator, ground: Ground, season: Season) -> None:
    """Dirt roads: narrow bands that wind from one edge of the chip to the other, whatever way the slope falls."""
    size = np.array(ground.height.shape, float)
    for _ in range(rng.integers(1, 3)):
        heading = rng.uniform(0, 2 * np.pi)
        forward, sideways = np.array([np.cos(heading), np.sin(heading)]), np.array([-np.sin(heading), np.cos(heading)])
        distance = np.linspace(-1.3, 1.3, 100)[:, None] * size.max()
        waves = rng.uniform(0.02, 0.09, 3) * size.mean() / np.array([1, 2, 3.5])
        bends = sum(
            wave * np.sin(distance * 2 * np.pi * turns / size.max() + rng.uniform(0, 2 * np.pi))
            for wave, turns in zip(waves, (0.8, 1.7, 3.1), strict=True)
        )
        middle = size[::-1] * rng.uniform(0.15, 0.85, 2)
        path = middle + distance * forward + bends * sideways
        band = np.zeros(ground.height.shape, np.uint8)
        cv2.polylines(band, [np.round(path * 16).astype(np.int32)], False, 255, int(rng.integers(2, 6)), cv2.LINE_AA, 4)
        weight = band.astype(np.float32) / 255
        blend(ground.colour, weight, soil_colour(rng, season) * np.float32(1.05))
        ground.relief *= 1 - weight
