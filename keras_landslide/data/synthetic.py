"""Made-up satellite chips of mountain terrain with landslide scars, for the demo and the tests.

The chips are shaped like those of the Bijie dataset: about 0.8 m per pixel, a scar in or near the middle, sizes that
differ. Bare fields, roads and bare soil are painted from the scar's own colours, so that colour alone does not find
the scar; its shape along the fall line, its rough streaked surface and its rim do.

All lengths and heights are in pixels, all colours are RGB reflectances from 0 to 1, and "x" runs along the
columns, "y" along the rows.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..console import Track, untracked
from ..files.images import write_image

SMALLEST_SHARE = 0.05
LARGEST_SHARE = 0.35
SMALLEST_SIDE = 32

_SOIL = np.array([(0.60, 0.45, 0.30), (0.64, 0.53, 0.38), (0.55, 0.38, 0.26), (0.57, 0.50, 0.40)], np.float32)
_CANOPY = np.array([(0.16, 0.27, 0.13), (0.13, 0.24, 0.15), (0.24, 0.29, 0.13)], np.float32)
_GRASS = np.array([(0.33, 0.42, 0.21), (0.44, 0.43, 0.26), (0.29, 0.38, 0.20)], np.float32)
_CROPS = np.array([(0.30, 0.45, 0.20), (0.40, 0.48, 0.24), (0.24, 0.36, 0.18), (0.50, 0.49, 0.27)], np.float32)


@dataclass(frozen=True)
class Scene:
    """One chip and the landslide in it.

    Attributes:
        image: (H, W, 3) uint8, RGB.
        mask: (H, W) uint8, 0 background, 255 landslide.
    """

    image: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class _Season:
    """What all objects of one scene share: the colour of soil and plants, and the light."""

    soil: np.ndarray
    canopy: np.ndarray
    grass: np.ndarray
    crops: np.ndarray
    sun: np.ndarray
    light: np.ndarray
    haze: float


@dataclass
class _Ground:
    """A scene while it is being painted; each step changes the arrays in place.

    Attributes:
        height: (H, W) float32, bare ground without plants, pixels.
        relief: (H, W) float32, what stands on the ground or is cut into it and throws shade: trees, boulders, scarps.
        colour: (H, W, 3) float32, reflectance.
    """

    height: np.ndarray
    relief: np.ndarray
    colour: np.ndarray


@dataclass(frozen=True)
class _Scar:
    """Where one landslide is: coordinates of every pixel along and across its path down the slope.

    Attributes:
        along: (H, W) float32, 0 at the crown, 1 at the toe.
        across: (H, W) float32, signed distance from the path, pixels.
        inside: (H, W) float32, larger is deeper inside; the outline is a contour line of this field.
        length: length of the path, pixels.
    """

    along: np.ndarray
    across: np.ndarray
    inside: np.ndarray
    length: float


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
    season = _season(terrain)
    ground = _bare_hills(terrain, size)
    _grow_forest(terrain, ground, season)
    _lay_fields(terrain, ground, season)
    _expose_soil(terrain, ground, season)
    _build_roads(terrain, ground, season)
    mask = np.zeros(size, np.uint8)
    if landslides:
        mask = _release_landslides(scars, ground, season, landslides)
    return Scene(_photograph(terrain, ground, season), mask)


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


def _fractal(rng: np.random.Generator, size: tuple[int, int], roughness: float, coarsest: float = 1e9) -> np.ndarray:
    """Noise by spectral synthesis: (H, W) float32, mean 0, deviation 1, amplitude falling as frequency ** -roughness.

    Waves longer than `coarsest` pixels are held at the amplitude of that wavelength.
    """
    # The synthesis repeats at its border; a larger plate, cut, hides that the left edge continues on the right.
    rows, columns = (cv2.getOptimalDFTSize(int(side * 1.15)) for side in size)
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None, :]).astype(np.float32)
    frequency[0, 0] = 1.0
    amplitude = np.maximum(frequency, np.float32(1 / coarsest)) ** np.float32(-roughness)
    amplitude[0, 0] = 0.0
    white = rng.standard_normal((*frequency.shape, 2), np.float32)
    # Pairs of reals side by side are complex numbers already.
    spectrum = (white * amplitude[..., None]).view(np.complex64)[..., 0]
    plate = np.fft.irfft2(spectrum, s=(rows, columns))
    noise = plate[: size[0], : size[1]].astype(np.float32)
    return (noise - noise.mean()) / noise.std()


def _grain(rng: np.random.Generator, size: tuple[int, int], sigma: float) -> np.ndarray:
    """Blotches about 2 to 3 `sigma` pixels wide: (H, W) float32, mean 0, deviation 1."""
    noise = cv2.GaussianBlur(rng.standard_normal(size, np.float32), (0, 0), sigma)
    return (noise - noise.mean()) / noise.std()


def _gradient(height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rise per pixel towards larger x and towards larger y of an (H, W) float32 height."""
    x, y = (cv2.Sobel(height, cv2.CV_32F, dx, 1 - dx, scale=1 / 8) for dx in (1, 0))
    return x, y


