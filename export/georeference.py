"""Where on Earth an image lies, handed on to its label map; with rasterio, the extra `geo`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def georeferenced(path: Path) -> bool:
    """Whether rasterio is installed and finds a place or a coordinate system in the file."""
    rasterio = _rasterio()
    if rasterio is None:
        return False
    try:
        with _silent(), rasterio.open(path) as source:
            return bool(source.crs) or not source.transform.is_identity
    except rasterio.errors.RasterioError:
        # This package reads some files that GDAL doesn't; they just have no place then.
        return False


def write_geotiff(
    path: Path,
    strips: Iterator[NDArray[np.uint8]],
    size: tuple[int, int],
    colours: NDArray[np.uint8],
    source: Path,
    tile: int,
) -> None:
    """Write a tiled GeoTIFF of labels with the transform and coordinate system of `source`.

    Args:
        path: the file.
        strips: labels uint8 `[rows, width]` from top to bottom, `tile` rows each but the last.
        size: height and width.
        colours: uint8 `[k, 3]`.
        source: the image's file.
        tile: side of a tile.
    """
    rasterio = _rasterio()
    with _silent(), rasterio.open(source) as image:
        place = {"crs": image.crs, "transform": image.transform}
    height, width = size
    with (
        _silent(),
        rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=height,
            width=width,
            count=1,
            dtype="uint8",
            tiled=True,
            blockxsize=tile,
            blockysize=tile,
            compress="deflate",
            bigtiff="IF_SAFER",
            **place,
        ) as target,
    ):
        table = {index: (*map(int, colour), 255) for index, colour in enumerate(colours)}
        target.write_colormap(1, table)
        top = 0
        for strip in strips:
            window = rasterio.windows.Window(0, top, width, len(strip))
            target.write(strip, 1, window=window)
            top += len(strip)


def _rasterio() -> Any:
    try:
        import rasterio
        import rasterio.errors
        import rasterio.windows
    except ImportError:
        return None
    return rasterio


def _silent() -> Any:
    """Rasterio warns of each image without a place, which is nothing unusual here."""
    return warnings.catch_warnings(action="ignore")
