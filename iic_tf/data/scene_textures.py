"""Colours and textures of a generated suburb.

Texture tells the surfaces apart, colour hardly does. Paving is smooth. Roofs, and what stands about
on the ground, carry regular courses of one direction. Lawns and crowns are irregular and alike in
all directions. Mean colour, brightness and infrared are drawn from overlapping ranges, and light
changes from scene to scene and inside each scene.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from scipy import ndimage

from iic_tf.data.scene_plan import Floats

# Red, green, blue and infrared reflectance. Infrared is drawn apart where it is not given.
ROOFS = (
    (0.58, 0.40, 0.34),
    (0.50, 0.36, 0.30),
    (0.45, 0.40, 0.34),
    (0.42, 0.42, 0.43),
    (0.50, 0.50, 0.50),
    (0.38, 0.39, 0.42),
    (0.55, 0.50, 0.42),
    (0.37, 0.45, 0.34),
    (0.42, 0.48, 0.33),
)
LAWNS = (
    (0.37, 0.48, 0.29, 0.56),
    (0.42, 0.50, 0.32, 0.52),
    (0.46, 0.50, 0.34, 0.46),
    (0.53, 0.51, 0.38, 0.41),
    (0.44, 0.46, 0.36, 0.38),
)
CROWNS = (
    (0.33, 0.45, 0.26, 0.58),
    (0.38, 0.46, 0.28, 0.52),
    (0.42, 0.47, 0.30, 0.46),
    (0.33, 0.42, 0.31, 0.40),
    (0.50, 0.46, 0.30, 0.50),
    (0.45, 0.39, 0.32, 0.46),
)
CARS = (
    (0.80, 0.80, 0.80),
    (0.62, 0.63, 0.65),
    (0.20, 0.20, 0.22),
    (0.62, 0.20, 0.18),
    (0.22, 0.32, 0.58),
    (0.66, 0.58, 0.30),
    (0.30, 0.42, 0.34),
)
CONTAINERS = (
    (0.60, 0.32, 0.26),
    (0.30, 0.42, 0.55),
    (0.58, 0.54, 0.40),
    (0.36, 0.48, 0.38),
    (0.60, 0.60, 0.58),
)


def pick(rng: Generator, palette: tuple[tuple[float, ...], ...]) -> Floats:
    """One colour `[4]` of the palette, varied; infrared free of the rest where it is not given."""
    colour = np.array(palette[int(rng.integers(len(palette)))])
    if colour.size == 3:
        colour = np.append(colour, rng.uniform(0.35, 0.60))
    return np.asarray(colour * rng.uniform(0.87, 1.13) * rng.uniform(0.96, 1.04, 4))


def draw_asphalt(rng: Generator) -> Floats:
    """From dark to worn asphalt, concrete and clinker, warm to olive."""
    tint = np.array(((1.0, 1.0, 1.02), (1.06, 1.0, 0.9), (0.98, 1.03, 0.9), (1.1, 0.98, 0.9)))
    colour = float(rng.uniform(0.37, 0.53)) * tint[int(rng.integers(4))]
    return np.append(colour, rng.uniform(0.37, 0.55))


def smooth_noise(rng: Generator, side: int, width: int) -> Floats:
    """Noise `[side, side]` with mean 0 and deviation 1, smooth over an odd `width`."""
    return _unit(smooth(rng.standard_normal((side, side)), width))


def band_noise(rng: Generator, side: int, fine: float, coarse: float) -> Floats:
    """Irregular blobs `[side, side]`, alike in all directions, between two widths (sigmas).

    Mean 0, deviation 1, and few extremes.
    """
    white = rng.standard_normal((side, side))
    # Sigmas this small are cheap, and unlike box means a Gaussian prefers no direction.
    low, high = (ndimage.gaussian_filter(white, sigma, truncate=3.0) for sigma in (coarse, fine))
    grain = _unit(high - low)
    return _unit(grain / np.sqrt(1 + 0.5 * grain * grain))


def smooth(image: Floats, width: int) -> Floats:
    """Three box means of an odd width, nearly a Gaussian; the cost does not grow with it."""
    for _ in range(3 if width > 1 else 0):
        image = ndimage.uniform_filter(image, width, mode="reflect")
    return image


def _unit(image: Floats) -> Floats:
    centred = image - image.mean()
    return np.asarray(centred / max(float(centred.std()), 1e-9), dtype=np.float64)


def courses(offset: Floats, period: float) -> Floats:
    """Regular courses across `offset`: a soft square wave between −1 and 1."""
    phase = offset / period
    wave = 4 * np.abs(phase - np.floor(phase) - 0.5) - 1
    return np.clip(1.7 * wave, -1, 1)
