"""What reads one image file, which images are read at all, and what is said of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from iic_tf.errors import InputError

MAX_CHANNELS = 16

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".jp2", ".j2k", ".vrt", ".webp", ".bmp", ".gif"}
)
"""Names of files that are looked at; what is in them is told by their first bytes."""

NUMBER_TYPES: tuple[np.dtype[np.generic], ...] = tuple(
    np.dtype(name)
    for name in ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")
)
"""What pixels may be stored as, in any format; bits come as uint8, float64 is handed on as
float32."""

Palette = Literal["rgb", "index"]
"""How stored indices are read: `rgb` looks palettes up and makes 1-bit images 0 and 255, as for
photographs; `index` keeps what is stored (palette indices, 0 and 1), as for class masks."""

Alpha = Literal["auto", "nodata", "band"]
"""What a band that is tagged as alpha is: `nodata` leaves it out of the channels, and pixels where
it is 0 hold no data; `band` makes it a channel like others; `auto` tells the two apart."""


class Found(NamedTuple):
    """What a window of a file holds.

    Attributes:
        pixels: `[height, width, channels]`, as stored.
        empty: bool `[height, width]`, where all bands have the file's nodata value; None without.
        hidden: bool `[height, width]`, where a mask of the file hides the pixel; None without.
        alpha: `[height, width]`, 0 where the pixel is transparent; None without. Floats reach up
            to 1, whole numbers to the largest of their type.
    """

    pixels: NDArray[Any]
    empty: NDArray[np.bool_] | None = None
    hidden: NDArray[np.bool_] | None = None
    alpha: NDArray[Any] | None = None


class Reader(Protocol):
    """What reads one file format; made from the file's header."""

    height: int
    width: int
    channels: int
    dtype: np.dtype[np.generic]

    @property
    def has_nodata(self) -> bool:
        """Whether some pixel may hold no data, as far as the header tells."""
        ...

    def read(self, top: int, left: int, height: int, width: int) -> Found:
        """What a window that lies inside the image holds; the arrays are the caller's own."""
        ...


def unreadable(path: Path, reason: str) -> InputError:
    """The error for a file that is not an image this package reads."""
    return InputError(
        f"Expected a PNG, JPEG or TIFF image (or JPEG 2000, VRT, WebP, BMP, GIF) of 8 to 32 bits "
        f"with 1 to {MAX_CHANNELS} channels; received '{path}' ({reason})."
    )


def check_bands(path: Path, bands: tuple[int, ...] | None, count: int) -> None:
    """Refuse numbers of bands, from 1, that a file of `count` bands does not have."""
    wrong = [band for band in bands or () if not 1 <= band <= count]
    if wrong or (bands is not None and not 1 <= len(bands) <= MAX_CHANNELS):
        raise InputError(
            f"Expected 1 to {MAX_CHANNELS} numbers of bands from 1 to {count}, as many as "
            f"'{path}' has; received bands={','.join(map(str, bands or ())) or 'none'}."
        )
