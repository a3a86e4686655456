"""Which raw values count as black and as white."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.raster import Raster
from iic_tf.errors import expected

SAMPLE_PIXELS = 2_000_000
_MAX_IMAGES = 512  # PNG and JPEG must be decoded whole, so large sets are sampled by image, too.
_WINDOW = 128

Range = tuple[NDArray[np.float32], NDArray[np.float32]]


def value_range(images: Sequence[Raster], stretch: tuple[float, float] | None = None) -> Range:
    """Raw values that become 0 and 1, float32 `[channels]` each.

    Args:
        images: at least one, all of the same bands and number type.
        stretch: lower and upper percentile (0 to 100) of each band, taken over at most
            2 million pixels in windows spread evenly over the images, the same ones each time.
            None: 0 and the largest number of the type.

    Raises:
        InputError: not 0 <= lower < upper <= 100.
    """
    bands = images[0].channels
    if stretch is None:
        top = 65535 if images[0].dtype == np.uint16 else 255
        return np.zeros(bands, np.float32), np.full(bands, top, np.float32)
    if len(stretch) != 2 or not 0 <= stretch[0] < stretch[1] <= 100:
        raise expected("two percentiles, 0 <= lower < upper <= 100", stretch, "stretch")
    step = max(1, math.ceil(len(images) / _MAX_IMAGES))
    chosen = images[::step]
    pixels = np.concatenate([_sample(i, SAMPLE_PIXELS // len(chosen)) for i in chosen])
    # Band by band, because percentiles copy what they sort.
    limits = np.array([np.percentile(pixels[:, b], stretch) for b in range(bands)], np.float32)
    low, high = limits[:, 0], limits[:, 1]
    # A constant band has no range; with a width of 1 it becomes a plain 0.
    return low, np.where(high > low, high, low + np.float32(1))


def _sample(image: Raster, budget: int) -> NDArray[np.generic]:
    """Pixels `[n, channels]`, n <= budget, from windows on a regular grid over the image."""
    side = min(_WINDOW, math.isqrt(budget))
    height, width = min(side, image.height), min(side, image.width)
    rows, columns = image.height // height, image.width // width
    # Of the grid of all windows, so many rows and columns that the budget is kept.
    share = min(1.0, math.sqrt(budget / (rows * columns * height * width)))
    down, across = max(1, int(rows * share)), max(1, int(columns * share))
    # A long narrow image has its one row or column rounded up; the other makes up for it.
    most = max(1, budget // (height * width))
    down, across = min(down, most), min(across, max(1, most // min(down, most)))
    windows = [
        image.read(int(top), int(left), height, width)
        for top in np.linspace(0, image.height - height, down)
        for left in np.linspace(0, image.width - width, across)
    ]
    return np.concatenate([w.reshape(-1, image.channels) for w in windows])
