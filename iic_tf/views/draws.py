"""Random draws that depend on nothing but (seed, epoch, index), so that a run can be had again."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

PURPOSES = ("order", "crop", "scenes", "geometry", "photometry")


def generator(seed: int, epoch: int, index: int, purpose: str) -> np.random.Generator:
    """A generator for one purpose of one pair of one epoch.

    Each purpose has its own stream: changing how colours are drawn leaves the crops as they were.

    Args:
        seed: the run's seed, 0 or more.
        epoch: number of the epoch, from 0.
        index: number of the pair within the epoch, from 0.
        purpose: what is drawn, any short word (one of `PURPOSES` in this package).
    """
    word = zlib.crc32(purpose.encode())
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch, index, word])))


def distinct(
    rng: np.random.Generator, weights: NDArray[np.float64], count: int
) -> NDArray[np.intp]:
    """So many numbers of weights, each once, by weight; all, in a drawn order, of fewer.

    Args:
        rng: what they are drawn from.
        weights: above 0, of any sum, `[numbers]`.
        count: 1 or more.
    """
    # Exponential times of these rates: the first to come are drawn by weight, one after another.
    return np.argsort(rng.exponential(size=len(weights)) / weights)[:count]
