"""PNG, JPEG, WebP, BMP and GIF files, which can only be decoded whole."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from iic_tf.data.gdal import open_pixels
from iic_tf.data.pixel_cache import SHARED
from iic_tf.data.png_chunks import PNG_START, find_chunk
from iic_tf.data.reading import Alpha, Found, Palette, check_bands, unreadable
from iic_tf.data.tiff_directory import exif_orientation

JPEG_START = b"\xff\xd8\xff"
MAX_PIXELS = 200_000_000


class _Jpeg(JpegImageFile):
    def _read_dpi_from_exif(self) -> None:
        """Leave EXIF unread: damaged EXIF makes Pillow warn, and nothing here needs it."""


# By the first bytes. The classes are used directly because `Image.open` warns above 89 megapixels.
_FORMATS: dict[bytes, Callable[[BinaryIO], Image.Image]] = {
    PNG_START: PngImageFile,
    JPEG_START: _Jpeg,
    b"RIFF": WebPImageFile,
    b"GIF8": GifImageFile,
    b"BM": BmpImageFile,
}
WHOLE_STARTS = tuple(_FORMATS)

# Channels by Pillow's mode, alpha left out, as this reader hands them on (CMYK and YCbCr as RGB).
_CHANNELS = {"1": 1, "L": 1, "LA": 1, "P": 1, "RGB": 3, "RGBA": 3, "CMYK": 3, "YCbCr": 3}
_PNG_CHANNELS = {0: 1, 2: 3, 4: 1, 6: 3}  # by the PNG colour type


class WholeReader:
    """A file that is decoded whole; the decoded pixels live in the shared cache, not here.

    Args:
        path: the file.
        palette, bands, alpha: as of `Raster`.

    Attributes:
        orientation: 1 to 8, how the picture is turned by its EXIF; `read` gives it as stored.
    """

    def __init__(
        self, path: Path, palette: Palette, bands: tuple[int, ...] | None, alpha: Alpha
    ) -> None:
        self._path = path
        self._palette = palette
        with path.open("rb") as file:
            start = file.read(26)
            self._depth, colour_type = 8, -1
            if start.startswith(PNG_START):
                self._depth, colour_type = struct.unpack("BB", start[24:26])
            image = self._pillow(file)
            self.width, self.height = image.size
            mode = image.mode
            if getattr(image, "n_frames", 1) > 1:
                raise unreadable(path, f"{getattr(image, 'n_frames', 1)} pictures in one file")
            self._key = image.info.get("transparency")
            exif = image.info.get("exif", b"")
            if start.startswith(PNG_START):
                exif = find_chunk(file, b"eXIf") or exif
        self.orientation = exif_orientation(exif) if isinstance(exif, bytes) else 1
        # Pillow cuts colour PNGs of 16 bits down to 8, so those are decoded by GDAL.
        if self._depth == 16:
            colours = _PNG_CHANNELS[colour_type]
        elif mode in _CHANNELS:
            colours = 3 if mode == "P" and palette == "rgb" else _CHANNELS[mode]
        else:
            raise unreadable(path, f"pixels of mode {mode}")
        self._colours = colours
        self.dtype: np.dtype[np.generic] = np.dtype(np.uint16 if self._depth == 16 else np.uint8)
        stored_alpha = colour_type in (4, 6) or mode in ("LA", "RGBA")
        has_alpha = stored_alpha or self._key is not None
        # Masks keep their numbers: transparency in a palette says how they are shown.
        self._alpha = has_alpha and not (palette == "index" and self._key is not None)
        self.has_nodata = self._alpha and alpha != "band"
        count = colours + (stored_alpha if alpha == "band" else 0)
        if stored_alpha and bands and max(bands) == colours + 1:
            count, self.has_nodata = colours + 1, False
        check_bands(path, bands, count)
        self._chosen = [band - 1 for band in bands] if bands else None
        self.channels = len(bands) if bands else count
        if self.width * self.height > MAX_PIXELS:
            raise unreadable(
                path,
                f"{self.height} x {self.width} pixels, more than {MAX_PIXELS // 10**6} megapixels: "
                "it can only be decoded whole; save it as a tiled TIFF",
            )

    def read(self, top: int, left: int, height: int, width: int) -> Found:
        """What a window inside the image holds."""
        stat = self._path.stat()
        # Time and size are part of the key, so that a file written anew is decoded anew.
        key = (str(self._path), self._palette, stat.st_mtime_ns, stat.st_size)
        whole: NDArray[Any] = SHARED.get(key, self._decode)
        window = whole[top : top + height, left : left + width]
        alpha = window[..., -1].copy() if self.has_nodata else None
        chosen = window[..., self._chosen] if self._chosen else window[..., : self.channels].copy()
        return Found(chosen, alpha=alpha)

    def _pillow(self, file: BinaryIO) -> Image.Image:
        file.seek(0)
        start = file.read(8)
        file.seek(0)
        return next(make for mark, make in _FORMATS.items() if start.startswith(mark))(file)

    def _decode(self) -> NDArray[np.generic]:
        """Pixels `[height, width, channels]`, followed by the alpha where there is one."""
        if self._depth == 16:
            pixels = self._from_gdal()
        else:
            with self._path.open("rb") as file:
                pixels = self._from_pillow(self._pillow(file))
        pixels = pixels.reshape(self.height, self.width, -1)
        return np.ascontiguousarray(pixels[..., : self._colours + self._alpha])

    def _from_gdal(self) -> NDArray[np.generic]:
        with open_pixels(self._path, "PNG") as file:
            pixels: NDArray[np.generic] = np.empty((self.height, self.width, file.count), np.uint16)
            file.read(out=pixels.transpose(2, 0, 1))
        if file.count == self._colours and self._alpha:
            return self._with_key(pixels)
        return pixels

    def _with_key(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Followed by an alpha that is 0 where pixels have the one colour that is transparent."""
        pixels = pixels.reshape(self.height, self.width, -1)
        # Grey of 2 and 4 bits is spread over 0 to 255, but not the one that is transparent.
        spread = 255 // (2**self._depth - 1) if self._depth in (2, 4) else 1
        key = np.asarray(self._key, np.int64) * spread
        same = (pixels == key).all(axis=-1, keepdims=True)
        alpha = np.where(same, 0, np.iinfo(pixels.dtype).max).astype(pixels.dtype)
        return np.concatenate([pixels, alpha], axis=-1)

    def _from_pillow(self, image: Image.Image) -> NDArray[np.generic]:
        if image.mode in ("CMYK", "YCbCr"):
            image = image.convert("RGB")
        pixels: NDArray[np.uint8] = np.array(image)
        if image.mode == "1":
            pixels = pixels.astype(np.uint8) * np.uint8(255 if self._palette == "rgb" else 1)
        elif image.mode == "P" and self._palette == "rgb":
            # By hand: Pillow's own conversion warns about palettes with transparency.
            table = np.full((256, 4), (0, 0, 0, 255), np.uint8)
            stored = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
            table[: len(stored), :3] = stored
            if isinstance(self._key, bytes):
                table[: len(self._key), 3] = np.frombuffer(self._key, np.uint8)
            elif self._key is not None:
                table[int(self._key), 3] = 0
            coloured: NDArray[np.uint8] = table[pixels]
            return coloured
        elif image.mode == "L" and self._palette == "index" and self._depth in (2, 4):
            # Pillow spreads grey of 2 and 4 bits over 0 to 255; masks need the stored numbers.
            pixels //= np.uint8(255 // (2**self._depth - 1))
        if self._alpha and self._key is not None and image.mode in ("1", "L", "RGB"):
            return self._with_key(pixels)
        return pixels
