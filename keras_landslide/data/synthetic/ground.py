"""The ground while a scene is painted, the season that its objects share, the noise that they are made of.

All lengths and heights are in pixels, all colours are RGB reflectances from 0 to 1, and "x" runs along the columns, "y"
along the rows.
"""

from dataclasses import dataclass

import cv2
import numpy as np

_SOIL = np.array([(0.60, 0.45, 0.30), (0.64, 0.53, 0.38), (0.55, 0.38, 0.26), (0.57, 0.50, 0.40)], np.float32)
_CANOPY = np.array([(0.16, 0.27, 0.13), (0.13, 0.24, 0.15), (0.24, 0.29, 0.13)], np.float32)
_GRASS = np.array([(0.33, 0.42, 0.21), (0.44, 0.43, 0.26), (0.29, 0.38, 0.20)], np.float32)
_CROPS = np.array([(0.30, 0.45, 0.20), (0.40, 0.48, 0.24), (0.24, 0.36, 0.18), (0.50, 0.49, 0.27)], np.float32)


@dataclass(frozen=True)
class Season:
    """What all objects of one scene share: the colour of soil and plants, and the light."""

    soil: np.ndarray
    canopy: np.ndarray
    grass: np.ndarray
    crops: np.ndarray
    sun: np.ndarray
    light: np.ndarray
    haze: float


@dataclass
class Ground:
    """A scene while it is being painted; each step changes the arrays in place.

    Attributes:
        height: (H, W) float32, bare ground without plants, pixels.
        relief: (H, W) float32, what stands on the ground or is cut into it and throws shade: trees, boulders, scarps.
        colour: (H, W, 3) float32, reflectance.
    """

    height: np.ndarray
    relief: np.ndarray
    colour: np.ndarray


def fractal(rng: np.random.Generator, size: tuple[int, int], roughness: float, coarsest: float = 1e9) -> np.ndarray:
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


def grain(rng: np.random.Generator, size: tuple[int, int], sigma: float) -> np.ndarray:
    """Blotches about 2 to 3 `sigma` pixels wide: (H, W) float32, mean 0, deviation 1."""
    noise = cv2.GaussianBlur(rng.standard_normal(size, np.float32), (0, 0), sigma)
    return (noise - noise.mean()) / noise.std()


def gradient(height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rise per pixel towards larger x and towards larger y of an (H, W) float32 height."""
    x, y = (cv2.Sobel(height, cv2.CV_32F, dx, 1 - dx, scale=1 / 8) for dx in (1, 0))
    return x, y


def blend(colour: np.ndarray, weight: np.ndarray, target: np.ndarray) -> None:
    """Paint `target` over `colour` in place, as opaque as `weight` (H, W) from 0 to 1."""
    colour += weight[..., None] * (target - colour)


def _pick(rng: np.random.Generator, palette: np.ndarray) -> np.ndarray:
    """A colour between those of a palette: (3,) float32."""
    return rng.dirichlet(np.full(len(palette), 0.7)).astype(np.float32) @ palette


def season_of(rng: np.random.Generator) -> Season:
    """Draw the colours and the light of a scene."""
    azimuth, elevation = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(38, 62))
    sun = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    warmth = rng.uniform(-0.05, 0.05)
    return Season(
        soil=_pick(rng, _SOIL),
        canopy=_pick(rng, _CANOPY),
        grass=_pick(rng, _GRASS),
        crops=_CROPS * rng.uniform(0.85, 1.15),
        sun=sun.astype(np.float32),
        light=(rng.uniform(0.85, 1.12) * np.array([1 + warmth, 1.0, 1 - warmth])).astype(np.float32),
        haze=float(rng.uniform(0.0, 0.08)),
    )


def soil_colour(rng: np.random.Generator, season: Season) -> np.ndarray:
    """A bare surface's own shade of the scene's soil; scars, fields, roads and patches all draw from here."""
    return season.soil * np.float32(rng.uniform(0.78, 1.2)) + rng.normal(0, 0.012, 3).astype(np.float32)


def photograph(rng: np.random.Generator, ground: Ground, season: Season) -> np.ndarray:
    """Light the ground from the sun and take the picture: (H, W, 3) uint8, RGB."""
    surface = ground.height + ground.relief
    east, south = gradient(surface)
    facing = (season.sun[2] - east * season.sun[0] - south * season.sun[1]) / np.sqrt(1 + east**2 + south**2)
    shade = 0.42 + 0.72 * np.maximum(facing, 0)
    bright = ground.colour * shade[..., None] * season.light
    bright = bright * (1 - season.haze) + np.array([0.62, 0.68, 0.76], np.float32) * season.haze
    bright = cv2.GaussianBlur(bright.astype(np.float32), (0, 0), 0.55)
    bright += rng.standard_normal(bright.shape, np.float32) * np.float32(0.008)
    return np.clip(np.rint(bright * 255), 0, 255).astype(np.uint8)
