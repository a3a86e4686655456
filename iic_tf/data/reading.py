"""What reads one image file, which images are read at all, and what is said of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from iic_tf.errors import InputError

MAX_CHANNELS = 16

NUMBER_TYPES: tuple[np.dtype[np.generic], ...] = (np.dtype(np.uint8), np.dtype(np.uint16))
"""What pixels may be stored as, in any format; bits come as uint8."""

Palette = Literal["rgb", "index"]
"""How stored indices are read: `rgb` looks palettes up and makes 1-bit images 0 and 255, as for
photographs; `index` keeps what is stored (palette indices, 0 and 1), as for class masks."""


class Reader(Protocol):
    """What reads one file format; made from the file's header alone."""

    height: int
    width: int
    channels: int
    dtype: np.dtype[np.generic]

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.generic]:
        """Pixels `[height, width, channels]` of a window that lies inside the image."""
        ...


def unreadable(path: Path, reason: str) -> InputError:
    """The error for a file that is not an image this package reads."""
    return InputError(
        f"Expected a PNG, JPEG or TIFF image of uint8 or uint16 with 1 to {MAX_CHANNELS} channels; "
        f"received '{path}' ({reason})."
    )
