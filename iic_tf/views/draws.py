"""Random draws that depend on nothing but (seed, epoch, index), so that a run can be had again."""

from __future__ import annotations

import zlib

import numpy as np

PURPOSES = ("order", "crop", "geometry", "photometry")


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
