"""Files opened by GDAL, through rasterio: strict with damaged ones, and without a word or trace.

GDAL's settings hold in the thread that opens a file, as long as the file is open. Python's warning
filters, which are one for all threads, are left as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rasterio
import rasterio.shutil
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.session import DummySession

# None of the cloud's: with its keys in the environment rasterio would log in for each file opened.
_SESSION = DummySession()

# Half a picture must not pass as a whole one. Without PAM no .aux.xml is written beside an image.
_STRICT = {
    "GTIFF_IGNORE_READ_ERRORS": False,
    "GDAL_ERROR_ON_LIBJPEG_WARNING": True,
    "GDAL_PAM_ENABLED": False,
}
# Pixels come from the file alone: its folder is not searched for others that belong to it, which is
# faster, too. Uncompressed TIFFs are mapped into memory, 5 times as fast as being read row by row.
_PIXELS = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GTIFF_VIRTUAL_MEM_IO": True}
# A place may also be written in a world file or an .aux.xml beside the image; nothing is written.
_PLACE = {"GDAL_PAM_ENABLED": True}


class _Unplaced:
    """A data set that may lie nowhere, which is nothing unusual here."""

    def _has_gcps_or_rpcs(self) -> bool:
        # Rasterio asks this before it warns of an image without a place, and only then.
        # `warnings.catch_warnings` would silence, or lose the filters of, other threads.
        return True


class _Source(_Unplaced, DatasetReader):  # type: ignore[misc]
    pass


class _Target(_Unplaced, DatasetWriter):  # type: ignore[misc]
    pass


@contextmanager
def open_pixels(
    path: Path, driver: str, prefix: str = "", **options: str
) -> Iterator[rasterio.DatasetReader]:
    """A rasterio data set to read pixels from; opening one takes about 0.1 ms.

    Args:
        path: the file.
        driver: GDAL's name of the format, "GTiff" or "PNG".
        prefix: what GDAL wants before the path, such as "GTIFF_RAW:".
        options: the driver's own.

    Raises:
        rasterio.errors.RasterioIOError: it cannot be read, now or within the context.
    """
    # Absolute: GDAL would take a relative path such as "GTIFF_DIR:2:a.tif" for something else.
    name = prefix + os.path.abspath(path)
    with (
        rasterio.Env(_SESSION, **_STRICT, **_PIXELS),
        _Source(name, driver=driver, **options) as source,
    ):
        yield source


@contextmanager
def open_place(
    path: Path, driver: str = "GTiff", prefix: str = ""
) -> Iterator[rasterio.DatasetReader]:
    """A rasterio data set, to ask for its `transform`, `crs`, `gcps` and `rpcs`.

    Args:
        path: the file.
        driver: GDAL's name of the format.
        prefix: what GDAL wants before the path.

    Raises:
        rasterio.errors.RasterioIOError: it cannot be read.
    """
    with (
        rasterio.Env(_SESSION, **_STRICT | _PLACE),
        _Source(prefix + os.path.abspath(path), driver=driver) as source,
    ):
        yield source


@contextmanager
def create_tiff(
    path: Path, height: int, width: int, **options: Any
) -> Iterator[rasterio.io.DatasetWriter]:
    """A rasterio data set to write, a TIFF of uint8, which is read back once it is closed.

    Args:
        path: the file.
        height: rows.
        width: columns.
        options: `count` of bands, one unless given; the driver's own, and rasterio's `crs` and
            `transform`.

    Raises:
        rasterio.errors.RasterioIOError: it cannot be written.
    """
    with (
        rasterio.Env(_SESSION, **_STRICT),
        _Target(
            os.path.abspath(path),
            "w",
            driver="GTiff",
            height=height,
            width=width,
            dtype="uint8",
            **{"count": 1, **options},
        ) as target,
    ):
        yield target
    _read_back(path)


def copy_cloud_optimised(source: Path, target: Path, resampling: str) -> None:
    """Write a tiled TIFF anew as a Cloud Optimized GeoTIFF, which is then read back.

    By GDAL's driver of that name: tiles of 512 × 512, deflated, with overviews down to one tile.
    Place, nodata value, colours and metadata go along. GDAL makes the overviews in a file beside
    the target, and deletes it. Memory is that of GDAL's cache.

    Args:
        source: the TIFF.
        target: where to.
        resampling: of the overviews, GDAL's "mode" or "average".

    Raises:
        rasterio.errors.RasterioIOError: it cannot be read or written.
    """
    with rasterio.Env(_SESSION, **_STRICT):
        try:
            rasterio.shutil.copy(
                os.path.abspath(source),
                os.path.abspath(target),
                driver="COG",
                blocksize=512,
                compress="deflate",
                overview_resampling=resampling,
                bigtiff="IF_SAFER",
            )
        except CPLE_BaseError as error:
            raise RasterioIOError(str(error)) from error
    _read_back(target)


def _read_back(path: Path) -> None:
    """On closing GDAL writes the rest, and is silent where the disk is full."""
    with open_pixels(path, "GTiff") as written:
        for _, window in written.block_windows(1):
            written.read(window=window)
