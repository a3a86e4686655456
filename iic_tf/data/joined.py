"""Bands that lie in several readers, as pages of one file or in a file each, read as one image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.reading import Found, Reader


class Joined:
    """The bands of several readers of one size, in their order.

    Number types become the smallest one that holds them all. A pixel holds no data where all bands
    have their nodata value, or one of the masks hides it.

    Args:
        readers: at least one, all of the same height and width.
    """

    def __init__(self, readers: Sequence[Reader]) -> None:
        self._readers = tuple(readers)
        self.height, self.width = readers[0].height, readers[0].width
        self.channels = sum(reader.channels for reader in readers)
        self.dtype = joint_type([reader.dtype for reader in readers])
        self.has_nodata = any(reader.has_nodata for reader in readers)

    def read(self, top: int, left: int, height: int, width: int) -> Found:
        """What a window holds."""
        parts = [reader.read(top, left, height, width) for reader in self._readers]
        pixels = np.concatenate([p.pixels.astype(self.dtype, copy=False) for p in parts], axis=-1)
        empty = [part.empty for part in parts]
        hidden = [part.hidden for part in parts if part.hidden is not None]
        hidden += [part.alpha == 0 for part in parts if part.alpha is not None]
        return Found(pixels, _all(empty), reduce(np.logical_or, hidden) if hidden else None)


def joint_type(types: Sequence[np.dtype[np.generic]]) -> np.dtype[np.generic]:
    """The smallest number type that holds all values of the given ones; float32 at the most."""
    found = np.result_type(*types)
    return np.dtype(np.float32) if found.kind == "f" or found.itemsize > 4 else found


def _all(parts: Sequence[NDArray[np.bool_] | None]) -> NDArray[np.bool_] | None:
    """Where all of them hold; None where one has nothing to say."""
    known = [part for part in parts if part is not None]
    return reduce(np.logical_and, known) if len(known) == len(parts) else None
