"""Pixels through GDAL, of which only the strips or tiles that a window touches are decoded."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window

from iic_tf.data.alpha import looks_like_alpha
from iic_tf.data.gdal import open_pixels
from iic_tf.data.joined import joint_type
from iic_tf.data.nodata_values import NodataValues, nodata_values
from iic_tf.data.pixel_cache import SHARED
from iic_tf.data.reading import (
    MAX_CHANNELS,
    NUMBER_TYPES,
    Alpha,
    Found,
    Palette,
    check_bands,
    unreadable,
)

if TYPE_CHECKING:
    import rasterio

# Compressed segments of at least this size are kept: decoding one for each window would be slow.
_LARGE_SEGMENT = 4 * 2**20


class GdalReader:
    """One data set of GDAL's: strips or tiles, bands interleaved or separate, any compression.

    The file is opened anew for each window, which takes far less time than decoding does: threads
    share nothing, and no file stays open.

    Args:
        path: the file.
        driver: GDAL's name of the format.
        prefix: what GDAL wants before the path to open one page, or inks as they are.
        palette, bands, alpha: as of `Raster`.
        inks: whether the bands are cyan, magenta, yellow and black, which become red, green, blue.
        opaque: whether a fourth band is GDAL's own and says nothing.

    Attributes:
        nodata: which values of the bands, as they are stored, mean no data; None for none.
    """

    def __init__(
        self,
        path: Path,
        driver: str,
        prefix: str = "",
        palette: Palette = "rgb",
        bands: tuple[int, ...] | None = None,
        alpha: Alpha = "auto",
        inks: bool = False,
        opaque: bool = False,
    ) -> None:
        self._path, self._driver, self._prefix = path, driver, prefix
        self._inks = inks
        with open_pixels(path, driver, prefix) as file:
            self._take_bands(file, bands, alpha, opaque)
            self._take_header(file, palette, bands)

    def _take_bands(
        self,
        file: rasterio.DatasetReader,
        bands: tuple[int, ...] | None,
        alpha: Alpha,
        opaque: bool,
    ) -> None:
        """Which of the stored bands are read, and which of them are the alpha and the mask."""
        count = min(3, file.count) if opaque else int(file.count)
        tagged = [n for n in range(1, count + 1) if file.colorinterp[n - 1] == ColorInterp.alpha]
        hides = tagged[0] if tagged and count > 1 and alpha != "band" else None
        if hides in (bands or ()) and not self._inks:
            hides = None  # Who asks for the band means it.
        if hides is not None and alpha == "auto" and not looks_like_alpha(file, hides):
            hides = None
        colours = [n for n in range(1, count + 1) if n != hides]
        if bands is not None and not self._inks and ColorInterp.palette not in file.colorinterp:
            check_bands(self._path, bands, count)
            colours = list(bands)
        if not 1 <= len(colours) <= MAX_CHANNELS:
            raise unreadable(
                self._path, f"{len(colours)} channels; choose up to {MAX_CHANNELS} by bands"
            )
        # In ascending order: mapped into memory, GDAL 3.10 does not heed any other.
        self._indexes = sorted({*colours, *([hides] if hides else [])})
        self._order = [self._indexes.index(n) for n in colours]
        self._alpha = None if hides is None else self._indexes.index(hides)
        flags = file.mask_flag_enums[0]
        self._masked = MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
        types = {file.dtypes[n - 1] for n in self._indexes}
        for name in sorted(types):
            if name not in {known.name for known in NUMBER_TYPES}:
                parts = ", a real and an imaginary part" if "complex" in name else ""
                raise unreadable(self._path, f"pixels of {name}{parts}")
        self._stored: np.dtype[np.generic] = (
            np.dtype(types.pop()) if len(types) == 1 else joint_type([np.dtype(t) for t in types])
        )

    def _take_header(
        self, file: rasterio.DatasetReader, palette: Palette, bands: tuple[int, ...] | None
    ) -> None:
        self.height, self.width = int(file.height), int(file.width)
        self.channels = len(self._order)
        self.dtype = joint_type([self._stored])
        structure = file.tags(ns="IMAGE_STRUCTURE")
        bits = file.tags(1, ns="IMAGE_STRUCTURE").get("NBITS") == "1"
        white = structure.get("MINISWHITE") == "YES"
        self._scale = 255 if bits and palette == "rgb" else 1
        self._inverted = white and palette == "rgb" and self._stored.kind == "u"
        # GDAL gives grey images of 1 bit, and those where 0 is white, a palette of its own.
        paletted = file.colorinterp[0] == ColorInterp.palette and not white
        self._colours: NDArray[np.uint8] | None = None
        if paletted and palette == "rgb" and not (bits and _black_white(file)):
            self._colours = self._load_colours()
            self.channels, self.dtype = 3, np.dtype(np.uint8)
        if self._inks:
            self.channels = 3
        self._chosen: list[int] | None = None
        if bands is not None and (self._inks or paletted):
            check_bands(self._path, bands, self.channels)
            self._chosen = [band - 1 for band in bands]
            self.channels = len(bands)
        self.nodata = self._nodata_of(file) if palette == "rgb" else None
        packed = "COMPRESSION" in structure or self._driver == "JP2OpenJPEG"
        self._segment = self._large_segment(file) if packed else None

    def _nodata_of(self, file: rasterio.DatasetReader) -> NodataValues | None:
        """The values that mean no data; None where that cannot be in all bands."""
        values = [file.nodatavals[self._indexes[place] - 1] for place in self._order]
        return nodata_values(values, self._stored)

    @property
    def has_nodata(self) -> bool:
        """Whether some pixel may hold no data."""
        known = (self.nodata, self._alpha)
        return known != (None, None) or self._masked or self.dtype.kind == "f"

    def _large_segment(self, file: rasterio.DatasetReader) -> tuple[int, int] | None:
        """Height and width of strips or tiles, if these are large."""
        tall, wide = file.block_shapes[0]
        if (
            self._driver == "GTiff"
            and tall == 1
            and not any(
                file.get_tag_item(f"BLOCK_OFFSET_0_{row}", "TIFF", bidx=1)
                for row in {1, self.height - 1}
            )
        ):
            # GDAL shows a single strip as rows, but decodes from its start to the row wanted.
            tall = self.height
        size = tall * wide * len(self._indexes) * self._stored.itemsize
        # JPEG 2000 takes fifty times as long to decode as others do.
        large = size >= _LARGE_SEGMENT or self._driver == "JP2OpenJPEG"
        return (tall, wide) if large else None

    def read(self, top: int, left: int, height: int, width: int) -> Found:
        """What a window inside the image holds."""
        planes: NDArray[Any] = (
            self._read_segments(top, left, height, width)
            if self._segment
            else self._load(top, left, height, width)
        )
        count = len(self._order)
        plain = self._order == list(range(count))
        pixels = planes[..., :count] if plain else planes[..., self._order]
        alpha = None if self._alpha is None else planes[..., self._alpha].copy()
        hidden = planes[..., -1] == 0 if self._masked else None
        empty = None if self.nodata is None else self.nodata.all_in(pixels)
        return Found(self._coloured(pixels), empty, hidden, alpha)

    def _coloured(self, pixels: NDArray[Any]) -> NDArray[Any]:
        if self._colours is not None:
            pixels = self._colours[pixels[..., 0]]
        elif self._inks:
            pixels = _from_inks(pixels)
        elif self._scale > 1:
            pixels = pixels * np.uint8(self._scale)
        if self._chosen is not None:
            pixels = pixels[..., self._chosen]
        if self._inverted:
            pixels = ~pixels  # Of unsigned numbers: the largest minus the value.
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(pixels, self.dtype)

    def _load(self, top: int, left: int, height: int, width: int) -> NDArray[Any]:
        """The bands that are read, alpha among them, then the mask, as they are stored."""
        indexes = self._indexes
        out = np.empty((height, width, len(indexes) + self._masked), self._stored)
        window = Window(left, top, width, height)
        with open_pixels(self._path, self._driver, self._prefix) as file:
            # Filled by GDAL pixel by pixel: no second array, and a faster way through GDAL.
            bands = out[..., : len(indexes)]
            if self._masked and indexes[-1] - indexes[0] >= len(indexes):
                # Mapped into memory, GDAL 3.10 takes bands beside a mask for those that follow
                # each other, where both together are as many as the file has.
                bands = np.empty(bands.shape, self._stored)
            file.read(indexes, window=window, out=bands.transpose(2, 0, 1))
            if bands.base is not out:
                out[..., : len(indexes)] = bands
            if self._masked:
                out[..., -1] = file.read_masks(1, window=window) != 0
        return out

    def _read_segments(self, top: int, left: int, height: int, width: int) -> NDArray[Any]:
        """The same from whole strips or tiles, which are kept."""
        assert self._segment is not None
        count = len(self._indexes) + self._masked
        out = np.empty((height, width, count), self._stored)
        tall, wide = self._segment
        bottom, right = top + height, left + width
        stat = self._path.stat()
        what = (str(self._path), self._prefix, tuple(self._indexes))
        for y in range(top - top % tall, bottom, tall):
            for x in range(left - left % wide, right, wide):
                segment = SHARED.get(
                    (*what, y, x, stat.st_mtime_ns, stat.st_size),
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

    def _load_colours(self) -> NDArray[np.uint8]:
        """Colours `[count, 3]` of the palette; what it leaves out is black."""
        table = np.zeros((2 ** (8 * self._stored.itemsize), 3), np.uint8)
        # The standard says 0 to 65535, of which the upper 8 bits count; some writers store 0 to
        # 255.
        ways = ("256", "1") if self._driver == "GTiff" else ("",)
        for multiplier in ways:
            how = {"COLOR_TABLE_MULTIPLIER": multiplier} if multiplier else {}
            with open_pixels(self._path, self._driver, self._prefix, **how) as file:
                for index, colour in file.colormap(1).items():
                    table[index] = colour[:3]
            if table.any():
                break
        return table


def _black_white(file: rasterio.DatasetReader) -> bool:
    return {colour[:3] for colour in file.colormap(1).values()} == {(0, 0, 0), (255, 255, 255)}


def _from_inks(inks: NDArray[Any]) -> NDArray[Any]:
    """Cyan, magenta, yellow and black become red, green and blue: what paper is left white."""
    most = int(np.iinfo(inks.dtype).max)
    light = most - inks[..., :3].astype(np.uint64)
    black = most - inks[..., 3:4].astype(np.uint64)
    return ((light * black + most // 2) // most).astype(inks.dtype)
