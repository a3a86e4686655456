"""A cache of decoded pixels, bounded in bytes and shared by all rasters.

PNG and JPEG files can only be decoded whole, and so can a TIFF that is one compressed strip.
Training draws many windows from each image, so what was decoded last is kept.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray

from iic_tf.errors import expected

DEFAULT_BYTES = 256 * 2**20


class PixelCache:
    """Arrays by key; those not used for longest go first when `limit` bytes are passed.

    The newest array stays even if it alone is larger than `limit`: reading a large image window by
    window must not decode it anew for each window. A limit of 0 keeps nothing.
    """

    def __init__(self, limit: int = DEFAULT_BYTES) -> None:
        self._lock = threading.Lock()
        self._arrays: OrderedDict[Hashable, NDArray[np.generic]] = OrderedDict()
        self._limit = limit
        self._held = 0

    def get(self, key: Hashable, decode: Callable[[], NDArray[np.generic]]) -> NDArray[np.generic]:
        """The array of `key`, read-only; `decode` is called where it is not held."""
        with self._lock:
            if key in self._arrays:
                self._arrays.move_to_end(key)
                return self._arrays[key]
        # Decoded outside the lock, so that threads decode different images at the same time. Two
        # threads may decode the same image; the result is the same.
        array = decode()
        array.setflags(write=False)
        with self._lock:
            if key not in self._arrays:
                self._arrays[key] = array
                self._held += array.nbytes
            self._drop(keep=1)
        return array

    def resize(self, limit: int) -> None:
        """Set the bound in bytes and drop what no longer fits."""
        with self._lock:
            self._limit = limit
            self._drop(keep=0)

    @property
    def held(self) -> int:
        """Bytes held now."""
        return self._held

    def _drop(self, keep: int) -> None:
        keep = keep if self._limit else 0
        while self._held > self._limit and len(self._arrays) > keep:
            _, array = self._arrays.popitem(last=False)
            self._held -= array.nbytes


SHARED = PixelCache()
"""The cache that all rasters of this process use."""


def set_cache_bytes(limit: int) -> None:
    """Bound the decoded pixels that are kept in memory, in bytes (default 256 MiB, 0 for none).

    Raises:
        InputError: `limit` is negative.
    """
    if limit < 0:
        raise expected("a number of bytes, 0 or more", limit, "limit")
    SHARED.resize(limit)
