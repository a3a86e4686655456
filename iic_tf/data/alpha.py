"""Whether a band that is tagged as alpha is one, and pictures laid on a background by their alpha.

GDAL tags the fourth band of a TIFF as alpha unless it is told otherwise, infrared included. The
two are told apart by values: an alpha has hardly others than 0 and its largest one, whereas a
band of light or of heights has many. Looked at are 9 windows of 64 x 64 pixels, spread evenly; of
the values that are not 0 a quarter may be less than the largest, as at soft edges. A picture that
is half transparent all over is thus taken for one of four bands: say `alpha="nodata"`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

if TYPE_CHECKING:
    import rasterio

_WINDOWS, _SIDE, _BETWEEN = 3, 64, 0.25


def looks_like_alpha(file: rasterio.DatasetReader, band: int) -> bool:
    """Whether most values of a band that are not 0 are the largest one.

    Args:
        file: an open rasterio data set.
        band: its number, from 1.
    """
    high, wide = min(_SIDE, file.height), min(_SIDE, file.width)
    values = np.concatenate(
        [
            file.read(band, window=Window(left, top, wide, high)).ravel()
            for top in np.unique(np.linspace(0, file.height - high, _WINDOWS).astype(int)).tolist()
            for left in np.unique(np.linspace(0, file.width - wide, _WINDOWS).astype(int)).tolist()
        ]
    )
    # Zeros tell nothing: most of a tile at the rim of a picture may be empty in all bands.
    some = values[values != 0]
    return not len(some) or bool((some != values.max()).mean() <= _BETWEEN)


def laid_on(
    pixels: NDArray[Any], alpha: NDArray[Any], background: float | tuple[float, float, float]
) -> NDArray[Any]:
    """A picture as it shows on a background of one colour, in its own number type.

    Args:
        pixels: `[height, width, channels]`.
        alpha: `[height, width]`; 0 shows the background alone.
        background: grey of 0 (black) to 255 (white), or such a value for each channel.
    """
    most = float(np.iinfo(alpha.dtype).max) if alpha.dtype.kind in "iu" else 1.0
    share = np.clip(alpha.astype(np.float32) / most, 0, 1)[..., None]
    whole = pixels.dtype.kind in "iu"
    white = float(np.iinfo(pixels.dtype).max) if whole else 1.0
    behind = np.asarray(background, np.float32) / 255 * white
    mixed = pixels.astype(np.float32) * share + behind * (1 - share)
    # What is not seen through stays as it is, whatever float32 can hold.
    mixed = np.rint(mixed) if whole else mixed
    return np.where(share == 1, pixels, mixed.astype(pixels.dtype))


def one_colour(pixels: NDArray[Any], alpha: NDArray[Any]) -> bool:
    """Whether all that is seen has one colour, so that the shape is in the alpha alone."""
    seen = pixels[alpha > 0]
    return bool(len(seen) and len(seen) < alpha.size and (seen == seen[0]).all())
