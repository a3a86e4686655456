"""How large a pixel is on the ground, where images say where they lie."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.errors import CRSError, RasterioError
from rasterio.transform import from_gcps

from iic_tf.data.georeference import place_of
from iic_tf.data.raster import Raster
from iic_tf.data.scene import SceneSet

_MOST = 64
"""Images looked at, evenly of all: each is opened."""

_AXIS, _SQUASH = 6378137.0, 0.00669437999014
"""Of WGS 84: half the longer axis in metres, and the first eccentricity squared."""


def ground_size(scenes: SceneSet) -> float | None:
    """The side of a pixel in metres, the median over a set's images; None where none lies anywhere.

    Of pixels that are not square it is the side of a square of their area; of systems in degrees
    that in the middle of the image.
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
    place = place_of(path)
    system = place.get("crs")
    try:
        points = place.get("gcps")
        transform = from_gcps(points) if points else place.get("transform")
        if not system or transform is None:
            return None
        area = abs(transform.determinant)
        if system.is_geographic:
            middle = transform.d * width / 2 + transform.e * height / 2
            latitude = middle + transform.f
            area *= _square_degree(latitude)
        else:
            area *= system.linear_units_factor[1] ** 2
    except (CRSError, RasterioError, ValueError):
        # Points on a line, or a system without a unit of length.
        return None
    return math.sqrt(area) if 0 < area < math.inf else None


def _square_degree(latitude: float) -> float:
    """Square metres of a degree by a degree at a latitude in degrees, on WGS 84."""
    phi = math.radians(latitude)
    inner = 1 - _SQUASH * math.sin(phi) ** 2
    meridian = _AXIS * (1 - _SQUASH) / inner**1.5
    parallel = _AXIS * math.cos(phi) / math.sqrt(inner)
    return math.radians(1) ** 2 * meridian * parallel
