"""Points, lines and polygons: taken from GeoJSON's geometries, and brought to other systems."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Json

Points = NDArray[np.float64]
"""Coordinates `[n, 2]`, x and y."""

_SINGLE = {"MultiPoint": "Point", "MultiLineString": "LineString", "MultiPolygon": "Polygon"}
_FEWEST = {"Point": 1, "LineString": 2, "Polygon": 4}


@dataclass(frozen=True, eq=False)
class Shape:
    """One point, line or polygon.

    Attributes:
        kind: "Point", "LineString" or "Polygon".
        rings: the point, the line, or a polygon's outer ring and then its holes; rings are closed.
    """

    kind: str
    rings: tuple[Points, ...]

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """The smallest and largest x and y: x0, y0, x1, y1."""
        points = np.concatenate(self.rings)
        (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
        return float(x0), float(y0), float(x1), float(y1)

    @property
    def holds_no_centre(self) -> bool:
        """Whether it is a polygon, in pixels, so small that its box holds no pixel's centre."""
        x0, y0, x1, y1 = np.asarray(self.box) - 0.5
        between = np.ceil(x0) > np.floor(x1) or np.ceil(y0) > np.floor(y1)
        return self.kind == "Polygon" and bool(between)

    def geojson(self) -> Json:
        """The geometry as GeoJSON has it."""
        rings: list[Any] = [ring.tolist() for ring in self.rings]
        if self.kind == "Point":
            return {"type": self.kind, "coordinates": rings[0][0]}
        return {"type": self.kind, "coordinates": rings if self.kind == "Polygon" else rings[0]}


def shapes_of(geometry: object) -> list[Shape]:
    """The parts of a geometry of GeoJSON; none of an empty one. A third coordinate is left out.

    Raises:
        ValueError: it is none; the message says what was found.
    """
    return list(_parts(geometry))


def _parts(geometry: object) -> Iterator[Shape]:
    if geometry is None:
        return
    if not isinstance(geometry, dict):
        raise ValueError(f"the geometry {geometry!r:.60}")
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind == "GeometryCollection":
        members = geometry.get("geometries")
        if not isinstance(members, list):
            raise ValueError("a GeometryCollection without geometries")
        for member in members:
            yield from _parts(member)
        return
    if not isinstance(kind, str) or (kind not in _FEWEST and kind not in _SINGLE):
        raise ValueError(f"a geometry of type {kind!r:.60}")
    if not isinstance(coordinates, list | tuple):
        raise ValueError(f"a {kind} without coordinates")
    if not coordinates:
        return
    several = coordinates if kind in _SINGLE else [coordinates]
    for part in several:
        if not isinstance(part, list | tuple):
            raise ValueError(f"a {kind} of coordinates {part!r:.60}")
        if part:
            yield _single(_SINGLE.get(kind, kind), part)


def _single(kind: str, coordinates: Any) -> Shape:
    if kind == "Point":
        return Shape(kind, (_points(kind, [coordinates]),))
    if kind == "LineString":
        return Shape(kind, (_points(kind, coordinates),))
    return Shape(kind, tuple(_points(kind, ring) for ring in coordinates if ring))


def _points(kind: str, coordinates: Any) -> Points:
    try:
        points = np.array([[float(p[0]), float(p[1])] for p in coordinates], np.float64)
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise ValueError(f"a {kind} of coordinates {coordinates!r:.60}") from error
    if kind == "Polygon" and (points[0] != points[-1]).any():
        points = np.concatenate([points, points[:1]])
    if len(points) < _FEWEST[kind] or not np.isfinite(points).all():
        raise ValueError(f"a {kind} of coordinates {coordinates!r:.60}")
    return points


def mapped(shapes: Sequence[Shape], change: Callable[[Points], Points]) -> list[Shape]:
    """Shapes with their coordinates changed, all in one call.

    Args:
        shapes: any.
        change: coordinates `[n, 2]` to others of the same shape.
    """
    if not shapes:
        return []
    rings = [ring for shape in shapes for ring in shape.rings]
    changed = change(np.concatenate(rings))
    ends = np.cumsum([len(ring) for ring in rings])
    parts = iter(np.split(changed, ends[:-1]))
    return [Shape(shape.kind, tuple(next(parts) for _ in shape.rings)) for shape in shapes]
