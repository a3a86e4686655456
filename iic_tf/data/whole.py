"""PNG and JPEG files, which can only be decoded whole."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from iic_tf.data.gdal import open_pixels
from iic_tf.data.pixel_cache import SHARED
from iic_tf.data.reading import Palette, unreadable

PNG_START = b"\x89PNG\r\n\x1a\n"
JPEG_START = b"\xff\xd8\xff"
MAX_PIXELS = 200_000_000

# Channels by Pillow's mode, as this reader hands them on (alpha dropped, CMYK and YCbCr as RGB).
_CHANNELS = {"1": 1, "L": 1, "LA": 1, "P": 1, "RGB": 3, "RGBA": 3, "CMYK": 3, "YCbCr": 3}
_PNG_CHANNELS = {0: 1, 2: 3, 4: 1, 6: 3}  # by the PNG colour type


class _Jpeg(JpegImageFile):
    def _read_dpi_from_exif(self) -> None:
        """Leave EXIF unread: damaged EXIF makes Pillow warn, and nothing here needs it."""


class WholeReader:
    """A PNG or JPEG file; the decoded pixels live in the shared cache, not here."""

    def __init__(self, path: Path, palette: Palette) -> None:
        self._path = path
        self._palette = palette
        with path.open("rb") as file:
            start = file.read(26)
            self._depth, colour_type = 8, -1
            if start.startswith(PNG_START):
                self._depth, colour_type = struct.unpack("BB", start[24:26])
            file.seek(0)
            image = self._pillow(file)
            self.width, self.height = image.size
            mode = image.mode
        # Pillow cuts colour PNGs of 16 bits down to 8, so those are decoded by GDAL.
        if self._depth == 16:
            self.channels = _PNG_CHANNELS[colour_type]
        elif mode in _CHANNELS:
            self.channels = 3 if mode == "P" and palette == "rgb" else _CHANNELS[mode]
        else:
            raise unreadable(path, f"pixels of mode {mode}")
        self.dtype: np.dtype[np.generic] = np.dtype(np.uint16 if self._depth == 16 else np.uint8)
        if self.width * self.height > MAX_PIXELS:
            raise unreadable(
                path,
                f"{self.height} x {self.width} pixels, more than {MAX_PIXELS // 10**6} megapixels: "
                "PNG and JPEG are decoded whole; save it as a tiled TIFF",
            )

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.generic]:
        """Pixels `[height, width, channels]` of a window inside the image."""
        stat = self._path.stat()
        # Time and size are part of the key, so that a file written anew is decoded anew.
        key = (str(self._path), self._palette, stat.st_mtime_ns, stat.st_size)
        whole = SHARED.get(key, self._decode)
        return whole[top : top + height, left : left + width].copy()

    def _pillow(self, file: BinaryIO) -> Image.Image:
        # The classes are used directly because `Image.open` warns above 89 megapixels.
        png = file.read(8) == PNG_START
        file.seek(0)
        return PngImageFile(file) if png else _Jpeg(file)

    def _decode(self) -> NDArray[np.generic]:
        if self._depth == 16:
            pixels = self._from_gdal()
        else:
            with self._path.open("rb") as file:
                pixels = self._from_pillow(self._pillow(file))
        pixels = pixels.reshape(self.height, self.width, -1)[..., : self.channels]
        return np.ascontiguousarray(pixels)

    def _from_gdal(self) -> NDArray[np.generic]:
        with open_pixels(self._path, "PNG") as file:
            pixels: NDArray[np.generic] = np.empty((self.height, self.width, file.count), np.uint16)
            file.read(out=pixels.transpose(2, 0, 1))
        return pixels

    def _from_pillow(self, image: Image.Image) -> NDArray[np.generic]:
        if image.mode in ("CMYK", "YCbCr"):
            image = image.convert("RGB")
        pixels: NDArray[np.uint8] = np.array(image)
        if image.mode == "1":
            return pixels.astype(np.uint8) * np.uint8(255 if self._palette == "rgb" else 1)
        if image.mode == "P" and self._palette == "rgb":
            # By hand: Pillow's own conversion warns about palettes with transparency.
            colours = np.zeros((256, 3), np.uint8)
            stored = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
            colours[: len(stored)] = stored
            coloured: NDArray[np.uint8] = colours[pixels]
            return coloured
        if image.mode == "L" and self._palette == "index" and self._depth in (2, 4):
            # Pillow spreads grey of 2 and 4 bits over 0 to 255; masks need the stored numbers.
            pixels //= np.uint8(255 // (2**self._depth - 1))
        return pixels
