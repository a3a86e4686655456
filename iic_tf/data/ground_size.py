"""How large a pixel is on the ground, where images say where they lie."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS

from iic_tf.data.grid import grid_of, reprojected
from iic_tf.data.raster import Raster
from iic_tf.data.scene import SceneSet
from iic_tf.errors import InputError

_MOST = 64
"""Images looked at, evenly of all: each is opened."""

_WGS84 = CRS.from_epsg(4326)
_AXIS, _SQUASH = 6378137.0, 0.00669437999014
"""Of WGS 84: half the longer axis in metres, and the first eccentricity squared."""


def ground_size(scenes: SceneSet) -> float | None:
    """The side of a pixel in metres, the median of a set's images; None where none lies anywhere.

    It is measured in the middle of each image, on the ellipsoid: maps stretch (Web Mercator
    by two at 60° north). Of pixels that are not square it is the side of a square of their area.
    """
    rasters = [s for s in scenes.scenes if isinstance(getattr(s, "image", None), Raster)]
    some = np.linspace(0, len(rasters) - 1, min(_MOST, len(rasters))).round().astype(int)
    sizes = []
    for scene in (rasters[index] for index in some):
        raster: Any = scene
        found = pixel_size(raster.image.paths[0], scene.height, scene.width)
        sizes += [] if found is None else [found]
    return float(np.median(sizes)) if sizes else None


def pixel_size(path: Path, height: int, width: int) -> float | None:
    """The same of one image of so many rows and columns."""
    try:
        grid = grid_of(path, height, width)
    except InputError:
        return None
    if grid is None:
        return None
    a, b, c, d, e, f = tuple(grid.to_map)[:6]
    # A pixel in the middle and its neighbours: right of it and below.
    column, row = width / 2, height / 2
    pixels = ((column, row), (column + 1, row), (column, row + 1))
    points = np.array([(a * x + b * y + c, d * x + e * y + f) for x, y in pixels])
    degrees = reprojected(points, grid.crs, _WGS84)
    right, below = np.radians(degrees[1:] - degrees[0]) * _metres(float(degrees[0, 1]))
    area = abs(float(right[0] * below[1] - right[1] * below[0]))
    return math.sqrt(area) if 0 < area < math.inf else None


def _metres(latitude: float) -> NDArray[np.float64]:
    """Metres along a parallel and a meridian of WGS 84 for a radian, at a latitude in degrees."""
    inner = 1 - _SQUASH * np.sin(np.radians(latitude)) ** 2
    parallel = _AXIS * np.cos(np.radians(latitude)) / inner**0.5
    return np.array([parallel, _AXIS * (1 - _SQUASH) / inner**1.5])
