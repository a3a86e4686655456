"""Which raw values count as black and as white."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.raster import Raster
from iic_tf.errors import InputError, expected

SAMPLE_PIXELS = 2_000_000
_MAX_IMAGES = 512  # PNG and JPEG must be decoded whole, so large sets are sampled by image, too.
_WINDOW = 128

PERCENTILES = (1.0, 99.0)
"""Those that become black and white where a number type has no range of its own."""

Range = tuple[NDArray[np.float32], NDArray[np.float32]]

_FULL = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}


@dataclass(frozen=True, eq=False)
class Survey:
    """What a sample of the pixels of a set says.

    Attributes:
        low, high: float32 `[channels]`, raw values that become 0 and 1.
        nodata_share: of the sampled pixels, how many hold no data; 0 to 1.
        mean: float32 `[channels]`, of the sampled pixels that hold data, brought to 0 to 1 and
            clipped; None where nothing had to be read.
        percentiles: those that `low` and `high` are; None where they are the type's range.
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    nodata_share: float = 0.0
    mean: NDArray[np.float32] | None = None
    percentiles: tuple[float, float] | None = None


def value_range(images: Sequence[Raster], stretch: tuple[float, float] | None = None) -> Range:
    """Raw values that become 0 and 1, float32 `[channels]` each; see `survey`."""
    if stretch is None and images[0].dtype in _FULL:
        return _full_range(images[0])
    found = survey(images, stretch)
    return found.low, found.high


def survey(images: Sequence[Raster], stretch: tuple[float, float] | None = None) -> Survey:
    """The range of the raw values, how much holds no data, and the mean of what does.

    At most 2 million pixels are looked at, in windows spread evenly over the images, the same ones
    each time; none of uint8 and uint16 without `stretch`, where no image may have no data. Pixels
    that hold no data count nowhere but in their share.

    Args:
        images: at least one, all of the same bands and number type.
        stretch: lower and upper percentile (0 to 100) of each band. None: 0 and the largest number
            of uint8 and uint16, `PERCENTILES` of other types, whose values rarely fill their range.

    Raises:
        InputError: not 0 <= lower < upper <= 100, or no pixel looked at holds data.
    """
    if stretch is not None and (len(stretch) != 2 or not 0 <= stretch[0] < stretch[1] <= 100):
        raise expected("two percentiles, 0 <= lower < upper <= 100", stretch, "stretch")
    full = stretch is None and images[0].dtype in _FULL
    if full and not any(image.has_nodata for image in images):
        return Survey(*_full_range(images[0]))
    step = max(1, math.ceil(len(images) / _MAX_IMAGES))
    chosen = images[::step]
    parts = [_sample(image, SAMPLE_PIXELS // len(chosen)) for image in chosen]
    pixels = np.concatenate([part for part, _ in parts])
    share = 1 - len(pixels) / sum(looked_at for _, looked_at in parts)
    if not len(pixels):
        raise InputError(
            f"Expected pixels that hold data in '{images[0].path}'"
            f"{f' and {len(images) - 1} others' if len(images) > 1 else ''}; received none in a "
            "sample: all are nodata, masked, transparent, NaN or infinite."
        )
    percentiles = None if full else stretch or PERCENTILES
    low, high = _full_range(images[0]) if percentiles is None else _limits(pixels, percentiles)
    bands = range(pixels.shape[1])
    # Band by band, so that no second sample is held.
    mean = [_scaled(pixels[:, b], low[b], high[b]).mean(dtype=np.float64) for b in bands]
    return Survey(low, high, share, np.array(mean, np.float32), percentiles)


def _scaled(values: NDArray[Any], low: np.float32, high: np.float32) -> NDArray[Any]:
    scaled: NDArray[Any] = np.clip((values - low) / (high - low), 0, 1)
    return scaled


def _full_range(image: Raster) -> Range:
    top = _FULL[image.dtype]
    return np.zeros(image.channels, np.float32), np.full(image.channels, top, np.float32)


def _limits(pixels: NDArray[Any], percentiles: tuple[float, float]) -> Range:
    # Band by band, because percentiles copy what they sort.
    columns = (pixels[:, band] for band in range(pixels.shape[1]))
    limits = np.array([np.percentile(column, percentiles) for column in columns], np.float32)
    low, high = limits[:, 0], limits[:, 1]
    # A constant band has no range; with a width of 1 it becomes a plain 0. Beyond 2^24 float32 has
    # no number that is 1 larger.
    wider = np.maximum(low + np.float32(1), np.nextafter(low, np.float32(np.inf)))
    return low, np.where(high > low, high, wider)


def _sample(image: Raster, budget: int) -> tuple[NDArray[Any], int]:
    """Pixels `[n, channels]` that hold data, and of how many.

    They lie in windows on a regular grid over the image, no more than `budget` in all.
    """
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
        image.read_with_valid(int(top), int(left), height, width)
        for top in np.linspace(0, image.height - height, down)
        for left in np.linspace(0, image.width - width, across)
    ]
    kept = [pixels.reshape(-1, image.channels) if v is None else pixels[v] for pixels, v in windows]
    return np.concatenate(kept), len(windows) * height * width
