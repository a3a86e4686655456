"""What pictures of clustered images are drawn of, and what is asked of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def sure_of(clusters: list[int], k: int, sure: float = 0.9) -> NDArray[np.float64]:
    """Probabilities of images that are each so sure of one of k clusters."""
    if k == 1:
        return np.ones((len(clusters), 1))
    p = np.full((len(clusters), k), (1 - sure) / (k - 1))
    p[np.arange(len(clusters)), clusters] = sure
    return p


def pixels_of(picture: Image.Image, colour: tuple[int, ...]) -> int:
    """How many pixels are of a colour."""
    return int((np.asarray(picture) == colour).all(axis=-1).sum())
