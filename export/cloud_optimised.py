"""Cloud Optimized GeoTIFFs of any size, written from top to bottom."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iic_tf.data.gdal import copy_cloud_optimised, create_tiff
from iic_tf.training.atomic import replacing, scratch

if TYPE_CHECKING:
    import rasterio

TILE = 512


@contextmanager
def cloud_optimised(
    path: Path, height: int, width: int, resampling: str, **options: Any
) -> Iterator[rasterio.io.DatasetWriter]:
    """A rasterio data set of uint8 to write; what it holds is at `path` in the end, or nothing.

    Overviews come first in such a file and can't be made before the rest: the data set is a tiled
    TIFF in a hidden folder, about as large as the file, until it is copied.

    Args:
        path: the file.
        height: rows.
        width: columns.
        resampling: of the overviews, "mode" or "average".
        options: rasterio's, such as `count`, `nodata`, `crs` and `transform`.

    Raises:
        rasterio.errors.RasterioIOError: it cannot be written.
    """
    with replacing(path) as temporary, scratch(path) as room:
        tiled = {"tiled": True, "blockxsize": TILE, "blockysize": TILE, "compress": "deflate"}
        with create_tiff(
            room / "tiled.tif", height, width, bigtiff="IF_SAFER", **tiled, **options
        ) as target:
            yield target
        # GDAL's own file for overviews lies in the hidden folder, too.
        copy_cloud_optimised(room / "tiled.tif", room / "whole.tif", resampling)
        os.replace(room / "whole.tif", temporary)
