"""Grey images among colour ones, and the other way round: all get the same bands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.raster import Raster
from iic_tf.data.reading import Found, Reader

Channels = Literal["auto", "1", "3"]
"""How many bands grey and colour images become: 1, 3, or as many as most of them have."""

_LUMA = (19595, 38470, 7471)
"""ITU-R 601's weights of red, green and blue in 65536ths, as Pillow takes them."""


class Converted(Raster):
    """A grey image read as red, green and blue, or a colour image read as grey.

    Everything else is as in the image itself.

    Args:
        stored: the image, of 1 or 3 bands.
        channels: the bands wanted, 3 or 1.
    """

    def __init__(self, stored: Raster, channels: int) -> None:
        vars(self).update(vars(stored))
        self.stored = stored
        self._wanted = channels

    def __reduce__(self) -> tuple[type[Converted], tuple[Raster, int]]:
        return Converted, (self.stored, self._wanted)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are read."""
        return self.stored.paths

    @property
    def channels(self) -> int:
        """Bands after the conversion."""
        return self._wanted

    def found(self, top: int, left: int, height: int, width: int) -> Found:
        """What the file says of a window, its pixels converted."""
        found = self.stored.found(top, left, height, width)
        return found._replace(pixels=self._convert(found.pixels))

    def _open(self) -> Reader:
        return self.stored._open()  # Headers are read once.

    def _convert(self, pixels: NDArray[np.generic]) -> NDArray[np.generic]:
        if pixels.shape[-1] == self._wanted:
            return pixels
        if self._wanted == 3:
            return np.repeat(pixels[..., :1], 3, axis=-1)
        return luma(pixels)


def luma(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """The brightness `[..., 1]` of red, green and blue `[..., 3]`, of the same number type."""
    if pixels.dtype.kind == "f":
        weights = np.asarray(_LUMA, pixels.dtype) / pixels.dtype.type(65536)
        return np.asarray((pixels * weights).sum(axis=-1, keepdims=True), pixels.dtype)
    wide = pixels.astype(np.int64) * np.asarray(_LUMA)
    return np.asarray((wide.sum(axis=-1, keepdims=True) + 2**15) >> 16, pixels.dtype)


def alike(
    images: Sequence[Raster], channels: Channels = "auto"
) -> tuple[list[Raster], tuple[str, ...]]:
    """Images of the same bands, as far as some are grey and others in colour.

    Args:
        images: of any bands; those that have neither 1 nor 3 stay as they are.
        channels: what grey and colour images become. "auto": as most are; where no more than half
            of all images have 1 band, or 3, nothing is converted, for which of them is a mistake is
            not to be told.

    Returns:
        The images, and a line for the user if some were converted.

    Raises:
        InputError: a file that cannot be read.
    """
    counts = Counter(image.channels for image in images)
    wanted = int(channels) if channels != "auto" else counts.most_common(1)[0][0]
    other = {1: 3, 3: 1}.get(wanted)
    if (
        other is None
        or other not in counts
        or (channels == "auto" and 2 * counts[wanted] <= len(images))
    ):
        return list(images), ()
    first = next(image.path.name for image in images if image.channels == other)
    how = (
        "grey, and are read as colour, their band three times"
        if other == 1
        else "in colour, and are read as grey by their brightness"
    )
    note = f"{counts[other]} of {len(images)} images are {how}, such as '{first}'"
    if channels == "auto":
        note += f" (most have {wanted}; --channels says otherwise)"
    return [Converted(i, wanted) if i.channels == other else i for i in images], (note,)
