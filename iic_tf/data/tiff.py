"""TIFF files: which pages are read, how they are turned, and inks and other colours as RGB."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.gdal_reader import GdalReader
from iic_tf.data.joined import Joined
from iic_tf.data.pixel_cache import SHARED
from iic_tf.data.reading import (
    MAX_CHANNELS,
    Alpha,
    Found,
    Palette,
    Reader,
    check_bands,
    unreadable,
)
from iic_tf.data.tiff_directory import (
    CIELAB,
    ICCLAB,
    INKS,
    ITULAB,
    LOGL,
    LOGLUV,
    MOSAIC,
    Directory,
    directories,
)
from iic_tf.data.tiff_pages import Pages, choose_pages
from iic_tf.data.turned import upright

_LAB = {CIELAB: "CIELab", ICCLAB: "ICCLab", ITULAB: "ITULab", LOGL: "LogL", LOGLUV: "LogLuv"}
_ALPHA = (1, 2)  # of extra samples

MOST_SAMPLES = 4096
"""Channels of a file of which some may be chosen; GDAL takes minutes to open one of 60,000."""


def tiff_reader(
    path: Path, palette: Palette, bands: tuple[int, ...] | None, alpha: Alpha
) -> Reader:
    """What reads a TIFF upright: one page, or several that are a band or a row each.

    Raises:
        InputError: it is not one image, or its pixels are of a kind that is not read.
        rasterio.errors.RasterioIOError: it is damaged.
    """
    found, pages = read_pages(path)
    first = pages.bands[0]
    if first.samples > MOST_SAMPLES:
        raise unreadable(path, f"{first.samples} channels")
    if pages.as_rows:
        return upright(_Rows(path, pages.bands, bands), first.orientation)
    prefixes = _prefixes(found, pages)
    if len(pages.bands) == 1:
        reader = _page(path, first, prefixes[0], palette, bands, alpha)
        return upright(reader, first.orientation)
    check_bands(path, bands, len(pages.bands))
    order = [band - 1 for band in bands] if bands else range(len(pages.bands))
    parts = [_page(path, pages.bands[i], prefixes[i], palette, None, alpha) for i in order]
    # Writers of pages may tell the value that means no data once, with the first of them.
    nodata = _page(path, first, prefixes[0], palette, None, alpha).nodata
    for part in parts:
        part.nodata = part.nodata or nodata
    return upright(Joined(parts), first.orientation)


def read_pages(path: Path) -> tuple[list[Directory], Pages]:
    """All pages of a TIFF, and those of its image.

    Raises:
        InputError: it is damaged, or not one image.
    """
    with path.open("rb") as file:
        try:
            found = directories(file)
        except ValueError as error:
            raise unreadable(path, f"damaged: {error}") from error
    try:
        return found, choose_pages(found)
    except ValueError as error:
        raise unreadable(path, str(error)) from error


def page_prefix(found: list[Directory], page: Directory) -> str:
    """What GDAL wants before the path to open a page. It finds masks of the first one only."""
    return "" if page.offset == found[0].offset else f"GTIFF_DIR:off:{page.offset}:"


def _prefixes(found: list[Directory], pages: Pages) -> list[str]:
    return [page_prefix(found, page) for page in pages.bands]


def _page(
    path: Path,
    page: Directory,
    prefix: str,
    palette: Palette,
    bands: tuple[int, ...] | None,
    alpha: Alpha,
) -> GdalReader:
    kind = page.photometric
    if kind == INKS:
        _check_inks(path, page)
        # Bands as they are stored: GDAL would leave out that a pixel is transparent.
        prefix = f"GTIFF_RAW:{prefix}"
    if kind == MOSAIC:
        raise unreadable(path, "a camera's raw mosaic; develop it first")
    if kind in _LAB and (page.bits != 8 or kind not in (CIELAB, ICCLAB, ITULAB)):
        raise unreadable(path, f"colours of {_LAB[kind]} in {page.bits} bits; save it as RGB")
    opaque = kind in _LAB
    return GdalReader(path, "GTiff", prefix, palette, bands, alpha, kind == INKS, opaque)


def _check_inks(path: Path, page: Directory) -> None:
    alpha = sum(extra in _ALPHA for extra in page.extra)
    if page.ink_set != 1 or page.samples - alpha != 4 or page.bits not in (8, 16):
        raise unreadable(
            path,
            f"{page.samples} inks of {page.bits} bits that are not cyan, magenta, yellow and black "
            "alone; save it as RGB",
        )


class _Rows:
    """An image `[height, width, bands]` of which each page is a row; decoded whole, and kept."""

    def __init__(
        self, path: Path, pages: tuple[Directory, ...], bands: tuple[int, ...] | None
    ) -> None:
        page = pages[0]
        if page.width > MAX_CHANNELS and bands is None:
            raise unreadable(path, f"{page.width} channels")
        check_bands(path, bands, page.width)
        self._path, self._pages = path, pages
        self._chosen = [band - 1 for band in bands] if bands else list(range(page.width))
        first = GdalReader(path, "GTiff", self._prefix(0))
        self.height, self.width, self.channels = len(pages), page.height, len(self._chosen)
        self.dtype = first.dtype
        self._nodata = first.nodata
        self.has_nodata = first.has_nodata

    def read(self, top: int, left: int, height: int, width: int) -> Found:
        """What a window holds."""
        stat = self._path.stat()
        key = (str(self._path), "rows", stat.st_mtime_ns, stat.st_size)
        whole: NDArray[Any] = SHARED.get(key, partial(self._decode))
        window = whole[top : top + height, left : left + width]
        pixels = window[..., self._chosen]
        nodata = self._nodata
        return Found(pixels, None if nodata is None else nodata.of_all(pixels))

    def _decode(self) -> NDArray[Any]:
        page = self._pages[0]
        rows = np.empty((self.height, page.height, page.width), self.dtype)
        for y in range(self.height):
            row = GdalReader(self._path, "GTiff", self._prefix(y))
            rows[y] = row.read(0, 0, page.height, page.width).pixels[..., 0]
        return rows

    def _prefix(self, page: int) -> str:
        return f"GTIFF_DIR:off:{self._pages[page].offset}:"
