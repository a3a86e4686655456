"""A scene of any size out of one real image: tiled, georeferenced, with a collar of no data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

COLLAR = 200
"""Pixels on each side that hold no data."""

TILE = 512


def make_scene(path: Path, image: Path, side: int, collar: int = COLLAR) -> None:
    """Write a tiled GeoTIFF of side × side pixels, the image again and again, mirrored in turns.

    Mirrored, neighbouring tiles have no seams. 0 stands for no data; where the image itself has 0
    in all bands there is 1.

    Args:
        path: the file.
        image: with bands of uint8, where it lies on Earth or not.
        side: in pixels.
        collar: how wide the edge of no data is.
    """
    with rasterio.open(image) as source:
        pixels = source.read()
        crs = source.crs or "EPSG:32618"
    pixels[:, (pixels == 0).all(0)] = 1
    both = np.concatenate([pixels, pixels[:, ::-1]], 1)
    block = np.concatenate([both, both[:, :, ::-1]], 2)
    _, height, width = block.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=side,
        width=side,
        count=len(block),
        dtype=block.dtype,
        tiled=True,
        blockxsize=TILE,
        blockysize=TILE,
        bigtiff="IF_SAFER",
        interleave="pixel",
        photometric="minisblack",
        nodata=0,
        crs=crs,
        transform=rasterio.Affine(1, 0, 350_000, 0, -1, 4_300_000),
    ) as target:
        columns = np.arange(side)
        inside = (columns >= collar) & (columns < side - collar)
        for top in range(0, side, TILE):
            rows = np.arange(top, min(top + TILE, side))
            strip = block[:, rows[:, None] % height, columns % width]
            strip[:, ~(inside[rows][:, None] & inside)] = 0
            target.write(strip, window=Window(0, top, side, len(rows)))
