"""TIFF files, of which only the strips or tiles that a window touches are decoded."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from iic_tf.data.gdal import open_pixels
from iic_tf.data.pixel_cache import SHARED
from iic_tf.data.reading import MAX_CHANNELS, NUMBER_TYPES, Palette, unreadable

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# Compressed segments of at least this size are kept: decoding one for each window would be slow.
_LARGE_SEGMENT = 4 * 2**20


class TiffReader:
    """Page 0 of a TIFF: strips or tiles, bands interleaved or separate, any compression of GDAL's.

    The file is opened anew for each window, which takes far less time than decoding does: threads
    share nothing, and no file stays open.
    """

    def __init__(self, path: Path, palette: Palette) -> None:
        self._path = path
        self._prefix = ""
        with open_pixels(path, "GTiff") as file:
            inks = file.tags(ns="IMAGE_STRUCTURE").get("SOURCE_COLOR_SPACE") == "CMYK"
            if not inks:
                self._take_header(file, palette)
        if inks:
            # All four bands as they are stored; GDAL would make RGB and an alpha of 255 of them.
            self._prefix = "GTIFF_RAW:"
            with open_pixels(path, "GTiff", self._prefix) as file:
                self._take_header(file, palette)

    def _take_header(self, file: Any, palette: Palette) -> None:
        stored = _number_type(file.dtypes[0])
        if stored is None:
            raise unreadable(self._path, f"pixels of {file.dtypes[0]}")
        if not 1 <= file.count <= MAX_CHANNELS:
            raise unreadable(self._path, f"{file.count} channels")
        self.height, self.width, self.channels = int(file.height), int(file.width), int(file.count)
        self.dtype: np.dtype[np.generic] = stored
        self._stored = (self.channels, stored)
        structure = file.tags(ns="IMAGE_STRUCTURE")
        bits = file.tags(1, ns="IMAGE_STRUCTURE").get("NBITS") == "1"
        white = structure.get("MINISWHITE") == "YES"
        self._scale = 255 if bits and palette == "rgb" else 1
        self._inverted = white and palette == "rgb"
        # GDAL gives grey images of 1 bit, and those where 0 is white, a palette of its own.
        paletted = file.colorinterp[0] == ColorInterp.palette and not white
        self._colours: NDArray[np.uint8] | None = None
        if paletted and palette == "rgb" and not (bits and _black_white(file)):
            self._colours = _colours(self._path, 2 ** (8 * stored.itemsize))
            self.channels, self.dtype = 3, np.dtype(np.uint8)
        self._segment = self._large_segment(file) if "COMPRESSION" in structure else None

    def _large_segment(self, file: Any) -> tuple[int, int] | None:
        """Height and width of strips or tiles, if these are large."""
        tall, wide = file.block_shapes[0]
        if tall == 1 and not any(
            file.get_tag_item(f"BLOCK_OFFSET_0_{row}", "TIFF", bidx=1)
            for row in {1, self.height - 1}
        ):
            # GDAL shows a single strip as rows, but decodes from its start to the row wanted.
            tall = self.height
        channels, dtype = self._stored
        size = tall * wide * channels * dtype.itemsize
        return (tall, wide) if size >= _LARGE_SEGMENT else None

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.generic]:
        """Pixels `[height, width, channels]` of a window inside the image."""
        pixels: NDArray[Any] = (
            self._read_segments(top, left, height, width)
            if self._segment
            else self._load(top, left, height, width)
        )
        if self._colours is not None:
            coloured: NDArray[np.uint8] = self._colours[pixels[..., 0]]
            return coloured
        if self._scale > 1:
            pixels *= np.uint8(self._scale)
        if self._inverted:
            pixels = ~pixels  # Of unsigned numbers: the largest minus the value.
        return pixels

    def _load(self, top: int, left: int, height: int, width: int) -> NDArray[Any]:
        channels, dtype = self._stored
        out = np.empty((height, width, channels), dtype)
        with open_pixels(self._path, "GTiff", self._prefix) as file:
            # Filled by GDAL pixel by pixel: no second array, and a faster way through GDAL.
            file.read(window=Window(left, top, width, height), out=out.transpose(2, 0, 1))
        return out

    def _read_segments(self, top: int, left: int, height: int, width: int) -> NDArray[Any]:
        """The same from whole strips or tiles, which are kept."""
        assert self._segment is not None
        channels, dtype = self._stored
        out = np.empty((height, width, channels), dtype)
        tall, wide = self._segment
        bottom, right = top + height, left + width
        stat = self._path.stat()
        for y in range(top - top % tall, bottom, tall):
            for x in range(left - left % wide, right, wide):
                segment = SHARED.get(
                    (str(self._path), y, x, stat.st_mtime_ns, stat.st_size),
                    partial(
                        self._load, y, x, min(tall, self.height - y), min(wide, self.width - x)
                    ),
                )
                y0, y1 = max(top, y), min(bottom, y + tall)
                x0, x1 = max(left, x), min(right, x + wide)
                out[y0 - top : y1 - top, x0 - left : x1 - left] = segment[
                    y0 - y : y1 - y, x0 - x : x1 - x
                ]
        return out


def _number_type(name: str) -> np.dtype[np.generic] | None:
    """The one of that name, where it is one that this package reads."""
    return next((dtype for dtype in NUMBER_TYPES if dtype.name == name), None)


def _black_white(file: Any) -> bool:
    return {colour[:3] for colour in file.colormap(1).values()} == {(0, 0, 0), (255, 255, 255)}


def _colours(path: Path, count: int) -> NDArray[np.uint8]:
    """Colours `[count, 3]` of the palette; what it leaves out is black."""
    table = np.zeros((count, 3), np.uint8)
    # The standard says 0 to 65535, of which the upper 8 bits count; some writers store 0 to 255.
    for multiplier in ("256", "1"):
        with open_pixels(path, "GTiff", COLOR_TABLE_MULTIPLIER=multiplier) as file:
            for index, colour in file.colormap(1).items():
                table[index] = colour[:3]
        if table.any():
            break
    return table
