"""Masks whose numbers are stored as wide, signed or real ones, read as uint16."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from iic_tf.data.reading import Found, Reader, unreadable

_PLAIN = (np.dtype(np.uint8), np.dtype(np.uint16))


class MaskNumbers:
    """What another reader reads, as uint16.

    Args:
        reader: of the mask.
        path: its file, to be named.
    """

    def __init__(self, reader: Reader, path: Path) -> None:
        self._reader, self._path = reader, path
        self.height, self.width, self.channels = reader.height, reader.width, reader.channels
        self.dtype: np.dtype[np.generic] = np.dtype(np.uint16)
        self.has_nodata = False

    def read(self, top: int, left: int, height: int, width: int) -> Found:
        """What a window holds.

        Raises:
            InputError: a value is no whole number from 0 to 65535.
        """
        pixels = self._reader.read(top, left, height, width).pixels
        with np.errstate(invalid="ignore"):
            whole = (pixels >= 0) & (pixels <= 65535) & (pixels == np.floor(pixels))
        if not whole.all():
            raise unreadable(
                self._path,
                f"a mask with the value {pixels[~whole][0]:g} of {pixels.dtype}: classes are whole "
                "numbers from 0 to 65535; save what is to be ignored as 255",
            )
        return Found(pixels.astype(np.uint16))


def as_mask(reader: Reader, path: Path) -> Reader:
    """The reader itself, where it gives uint8 or uint16, else one whose numbers are uint16."""
    return reader if reader.dtype in _PLAIN else MaskNumbers(reader, path)
