"""Colours that are told apart, also by people who see fewer of them."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from iic_tf.errors import expected

# Okabe and Ito's colours (2008) in an order that suits maps, without their black, which stands
# for ignored pixels here.
_FIRST = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (213, 94, 0),
    (86, 180, 233),
    (204, 121, 167),
    (240, 228, 66),
)
# Taken already: ignored pixels, paper and the panels without a mask.
_TAKEN = ((0, 0, 0), (255, 255, 255), (205, 205, 205), (128, 128, 128))

# Linear RGB as seen by protanopes and deuteranopes (Machado, Oliveira and Fernandes 2009).
_SEEN = (
    np.eye(3),
    np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
)


def palette(k: int) -> NDArray[np.uint8]:
    """Distinct colours for `k` classes or clusters.

    The first seven are Okabe and Ito's, made for colour-blind readers. Each further one is the
    colour farthest from its nearest predecessor, by distances in OKLab as most people see them
    and as those without red or green cones do. A smaller palette is the start of every larger
    one, and none holds black, white or grey.

    Args:
        k: 1 to 256.

    Returns:
        uint8 `[k, 3]`, red, green, blue; all different.

    Raises:
        InputError: `k` is out of range.
    """
    if not 1 <= k <= 256:
        raise expected("1 to 256 colours", k, "k")
    return _colours()[:k].copy()


def cycled(k: int) -> NDArray[np.uint8]:
    """Colours of `k` clusters, 1 or more: uint8 `[k, 3]`; from the 257th on they come again."""
    return palette(min(k, 256))[np.arange(k) % 256]


@cache
def _colours() -> NDArray[np.uint8]:
    candidates = _candidates()
    chosen = [np.array(c, np.uint8) for c in _FIRST]
    known = _appearances(np.array((*_FIRST, *_TAKEN), np.uint8))
    seen = _appearances(candidates)
    nearest = np.full(len(candidates), np.inf)
    for index in range(known.shape[1]):
        nearest = np.minimum(nearest, _distance(seen, known[:, index]))
    while len(chosen) < 256:
        best = int(nearest.argmax())
        chosen.append(candidates[best])
        nearest = np.minimum(nearest, _distance(seen, seen[:, best]))
    return np.stack(chosen)


def _candidates() -> NDArray[np.uint8]:
    """A grid of colours, neither glaring nor muddy nor grey: uint8 `[n, 3]`."""
    steps = np.arange(16, 256, 13, dtype=np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = _oklab(_linear(grid))
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    good = (lab[:, 0] > 0.36) & (lab[:, 0] < 0.9) & (chroma > 0.045) & (chroma < 0.17)
    return np.asarray(grid[good])


def _appearances(colours: NDArray[np.uint8]) -> NDArray[np.float64]:
    """OKLab coordinates `[3 kinds of sight, n, 3]`."""
    linear = _linear(colours)
    return np.stack([_oklab(np.clip(linear @ m.T, 0.0, 1.0)) for m in _SEEN])


def _distance(seen: NDArray[np.float64], one: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances `[n]` to one colour: the mean of full sight and the worse of the others."""
    full, *fewer = np.linalg.norm(seen - one[:, None], axis=-1)
    return np.asarray((full + np.minimum.reduce(fewer)) / 2.0)


def _linear(colours: NDArray[np.uint8]) -> NDArray[np.float64]:
    s = colours / 255.0
    return np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)


def _oklab(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear sRGB `[..., 3]` to OKLab (Ottosson 2020)."""
    cones = linear @ np.array(
        [
            [0.4122214708, 0.2119034982, 0.0883024619],
            [0.5363325363, 0.6806995451, 0.2817188376],
            [0.0514459929, 0.1073969566, 0.6299787005],
        ]
    )
    return np.asarray(
        np.cbrt(cones)
        @ np.array(
            [
                [0.2104542553, 1.9779984951, 0.0259040371],
                [0.7936177850, -2.4285922050, 0.7827717662],
                [-0.0040720468, 0.4505937099, -0.8086757660],
            ]
        )
    )
