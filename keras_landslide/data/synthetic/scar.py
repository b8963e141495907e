"""Landslides: where a scar runs down the slope, its outline, and how it looks."""

from dataclasses import dataclass

import cv2
import numpy as np

from .ground import Ground, Season, blend, fractal, gradient, grain, soil_colour

SMALLEST_SHARE = 0.05  # of the scene, of all its scars together
LARGEST_SHARE = 0.35


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


def _fall_line(ground: Ground, centre: np.ndarray, length: float) -> tuple[np.ndarray, np.ndarray]:
    """The way down through a point (x, y), from half a `length` above it to half a `length` below it.

    Returns 21 places (x, y) and the unit vectors downhill there, both (21, 2) float32.
    """
    fall = -np.stack(gradient(cv2.GaussianBlur(ground.height, (0, 0), 5)))
    below, heading_below = _walk(fall, centre, length / 20, 11)
    above, heading_above = _walk(-fall, centre, length / 20, 11)
    return np.concatenate([above[:0:-1], below]), np.concatenate([-heading_above[:0:-1], heading_below])


def _trace_scar(rng: np.random.Generator, ground: Ground, centre: np.ndarray, area: float) -> _Scar:
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
    lobes = fractal(rng, size, 1.7, coarsest=1.5 * half_width)
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


def release_landslides(rng: np.random.Generator, ground: Ground, season: Season, count: int) -> np.ndarray:
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


def _paint_scar(rng: np.random.Generator, ground: Ground, season: Season, scar: _Scar, mask: np.ndarray) -> None:
    """Strip a scar of its plants, cut it into the slope and colour it: light crown, streaks, rubble, tufts."""
    size = mask.shape
    # Streaks are noise sampled in the scar's own coordinates, stretched along its path.
    plate = grain(rng, (256, 256), 1.2)
    stretch = rng.uniform(4.5, 8.0)
    down = scar.along * np.float32(scar.length / stretch)
    streaks = cv2.remap(plate, scar.across + 128, down + 64, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    rubble = grain(rng, size, 0.9)
    along = np.clip(scar.along, 0, 1)
    crown = np.exp(-((along / np.float32(0.22)) ** 2))
    contrast = rng.uniform(0.05, 0.09)
    tone = 1 + contrast * streaks + 0.08 * rubble + rng.uniform(0.08, 0.2) * (crown - 0.3)
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.6)
    tufts = np.clip(grain(rng, size, 1.5) - rng.uniform(1.5, 2.3), 0, 1)
    blend(ground.colour, soft * (1 - 0.8 * tufts), soil_colour(rng, season) * tone[..., None])
    depth = np.minimum(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3), 4) / 4
    ground.relief *= 1 - soft
    ground.relief += depth * (np.float32(3.5) * along - np.float32(2.2))
    ground.relief += soft * (np.float32(0.5) * rubble + np.float32(0.55) * streaks + tufts)
