"""Images that are stored lying or mirrored and say so: EXIF's, and TIFF's, orientation.

`1` is upright. `2`, `3` and `4` are mirrored sideways, turned by 180 degrees and mirrored upside
down; in `5` to `8` rows and columns are swapped, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.reading import Found, Reader

# By orientation: whether rows and columns swap, then whether up and down do, then left and right.
_STEPS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


class Turned:
    """What another reader reads, as viewers show it.

    Args:
        reader: of the image as stored.
        orientation: 1 to 8.
    """

    def __init__(self, reader: Reader, orientation: int) -> None:
        self._reader = reader
        self._steps = _STEPS[orientation]
        size = reader.height, reader.width
        self.height, self.width = size[::-1] if self._steps[0] else size
        self.channels, self.dtype = reader.channels, reader.dtype
        self.has_nodata = reader.has_nodata

    def read(self, top: int, left: int, height: int, width: int) -> Found:
        """What a window holds."""
        swapped, upside_down, mirrored = self._steps
        if upside_down:
            top = self.height - top - height
        if mirrored:
            left = self.width - left - width
        window = (left, top, width, height) if swapped else (top, left, height, width)
        pixels, *masks = self._reader.read(*window)
        return Found(self._turn(pixels), *(None if m is None else self._turn(m) for m in masks))

    def _turn(self, values: NDArray[Any]) -> NDArray[Any]:
        swapped, upside_down, mirrored = self._steps
        values = values.swapaxes(0, 1) if swapped else values
        values = values[::-1] if upside_down else values
        return np.ascontiguousarray(values[:, ::-1] if mirrored else values)


def upright(reader: Reader, orientation: int) -> Reader:
    """The reader itself, where the image is stored upright, else one that turns it."""
    return reader if orientation == 1 else Turned(reader, orientation)


def stored_from_shown(orientation: int, height: int, width: int) -> tuple[float, ...]:
    """Where a place of the picture as shown lies in it as stored, in columns x and rows y.

    Args:
        orientation: 1 to 8.
        height: rows of the image as stored.
        width: its columns.

    Returns:
        a, b, c, d, e, f of x' = a x + b y + c and y' = d x + e y + f.
    """
    swapped, upside_down, mirrored = _STEPS[orientation]
    shown = (width, height) if swapped else (height, width)
    # Undo the mirroring of the shown picture, then the swap.
    x = (-1.0, 0.0, float(shown[1])) if mirrored else (1.0, 0.0, 0.0)
    y = (0.0, -1.0, float(shown[0])) if upside_down else (0.0, 1.0, 0.0)
    return (*y, *x) if swapped else (*x, *y)