def _blend(colour: np.ndarray, weight: np.ndarray, target: np.ndarray) -> None:
    """Paint `target` over `colour` in place, as opaque as `weight` (H, W) from 0 to 1."""
    colour += weight[..., None] * (target - colour)


def _pick(rng: np.random.Generator, palette: np.ndarray) -> np.ndarray:
    """A colour between those of a palette: (3,) float32."""
    return rng.dirichlet(np.full(len(palette), 0.7)).astype(np.float32) @ palette


def _season(rng: np.random.Generator) -> _Season:
    """Draw the colours and the light of a scene."""
    azimuth, elevation = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(38, 62))
    sun = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    warmth = rng.uniform(-0.05, 0.05)
    return _Season(
        soil=_pick(rng, _SOIL),
        canopy=_pick(rng, _CANOPY),
        grass=_pick(rng, _GRASS),
        crops=_CROPS * rng.uniform(0.85, 1.15),
        sun=sun.astype(np.float32),
        light=(rng.uniform(0.85, 1.12) * np.array([1 + warmth, 1.0, 1 - warmth])).astype(np.float32),
        haze=float(rng.uniform(0.0, 0.08)),
    )


def _soil_colour(rng: np.random.Generator, season: _Season) -> np.ndarray:
    """A bare surface's own shade of the scene's soil; scars, fields, roads and patches all draw from here."""
    return season.soil * np.float32(rng.uniform(0.78, 1.2)) + rng.normal(0, 0.012, 3).astype(np.float32)


def _bare_hills(rng: np.random.Generator, size: tuple[int, int]) -> _Ground:
    """A slope that falls one way on the whole, with fractal ridges and gullies on it."""
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)
    direction = rng.uniform(0, 2 * np.pi)
    slope = rng.uniform(0.25, 0.55)
    scale = float(np.mean(size))
    height = -slope * (columns * np.float32(np.cos(direction)) + rows * np.float32(np.sin(direction)))
    height += np.float32(0.068 * scale) * _fractal(rng, size, 2.3, coarsest=scale)
    return _Ground(height, np.zeros(size, np.float32), np.zeros((*size, 3), np.float32))


def _grow_forest(rng: np.random.Generator, ground: _Ground, season: _Season) -> None:
    """Grass and scrub everywhere, and stands of trees whose crowns throw shade."""
    size = ground.height.shape
    mottle = _fractal(rng, size, 1.2)
    ground.colour[:] = season.grass * (1 + 0.09 * mottle[..., None])
    stands = _fractal(rng, size, 1.9)
    edge = np.quantile(stands, 1 - rng.uniform(0.45, 0.8))
    forest = np.clip((stands - edge) * 5 + 0.5, 0, 1)
    crowns = _grain(rng, size, rng.uniform(1.3, 1.9))
    _blend(ground.colour, forest, season.canopy * (1 + 0.12 * crowns + 0.10 * mottle)[..., None])
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


def _lay_fields(rng: np.random.Generator, ground: _Ground, season: _Season) -> None:
    """A block of smooth, straight-edged fields, some with crops and some bare in the colours of a scar."""
    size = ground.height.shape
    parcel, across = _parcels(rng, size)
    area = np.bincount(parcel.ravel())
    # Fields lie together: parcels join the block in the order of a smooth field's mean over them.
    nearness = np.bincount(parcel.ravel(), weights=_fractal(rng, size, 2.5).ravel()) / area
    block = np.argsort(-nearness)
    block = block[: 1 + np.searchsorted(np.cumsum(area[block]), rng.uniform(0.25, 0.5) * area.sum())]
    bare = rng.permutation(block)
    bare = bare[: 1 + np.searchsorted(np.cumsum(area[bare]), rng.uniform(0.08, 0.24) * area.sum())]
    is_field = np.zeros(len(area), np.float32)
    is_field[block] = 1
    colours = season.crops[rng.integers(len(season.crops), size=len(area))] * rng.uniform(0.85, 1.15, (len(area), 1))
    colours[bare] = [_soil_colour(rng, season) for _ in bare]
    furrows = np.sin(across * np.float32(2 * np.pi / rng.uniform(2.8, 4.5)))
    depth = rng.uniform(0, 0.05, len(area))[parcel]
    surface = colours[parcel] * (1 + depth * furrows + 0.02 * _grain(rng, size, 2.0))[..., None]
    inside = is_field[parcel]
    _blend(ground.colour, inside, surface.astype(np.float32))
    ground.relief *= 1 - inside
    number = parcel.astype(np.float32)
    hedge = (cv2.dilate(number, np.ones((2, 2))) != number) & (inside > 0)
    _blend(ground.colour, 0.55 * hedge.astype(np.float32), season.grass * 0.8)


