"""Images in files, of which windows are read: PNG, JPEG and TIFF of 8 or 16 bits.

GDAL reads TIFF, through rasterio, and Pillow photographs; what each of them is told, and what the
pixels of one format have of their own, stands in `tiff` and `whole`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioIOError

from iic_tf.data.pixel_cache import set_cache_bytes
from iic_tf.data.reading import MAX_CHANNELS, Palette, Reader, unreadable
from iic_tf.data.tiff import TIFF_STARTS, TiffReader
from iic_tf.data.whole import JPEG_START, PNG_START, WholeReader
from iic_tf.errors import DataMissingError, InputError, expected

__all__ = ["MAX_CHANNELS", "Palette", "Raster", "set_cache_bytes"]

_BLOCK_PIXELS = 2**22


class Raster:
    """An image file that is opened at first use and read window by window.

    The format is told by the file's first bytes, not by its name. TIFF: page 0 only, all its bands,
    decoding only the strips or tiles that a window touches. PNG and JPEG: decoded whole, once, and
    kept in a shared cache (`set_cache_bytes`); alpha is dropped, CMYK becomes RGB, and more than
    200 megapixels are refused. EXIF orientation is not applied: pixels come as stored.

    No file stays open between reads; a raster may be used by several threads and pickled. Every
    property and method raises `InputError` where the file cannot be read, and `DataMissingError`
    where it does not exist.

    Args:
        path: the file.
        palette: see `Palette`.
    """

    def __init__(self, path: str | Path, palette: Palette = "rgb") -> None:
        self.path = Path(path)
        self.palette: Palette = palette
        self._reader: Reader | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> tuple[Path, Palette]:
        return self.path, self.palette

    def __setstate__(self, state: tuple[Path, Palette]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"Raster({str(self.path)!r}, palette={self.palette!r})"

    @property
    def height(self) -> int:
        """Rows, in pixels."""
        return self._open().height

    @property
    def width(self) -> int:
        """Columns, in pixels."""
        return self._open().width

    @property
    def channels(self) -> int:
        """Bands, 1 to 16."""
        return self._open().channels

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Either uint8 or uint16."""
        return self._open().dtype

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.generic]:
        """Raw values `[height, width, channels]` of a window; the array is the caller's own.

        Raises:
            InputError: the window is empty or leaves the image, or the file cannot be decoded.
        """
        reader = self._open()
        inside = 0 <= top < top + height <= reader.height and (
            0 <= left < left + width <= reader.width
        )
        if not inside:
            raise expected(
                f"a window inside the {reader.height} x {reader.width} pixels of '{self.path}'",
                (top, left, height, width),
                "(top, left, height, width)",
            )
        try:
            return reader.read(top, left, height, width)
        except InputError:
            raise
        except Exception as error:
            # Decoders raise almost anything (OSError, ValueError, struct.error, their own types)
            # on damaged files.
            raise _failed(self.path, error) from error

    def row_blocks(self) -> Iterator[NDArray[np.generic]]:
        """The whole image from top to bottom in blocks of full rows, about 4 megapixels each."""
        rows = max(1, _BLOCK_PIXELS // self.width)
        if rows > 256:
            rows -= rows % 256  # Whole rows of tiles, so that no tile is decoded twice.
        for top in range(0, self.height, rows):
            yield self.read(top, 0, min(rows, self.height - top), self.width)

    def _open(self) -> Reader:
        reader = self._reader
        if reader is None:
            with self._lock:
                reader = self._reader = self._reader or _reader_for(self.path, self.palette)
        return reader


def _reader_for(path: Path, palette: Palette) -> Reader:
    try:
        with path.open("rb") as file:
            start = file.read(8)
        if not start:
            raise unreadable(path, "the file is empty")
        if start.startswith(TIFF_STARTS):
            return TiffReader(path, palette)
        if start.startswith((PNG_START, JPEG_START)):
            return WholeReader(path, palette)
    except InputError:
        raise
    except Exception as error:
        raise _failed(path, error) from error
    raise unreadable(path, f"it starts with {start!r}")


def _failed(path: Path, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError | RasterioIOError) and not os.path.exists(path):
        return DataMissingError(f"Expected an image file at '{path}'; received no such file.")
    # What GDAL found is the cause of what rasterio says of it.
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    text = " ".join(str(error).split())
    return unreadable(path, f"damaged: {text[:120] or type(error).__name__}")
