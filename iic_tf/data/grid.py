"""How an image's pixels lie on a map: a coordinate system and an affine map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.transform import from_gcps
from rasterio.warp import transform

from iic_tf.data.georeference import place_of
from iic_tf.data.shapes import Points
from iic_tf.errors import InputError

FARTHEST = 0.5
"""Pixels that ground control points may lie off the affine map through them."""


@dataclass(frozen=True)
class Grid:
    """Where an image's pixels lie.

    Attributes:
        crs: the coordinate system.
        to_map: from pixels, x to the right and y down from the upper left corner, to `crs`.
        height, width: the image's size in pixels.
    """

    crs: CRS
    to_map: Affine
    height: int
    width: int

    def pixels(self, points: Points) -> Points:
        """Coordinates `[n, 2]` of `crs` in pixels."""
        return applied(~self.to_map, points)

    def outline(self, crs: CRS, steps: int = 21) -> Points:
        """Points along the image's edges, `[4 · steps, 2]`, in any coordinate system.

        They are NaN where that system has no place for them.
        """
        along = np.linspace(0, 1, steps)
        zeros, ones = np.zeros(steps), np.ones(steps)
        x = np.concatenate([along, ones, along, zeros]) * self.width
        y = np.concatenate([zeros, along, ones, along]) * self.height
        return reprojected(applied(self.to_map, np.stack([x, y], axis=1)), self.crs, crs)


def applied(map_: Affine, points: Points) -> Points:
    """Coordinates `[n, 2]` under an affine map."""
    x, y = points[:, 0], points[:, 1]
    a, b, c, d, e, f = map_[:6]
    return np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)


def reprojected(points: Points, source: CRS, target: CRS) -> Points:
    """Coordinates `[n, 2]` in another system; x is the longitude of systems in degrees.

    Returns:
        The same shape, NaN where the other system has no place for a point.
    """
    if source == target:
        return points
    try:
        return _finite(transform(source, target, points[:, 0], points[:, 1]))
    except Exception:
        # PROJ refuses all for one that it cannot place, by an exception that rasterio keeps to
        # itself.
        return np.concatenate([_one(point, source, target) for point in points])


def _one(point: NDArray[np.float64], source: CRS, target: CRS) -> Points:
    try:
        return _finite(transform(source, target, point[:1], point[1:]))
    except Exception:
        return np.full((1, 2), np.nan)


def _finite(found: Sequence[Any]) -> Points:
    points = np.stack([np.asarray(part, np.float64) for part in found[:2]], axis=1)
    points[~np.isfinite(points).all(axis=1)] = np.nan
    return points


def grid_of(path: Path, height: int, width: int) -> Grid | None:
    """Where an image lies; None where it does not say so.

    Args:
        path: the image.
        height: its rows.
        width: its columns.

    Raises:
        InputError: it has a place, but no affine map: ground control points that bend it, or
            rational polynomials alone.
    """
    place = place_of(path)
    if "gcps" in place:
        if not place["crs"]:
            return None
        return Grid(place["crs"], _through(path, place["gcps"]), height, width)
    if "transform" in place and "crs" in place:
        return Grid(place["crs"], place["transform"], height, width)
    if "rpcs" in place:
        raise _bent(path, "rational polynomials (RPCs)")
    return None


def _through(path: Path, points: Sequence[Any]) -> Affine:
    """The affine map through ground control points."""
    found = np.array([[p.col, p.row, p.x, p.y] for p in points], np.float64)
    if np.linalg.matrix_rank(found[:, :2] - found[:1, :2]) < 2:
        raise _bent(path, "ground control points on one line")
    map_ = from_gcps(points)
    off = np.linalg.norm(applied(~map_, found[:, 2:]) - found[:, :2], axis=1).max()
    if not off <= FARTHEST:
        raise _bent(path, f"ground control points up to {off:.3g} pixels off one")
    return map_


def _bent(path: Path, came: str) -> InputError:
    return InputError(
        f"Expected an image that lies on the map by an affine map; received {came} in '{path}'. "
        "Warp it first: gdalwarp."
    )