def _expose_soil(rng: np.random.Generator, ground: _Ground, season: _Season) -> None:
    """Worn ground: rounded patches of soil with soft edges and a few shrubs, lying any way on the slope."""
    size = ground.height.shape
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)
    dents = 0.3 * _fractal(rng, size, 1.8, coarsest=0.25 * float(np.mean(size)))
    mottle = 1 + 0.06 * _fractal(rng, size, 1.0)
    shrubs = np.clip(_grain(rng, size, 1.4) - 1.3, 0, 1)
    for _ in range(rng.integers(1, 4)):
        radius = np.float32(rng.uniform(0.07, 0.15) * np.mean(size))
        x, y = rng.uniform(0, size[1]), rng.uniform(0, size[0])
        distance = np.hypot(columns - np.float32(x), rows - np.float32(y))
        patch = np.clip((1 - distance / radius + dents) * 3 + 0.3, 0, 1)
        _blend(ground.colour, patch * (1 - 0.8 * shrubs), _soil_colour(rng, season) * mottle[..., None])
        ground.relief *= 1 - patch
        ground.relief += patch * shrubs


def _build_roads(rng: np.random.Generator, ground: _Ground, season: _Season) -> None:
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
        _blend(ground.colour, weight, _soil_colour(rng, season) * np.float32(1.05))
        ground.relief *= 1 - weight


