"""How much ground each class covers: pixels counted by what they measure on Earth."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio import warp
from rasterio.crs import CRS
from rasterio.errors import CRSError

from iic_tf.annotations import Facts
from iic_tf.data.grid import applied
from iic_tf.export.legend import Legend
from iic_tf.training.atomic import replacing

TABLE = "areas.csv"

HECTARE = 10_000.0
"""Square metres."""

SEMI_MINOR = 6_356_752.314245
"""Metres, of the ellipsoid of WGS 84; others in use change areas by less than 0.03 %."""

ECCENTRICITY = 0.0818191908426215
"""Of the same."""


class AreaSum:
    """Square metres of each label of a scene, added up strip by strip, from top to bottom.

    Pixels of a projected system measure what its plane says, by its unit; but for Mercator's,
    whose plane exaggerates away from the equator. They, and pixels of degrees, measure what they
    cover on the ellipsoid, by latitude. Of turned ones of these the latitude of the middle counts,
    which is off by less than 1e-6 for pixels of up to 10 km.

    Args:
        place: what `iic_tf.data.georeference.place_of` gives.
        labels: how many there are, from 0; larger ones are not counted.

    Attributes:
        square_metres: float64 `[labels]`; None where the place tells no areas: no system, no
            matrix, or control points or rational polynomials alone.
    """

    def __init__(self, place: Facts, labels: int):
        self._matrix = place.get("transform")
        self._system: CRS | None = place.get("crs")
        self._kind = _kind(self._system) if self._matrix is not None else None
        self._row = 0
        self.square_metres = None if self._kind is None else np.zeros(labels)

    def add(self, strip: NDArray[np.uint8]) -> None:
        """Add the next rows, labels `[rows, width]`."""
        if self.square_metres is None:
            return
        areas = self._areas(*strip.shape)
        count = len(self.square_metres)
        if areas.size == 1:
            self.square_metres += areas.item() * np.bincount(strip.ravel(), minlength=256)[:count]
        else:
            weights = np.broadcast_to(areas, strip.shape).ravel()
            self.square_metres += np.bincount(strip.ravel(), weights, minlength=256)[:count]
        self._row += len(strip)

    def _areas(self, rows: int, width: int) -> NDArray[np.float64]:
        """Square metres of the pixels of the next rows, `[1, 1]`, `[rows, 1]` or all."""
        a, b, c, d, e, f = self._matrix[:6]  # type: ignore[index]
        plane = abs(a * e - b * d)
        if self._kind == "plane":
            return np.array([[plane * self._system.linear_units_factor[1] ** 2]])  # type: ignore[union-attr]
        across = max(abs(a), abs(b))
        down = plane / across
        # Of pictures that are not turned a row is of one latitude.
        columns = np.arange(width if d else 1) + 0.5
        lines = np.arange(self._row, self._row + rows)[:, None] + 0.5
        y = d * columns + e * lines + f
        edges = np.stack([y - down / 2, y + down / 2])
        if self._kind == "mercator":
            x = np.full(edges.size, c)
            _, latitudes = warp.transform(self._system, "EPSG:4326", x, edges.ravel())
            (west, east), _ = warp.transform(self._system, "EPSG:4326", [c, c + across], [f, f])
            north = np.radians(latitudes).reshape(edges.shape)
            # One of them may lie beyond 180°.
            wide = float(np.radians((east - west) % 360))
            return wide * (_to_equator(north[1]) - _to_equator(north[0]))
        unit = float(self._system.units_factor[1])  # type: ignore[union-attr]
        low, high = edges * unit
        return float(across * unit) * (_to_equator(high) - _to_equator(low))


def enclosed(points: NDArray[np.float64], ring: NDArray[np.int64]) -> NDArray[np.float64]:
    """What closed rings enclose of the plane, `[rings]`.

    Args:
        points: x and y of all rings, one ring after another, the last point of each its first,
            `[n, 2]`.
        ring: the number of each point's, from 0, `[n]`.
    """
    if not len(points):
        return np.zeros(0)
    # Near the origin: differences of large products would lose digits.
    x, y = (points - points.min(0)).T
    same = ring[1:] == ring[:-1]
    strips = np.where(same, np.diff(x) * (y[1:] + y[:-1]) / 2, 0)
    return np.abs(np.bincount(ring[1:], strips, int(ring[-1]) + 1))


def enclosed_ground(
    place: Facts, points: NDArray[np.float64], ring: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """Square metres that closed rings enclose, as `AreaSum` measures them; None where it does not.

    Args:
        place: what `iic_tf.data.georeference.place_of` gives.
        points: of all rings, in pixels, x to the right and y down, `[n, 2]`.
        ring: as of `enclosed`.
    """
    system, matrix = place.get("crs"), place.get("transform")
    if system is None or matrix is None or (kind := _kind(system)) is None:
        return None
    a, b, _, d, e, _ = matrix[:6]
    if kind == "plane":
        unit = float(system.linear_units_factor[1])
        return enclosed(points, ring) * float(abs(a * e - b * d) * unit**2)
    x, y = applied(matrix, points).T
    if kind == "mercator":
        # From here on by longitude, to which x is proportional.
        (west, east), _ = warp.transform(system, "EPSG:4326", [0, 1000], [0, 0])
        x = x * np.radians(east - west) / 1000
        _, latitudes = warp.transform(system, "EPSG:4326", np.zeros(len(y)), y)
        y = np.radians(latitudes)
    else:
        x, y = x * system.units_factor[1], y * system.units_factor[1]
    return enclosed(np.stack([x, _to_equator(y)], axis=1), ring)


def _kind(system: CRS | None) -> str | None:
    if not system:
        return None
    try:
        if system.is_geographic:
            return "degrees"
        if not system.is_projected:
            return None
        return "mercator" if system.to_dict().get("proj") in ("merc", "webmerc") else "plane"
    except CRSError:
        return None


def _to_equator(latitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Square metres between a latitude and the equator, for each radian of longitude.

    Args:
        latitude: radians, south of the equator negative.

    Snyder, Map Projections: A Working Manual (1987): q of equation 3-12 times a²/2, whose
    a² (1 − e²) is the square of the semi-minor axis.
    """
    sine = np.sin(np.clip(latitude, -np.pi / 2, np.pi / 2))
    e = ECCENTRICITY
    bulge = np.log((1 + e * sine) / (1 - e * sine)) / (2 * e)
    area: NDArray[np.float64] = SEMI_MINOR**2 / 2 * (sine / (1 - (e * sine) ** 2) + bulge)
    return area


