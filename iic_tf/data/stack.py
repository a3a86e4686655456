"""An image whose bands lie in a file each, as those of satellites do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iic_tf.data.joined import Joined
from iic_tf.data.raster import Raster
from iic_tf.data.reading import MAX_CHANNELS, Found, Reader
from iic_tf.errors import InputError, expected


class Stack(Raster):
    """The bands of several rasters, in their order, as one raster of the first one's name.

    A pixel holds no data where all its bands have their nodata value, a mask hides one of them, its
    alpha is 0 in one, or one is NaN or infinite. Number types become the smallest one that holds
    all; float32 at the most.

    Args:
        rasters: at least one, all of the same height and width.

    Raises:
        InputError: no rasters; on first use, too, where they are of unlike sizes (names both), have
            more than 16 bands in all, or one cannot be read.
    """

    def __init__(self, rasters: Sequence[Raster]) -> None:
        if not rasters:
            raise expected("at least one raster", len(rasters), "rasters")
        self.rasters = tuple(rasters)
        super().__init__(rasters[0].path, rasters[0].palette, alpha=rasters[0].alpha)

    def __getstate__(self) -> tuple[Any, ...]:
        return (self.rasters,)

    def __repr__(self) -> str:
        return f"Stack({list(self.rasters)!r})"

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are read."""
        return tuple(path for raster in self.rasters for path in raster.paths)

    def _make_reader(self) -> Reader:
        first = self.rasters[0]
        for raster in self.rasters[1:]:
            if (raster.height, raster.width) != (first.height, first.width):
                raise InputError(
                    f"Expected bands of one size, {first.height} x {first.width} pixels as in "
                    f"'{first.path}'; received {raster.height} x {raster.width} in "
                    f"'{raster.path}'. Bring them to one size, or make a VRT of both: "
                    "gdalbuildvrt -separate -resolution highest -r bilinear."
                )
        joined = Joined([_Part(raster) for raster in self.rasters])
        if joined.channels > MAX_CHANNELS:
            raise InputError(
                f"Expected 1 to {MAX_CHANNELS} bands; received {joined.channels} in "
                f"{len(self.rasters)} files, '{first.path}' and others."
            )
        return joined


class _Part:
    """One of the rasters as a reader, so that its own file is named where it is damaged."""

    def __init__(self, raster: Raster) -> None:
        self._raster = raster
        self.height, self.width = raster.height, raster.width
        self.channels, self.dtype = raster.channels, raster.dtype
        self.has_nodata = raster.has_nodata

    def read(self, top: int, left: int, height: int, width: int) -> Found:
        """What a window holds."""
        return self._raster.found(top, left, height, width)
