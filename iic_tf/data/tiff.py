"""TIFF files, of which only the strips or tiles that a window touches are decoded."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from iic_tf.data.pixel_cache import SHARED
from iic_tf.data.raster import MAX_CHANNELS, Palette, unreadable

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_JPEG_COMPRESSIONS = {6, 7, 34892, 33007}
_MIN_IS_WHITE, _PALETTE = 0, 3
# Segments of at least this size are kept, because decoding them for each window would be slow.
_LARGE_SEGMENT = 4 * 2**20

# tifffile reports oddities through its logger. Without any handler Python prints them to stderr;
# those who set logging up still receive them.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


class TiffReader:
    """Page 0 of a TIFF: strips or tiles, bands interleaved or separate, any compression."""

    def __init__(self, path: Path, palette: Palette) -> None:
        self._path = path
        with tifffile.TiffFile(path) as file:
            page: Any = file.pages.first
            self._take_header(page, palette)
            order = "<" if file.byteorder == "<" else ">"
            self._mapped = (
                (page.dataoffsets[0], page.dtype.newbyteorder(order))
                if page.is_memmappable and page.bitspersample in (8, 16)
                else None
            )

    def _take_header(self, page: Any, palette: Palette) -> None:
        if page.dtype is None or page.dtype not in (np.bool_, np.uint8, np.uint16):
            kind = page.dtype or f"{page.bitspersample}-bit samples of format {page.sampleformat}"
            raise unreadable(self._path, f"pixels of {kind}")
        if page.imagedepth != 1 or not 1 <= page.samplesperpixel <= MAX_CHANNELS:
            raise unreadable(
                self._path, f"{page.samplesperpixel} channels, depth {page.imagedepth}"
            )
        self.height, self.width = int(page.imagelength), int(page.imagewidth)
        if not self.height or not self.width:
            raise unreadable(self._path, f"{self.height} x {self.width} pixels")
        self._samples = int(page.samplesperpixel)
        self._bits = page.dtype == np.bool_
        self._stored: np.dtype[Any] = np.dtype(page.dtype)
        self.dtype: np.dtype[np.generic] = np.dtype(np.uint8 if self._bits else page.dtype)
        self._separate = page.planarconfig == 2 and self._samples > 1
        self._segment = (
            (int(page.tilelength), int(page.tilewidth))
            if page.is_tiled
            else (min(int(page.rowsperstrip), self.height), self.width)
        )
        self._offsets, self._counts = tuple(page.dataoffsets), tuple(page.databytecounts)
        self._decode: Callable[..., Any] = page.decode
        self._options = (
            {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
            if page.compression in _JPEG_COMPRESSIONS
            else {}
        )
        self._nodata = page.nodata
        self._colours: NDArray[np.uint8] | None = None
        self._inverted = palette == "rgb" and page.photometric == _MIN_IS_WHITE
        self._scale = 255 if self._bits and palette == "rgb" else 1
        self.channels = self._samples
        if palette == "rgb" and page.photometric == _PALETTE and page.colormap is not None:
            table = np.asarray(page.colormap).T
            # The standard says 0 to 65535; some writers store 0 to 255.
            self._colours = (table >> 8 if table.max() > 255 else table).astype(np.uint8)
            self.channels, self.dtype = 3, np.dtype(np.uint8)

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.generic]:
        """Pixels `[height, width, channels]` of a window inside the image."""
        pixels = (
            self._read_mapped(top, left, height, width)
            if self._mapped
            else self._read_segments(top, left, height, width)
        )
        if self._colours is not None:
            coloured: NDArray[np.uint8] = self._colours[pixels[..., 0]]
            return coloured
        if self._bits:
            pixels = pixels.astype(np.uint8) * np.uint8(self._scale)
        if self._inverted:
            pixels = ~pixels  # Of unsigned numbers: the largest minus the value.
        return pixels

    def _read_mapped(self, top: int, left: int, height: int, width: int) -> NDArray[Any]:
        assert self._mapped is not None
        offset, dtype = self._mapped
        planes = (self._samples,) if self._separate else ()
        bands = () if self._separate else (self._samples,)
        shape = (*planes, self.height, self.width, *bands)
        stored = np.memmap(self._path, dtype, "r", offset, shape)
        rows, columns = slice(top, top + height), slice(left, left + width)
        window = stored[:, rows, columns].transpose(1, 2, 0) if planes else stored[rows, columns]
        return np.array(window, dtype.newbyteorder("="), order="C", subok=False)

    def _read_segments(self, top: int, left: int, height: int, width: int) -> NDArray[Any]:
        out = np.empty((height, width, self._samples), self._stored)
        tall, wide = self._segment
        down, across = -(-self.height // tall), -(-self.width // wide)
        bottom, right = top + height, left + width
        with self._path.open("rb") as file:
            for plane in range(self._samples if self._separate else 1):
                bands = slice(plane, plane + 1) if self._separate else slice(None)
                for row in range(top // tall, -(-bottom // tall)):
                    for column in range(left // wide, -(-right // wide)):
                        number = (plane * down + row) * across + column
                        y, x = row * tall, column * wide
                        y0, y1 = max(top, y), min(bottom, y + tall)
                        x0, x1 = max(left, x), min(right, x + wide)
                        target = out[y0 - top : y1 - top, x0 - left : x1 - left, bands]
                        segment = self._load(file, number)
                        if segment is None:
                            target[...] = self._nodata
                        else:
                            target[...] = segment[y0 - y : y1 - y, x0 - x : x1 - x]
        return out

    def _load(self, file: Any, number: int) -> NDArray[Any] | None:
        tall, wide = self._segment
        bands = 1 if self._separate else self._samples
        if tall * wide * bands * self._stored.itemsize < _LARGE_SEGMENT:
            return self._load_anew(file, number)

        def decode() -> NDArray[Any]:
            segment = self._load_anew(file, number)
            if segment is None:
                return np.full((tall, wide, bands), self._nodata, self._stored)
            return segment

        stat = self._path.stat()
        return SHARED.get((str(self._path), number, stat.st_mtime_ns, stat.st_size), decode)

    def _load_anew(self, file: Any, number: int) -> NDArray[Any] | None:
        """A decoded segment `[rows, columns, bands]`, or None where the file leaves it out."""
        if number >= len(self._offsets):
            raise unreadable(self._path, f"damaged: no entry for strip or tile {number}")
        if self._counts[number] == 0:
            return None
        file.seek(self._offsets[number])
        stored = file.read(self._counts[number])
        if len(stored) < self._counts[number]:
            raise unreadable(self._path, "damaged: the file ends too early")
        segment = self._decode(stored, number, **self._options)[0]
        # Axis 0 is the depth, which is 1.
        return np.asarray(segment[0])