def _walk(fall: np.ndarray, start: np.ndarray, pace: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Follow a field of slopes `fall` (2, H, W) from a point (x, y): places and headings, both (steps, 2)."""
    overall = fall.mean(axis=(1, 2))
    limit = np.array(fall.shape[:0:-1]) - 1
    place, heading = start, np.zeros(2)
    places, headings = [], []
    for _ in range(steps):
        column, row = np.clip(place, 0, limit).astype(int)
        # A mass on the move does not turn at once, and the slope as a whole pulls it too, not only the hollow it is in.
        heading = heading + 0.4 * fall[:, row, column] + 0.15 * overall
        heading = heading / (np.hypot(*heading) + 1e-6)
        places.append(place)
        headings.append(heading)
        place = place + heading * pace
    return np.array(places, np.float32), np.array(headings, np.float32)


def _fall_line(ground: _Ground, centre: np.ndarray, length: float) -> tuple[np.ndarray, np.ndarray]:
    """The way down through a point (x, y), from half a `length` above it to half a `length` below it.

    Returns 21 places (x, y) and the unit vectors downhill there, both (21, 2) float32.
    """
    fall = -np.stack(_gradient(cv2.GaussianBlur(ground.height, (0, 0), 5)))
    below, heading_below = _walk(fall, centre, length / 20, 11)
    above, heading_above = _walk(-fall, centre, length / 20, 11)
    return np.concatenate([above[:0:-1], below]), np.concatenate([-heading_above[:0:-1], heading_below])


def _trace_scar(rng: np.random.Generator, ground: _Ground, centre: np.ndarray, area: float) -> _Scar:
    """Lay out one scar of about `area` pixels whose path down the slope has its middle at `centre` (x, y)."""
    size = ground.height.shape
    elongation = rng.uniform(2.0, 3.8)
    length = float(min(np.sqrt(area * elongation), 0.9 * max(size)))
    half_width = area / length / 2
    places, headings = _fall_line(ground, centre, length)
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)
    # The nearest place has the largest p.q - q.q / 2, which is one matrix product instead of a distance each.
    closeness = np.stack([columns, rows], axis=-1) @ places.T - (places**2).sum(axis=1) / 2
    nearest = np.argmax(closeness, axis=-1)
    heading_x, heading_y = headings.T[:, nearest]
    offset_x, offset_y = columns - places[nearest, 0], rows - places[nearest, 1]
    step = nearest.astype(np.float32) / np.float32(len(places) - 1)
    along = step + (offset_x * heading_x + offset_y * heading_y) / np.float32(length)
    across = offset_y * heading_x - offset_x * heading_y
    # A round crown, a narrower track and a toe that spreads.
    stations = (0.0, 0.06, 0.2, 0.5, 0.8, 0.94, 1.0)
    widths = (0.35, 0.75, 1.0, rng.uniform(0.55, 0.95), rng.uniform(0.8, 1.4), rng.uniform(0.6, 1.1), 0.3)
    profile = np.float32(half_width) * np.interp(along, stations, widths).astype(np.float32)
    beyond = np.maximum(np.maximum(-along, along - 1), 0) * np.float32(length)
    lobes = _fractal(rng, size, 1.7, coarsest=1.5 * half_width)
    inside = profile - np.hypot(across, 2.5 * beyond) + np.float32(0.25 * half_width) * lobes
    return _Scar(along, across, inside, length)


def _outline(scars: list[_Scar], share: float) -> np.ndarray:
    """The mask of scars that cover about `share` of the chip: (H, W) bool, one connected piece for each scar."""
    inside = np.max([scar.inside for scar in scars], axis=0)
    # Taking the contour line that encloses the wanted share keeps it whatever the path ran into.
    mask = cv2.medianBlur((inside > np.quantile(inside, 1 - share)).astype(np.uint8), 5)
    _, piece, facts, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    largest = np.argsort(-facts[1:, cv2.CC_STAT_AREA])[: len(scars)] + 1
    kept = np.isin(piece, largest).astype(np.uint8)
    # Islets of a few pixels that the noise left inside belong to the scar, as they would for a person outlining it.
    return cv2.morphologyEx(kept, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0


def _release_landslides(rng: np.random.Generator, ground: _Ground, season: _Season, count: int) -> np.ndarray:
    """Cut `count` scars into the ground; returns their mask, (H, W) uint8, 0 or 255."""
    size = np.array(ground.height.shape[::-1], float)
    for _ in range(50):
        share = rng.uniform(0.08, 0.27)
        # A single scar lies near the middle; several spread out so as not to run into one.
        spread = 0.07 if count == 1 else 0.28
        centres = size * (0.5 + rng.uniform(-spread, spread, (count, 2)))
        scars = [_trace_scar(rng, ground, centre, share * size.prod() / count) for centre in centres]
        mask = _outline(scars, share)
        if SMALLEST_SHARE <= mask.mean() <= LARGEST_SHARE:
            break
    else:
        raise RuntimeError("could not place the landslides within the range of shares")
    for scar in scars:
        _paint_scar(
            rng, ground, season, scar, mask & (scar.inside >= np.max([other.inside for other in scars], axis=0))
        )
    return mask.astype(np.uint8) * 255


def _paint_scar(rng: np.random.Generator, ground: _Ground, season: _Season, scar: _Scar, mask: np.ndarray) -> None:
    """Strip a scar of its plants, cut it into the slope and colour it: light crown, streaks, rubble, tufts."""
    size = mask.shape
    # Streaks are noise sampled in the scar's own coordinates, stretched along its path.
    plate = _grain(rng, (256, 256), 1.2)
    stretch = rng.uniform(4.5, 8.0)
    down = scar.along * np.float32(scar.length / stretch)
    streaks = cv2.remap(plate, scar.across + 128, down + 64, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    rubble = _grain(rng, size, 0.9)
    along = np.clip(scar.along, 0, 1)
    crown = np.exp(-((along / np.float32(0.22)) ** 2))
    contrast = rng.uniform(0.05, 0.09)
    tone = 1 + contrast * streaks + 0.08 * rubble + rng.uniform(0.08, 0.2) * (crown - 0.3)
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.6)
    tufts = np.clip(_grain(rng, size, 1.5) - rng.uniform(1.5, 2.3), 0, 1)
    _blend(ground.colour, soft * (1 - 0.8 * tufts), _soil_colour(rng, season) * tone[..., None])
    depth = np.minimum(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3), 4) / 4
    ground.relief *= 1 - soft
    ground.relief += depth * (np.float32(3.5) * along - np.float32(2.2))
    ground.relief += soft * (np.float32(0.5) * rubble + np.float32(0.55) * streaks + tufts)


def _photograph(rng: np.random.Generator, ground: _Ground, season: _Season) -> np.ndarray:
    """Light the ground from the sun and take the picture: (H, W, 3) uint8, RGB."""
    surface = ground.height + ground.relief
    east, south = _gradient(surface)
    facing = (season.sun[2] - east * season.sun[0] - south * season.sun[1]) / np.sqrt(1 + east**2 + south**2)
    shade = 0.42 + 0.72 * np.maximum(facing, 0)
    bright = ground.colour * shade[..., None] * season.light
    bright = bright * (1 - season.haze) + np.array([0.62, 0.68, 0.76], np.float32) * season.haze
    bright = cv2.GaussianBlur(bright.astype(np.float32), (0, 0), 0.55)
    bright += rng.standard_normal(bright.shape, np.float32) * np.float32(0.008)
    return np.clip(np.rint(bright * 255), 0, 255).astype(np.uint8)