class AreaTable:
    """Pixels, shares and hectares of all scenes.

    Args:
        legend: the names and numbers of the labels.
    """

    def __init__(self, legend: Legend):
        self.legend = legend
        self._scenes: list[tuple[str, NDArray[np.int64], NDArray[np.float64] | None]] = []

    def add(
        self, scene: str, counts: NDArray[np.int64], square_metres: NDArray[np.float64] | None
    ) -> None:
        """Add a scene: pixels and, where known, square metres of each label, `[k]`."""
        hectares = None if square_metres is None else square_metres / HECTARE
        self._scenes.append((scene, counts, hectares))

    def totals(self) -> list[dict[str, int | float | None]]:
        """`pixels`, `share` and `hectares` of each label over all scenes.

        Shares are of the pixels that hold data. Hectares are None where some scene has none.
        """
        counts = sum((c for _, c, _ in self._scenes), np.zeros(len(self.legend.names), np.int64))
        known = [hectares for *_, hectares in self._scenes if hectares is not None]
        areas = np.sum(known, 0) if known and len(known) == len(self._scenes) else None
        return [
            {
                "pixels": int(count),
                "share": round(float(share), 6),
                "hectares": None if areas is None else round(float(areas[index]), 6),
            }
            for index, (count, share) in enumerate(zip(counts, _shares(counts), strict=True))
        ]

    def write(self, path: Path) -> None:
        """Write a row for each scene and label, by the numbers in files.

        Hectares have six digits, a hundredth of a square metre; none where they are not known.
        """
        # A file's name may hold bytes that are no text: they are written as they are.
        with (
            replacing(path) as temporary,
            temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(["scene", "number", "name", "pixels", "share", "hectares"])
            for scene, counts, hectares in self._scenes:
                shares = _shares(counts)
                for i in self.legend.order:
                    label = (self.legend.numbers[i], self.legend.names[i])
                    area = "" if hectares is None else f"{hectares[i]:.6f}"
                    writer.writerow([scene, *label, counts[i], f"{shares[i]:.6f}", area])


def _shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = counts / max(1, int(counts.sum()))
    return shares
