"""Images in files, of which windows are read, whatever their format.

GDAL reads TIFF, JPEG 2000 and VRT, through rasterio, and Pillow photographs; what each of them is
told, and what the pixels of one format have of their own, stands in `tiff`, `gdal_reader` and
`whole`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioIOError

from iic_tf.data.alpha import laid_on
from iic_tf.data.gdal_reader import GdalReader
from iic_tf.data.mask_numbers import as_mask
from iic_tf.data.pixel_cache import set_cache_bytes
from iic_tf.data.reading import MAX_CHANNELS, Alpha, Found, Palette, Reader, unreadable
from iic_tf.data.tiff import tiff_reader
from iic_tf.data.tiff_directory import TIFF_STARTS
from iic_tf.data.turned import upright
from iic_tf.data.vrt import VRT_START, check_vrt
from iic_tf.data.whole import WHOLE_STARTS, WholeReader
from iic_tf.errors import DataMissingError, InputError, expected

__all__ = ["MAX_CHANNELS", "Alpha", "Palette", "Raster", "set_cache_bytes"]

_BLOCK_PIXELS = 2**22
_JPEG_2000_STARTS = (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")


class Raster:
    """An image file that is opened at first use and read window by window.

    The format is told by the file's first bytes, not by its name. TIFF, JPEG 2000 and VRT: only the
    strips or tiles that a window touches are decoded; which pages of a TIFF are the image is said
    in `iic_tf.data.tiff_pages`, what a VRT may name in `iic_tf.data.vrt`. PNG, JPEG, WebP, BMP and
    GIF: decoded whole, once, and kept in a shared cache (`set_cache_bytes`); more than 200
    megapixels are refused.

    Pictures come as viewers show them: turned by EXIF's, or TIFF's, orientation; inks (CMYK), YCbCr
    and CIELab become RGB. Alpha is no channel. A pixel holds *no data* where all bands have the
    file's nodata value, a mask within the file hides it, its alpha is 0, or a band is NaN or
    infinite.

    No file stays open between reads; a raster may be used by several threads and pickled. Every
    property and method raises `InputError` where the file cannot be read, and `DataMissingError`
    where it does not exist.

    Args:
        path: the file.
        palette: see `Palette`. With `index` a nodata value says nothing, and numbers come as uint8
            or uint16, whatever they are stored as; others than 0 to 65535 are refused.
        bands: which bands are read, in this order, as numbers from 1; None for all of them.
        alpha: see `Alpha`. `auto`: the alpha of a PNG or WebP is one; of a TIFF, JPEG 2000 or VRT
            it is a band, where more than a quarter of its values that are not 0 are less than the
            largest, see `iic_tf.data.alpha`. A band that is among `bands` is always one.
    """

    def __init__(
        self,
        path: str | Path,
        palette: Palette = "rgb",
        bands: Sequence[int] | None = None,
        alpha: Alpha = "auto",
    ) -> None:
        self.path = Path(path)
        self.palette: Palette = palette
        self.bands = None if bands is None else tuple(bands)
        self.alpha: Alpha = alpha
        self._reader: Reader | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> tuple[Any, ...]:
        return self.path, self.palette, self.bands, self.alpha

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def __repr__(self) -> str:
        more = f", bands={self.bands}" if self.bands else ""
        more += f", alpha={self.alpha!r}" if self.alpha != "auto" else ""
        return f"{type(self).__name__}({str(self.path)!r}, palette={self.palette!r}{more})"

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are read."""
        return (self.path,)

    @property
    def height(self) -> int:
        """Rows, in pixels, of the picture as it is shown."""
        return self._open().height

    @property
    def width(self) -> int:
        """Columns, in pixels, of the picture as it is shown."""
        return self._open().width

    @property
    def channels(self) -> int:
        """Bands that are read, 1 to 16."""
        return self._open().channels

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of 8, 16 or 32 bits: uint, int or float; float64 is handed on as float32."""
        return self._open().dtype

    @property
    def has_nodata(self) -> bool:
        """Whether some pixel may hold no data, as far as the header tells."""
        return self._open().has_nodata

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.generic]:
        """Raw values `[height, width, channels]` of a window, finite; the array is the caller's.

        Raises:
            InputError: the window is empty or leaves the image, or the file cannot be decoded.
        """
        return self.read_with_valid(top, left, height, width)[0]

    def read_with_valid(
        self, top: int, left: int, height: int, width: int
    ) -> tuple[NDArray[np.generic], NDArray[np.bool_] | None]:
        """The same, and which of the pixels hold data, bool `[height, width]`; None where all do.

        Pixels that hold no data come as they are stored, NaN and infinities as 0.

        Raises:
            InputError: as `read`.
        """
        found = self.found(top, left, height, width)
        pixels = found.pixels
        nothing = [where for where in (found.empty, found.hidden) if where is not None]
        if found.alpha is not None:
            nothing.append(found.alpha == 0)
        if pixels.dtype.kind == "f":
            broken = ~np.isfinite(pixels)
            if broken.any():
                pixels[broken] = 0
                nothing.append(broken.any(axis=-1))
        if not any(where.any() for where in nothing):
            return pixels, None
        return pixels, ~reduce(np.logical_or, nothing)

    def read_on(
        self,
        top: int,
        left: int,
        height: int,
        width: int,
        background: float | tuple[float, float, float] = 255,
    ) -> NDArray[np.generic]:
        """A window as it shows on a background of one colour; without alpha the same as `read`.

        Args:
            top: first row of the window.
            left: its first column.
            height: its rows.
            width: its columns.
            background: grey of 0 (black) to 255 (white, the largest of the number type), or such a
                value for each channel.

        Raises:
            InputError: as `read`.
        """
        found = self.found(top, left, height, width)
        if found.alpha is None:
            return self.read(top, left, height, width)
        return laid_on(found.pixels, found.alpha, background)

    def row_blocks(self) -> Iterator[NDArray[np.generic]]:
        """The whole image from top to bottom in blocks of full rows, about 4 megapixels each."""
        rows = max(1, _BLOCK_PIXELS // self.width)
        if rows > 256:
            rows -= rows % 256  # Whole rows of tiles, so that no tile is decoded twice.
        for top in range(0, self.height, rows):
            yield self.read(top, 0, min(rows, self.height - top), self.width)

    def found(self, top: int, left: int, height: int, width: int) -> Found:
        """All that the file says of a window: pixels, and why some of them hold no data.

        Raises:
            InputError: as `read`.
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

    def _open(self) -> Reader:
        reader = self._reader
        if reader is None:
            with self._lock:
                reader = self._reader = self._reader or self._make_reader()
        return reader

    def _make_reader(self) -> Reader:
        reader = _reader_for(self.path, self.palette, self.bands, self.alpha)
        return as_mask(reader, self.path) if self.palette == "index" else reader


def _reader_for(
    path: Path, palette: Palette, bands: tuple[int, ...] | None, alpha: Alpha
) -> Reader:
    try:
        with path.open("rb") as file:
            start = file.read(1024)
        if not start:
            raise unreadable(path, "the file is empty")
        if start.startswith(TIFF_STARTS):
            return tiff_reader(path, palette, bands, alpha)
        if start.startswith(WHOLE_STARTS):
            whole = WholeReader(path, palette, bands, alpha)
            return upright(whole, whole.orientation)
        if start.startswith(_JPEG_2000_STARTS):
            return GdalReader(path, "JP2OpenJPEG", "", palette, bands, alpha)
        if VRT_START in start:
            check_vrt(path)
            return GdalReader(path, "VRT", "", palette, bands, alpha)
    except InputError:
        raise
    except Exception as error:
        raise _failed(path, error) from error
    raise unreadable(path, f"it starts with {start[:8]!r}")


def _failed(path: Path, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError | RasterioIOError) and not os.path.exists(path):
        return DataMissingError(f"Expected an image file at '{path}'; received no such file.")
    # What GDAL found is the cause of what rasterio says of it.
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    text = " ".join(str(error).split())
    return unreadable(path, f"damaged: {text[:120] or type(error).__name__}")
