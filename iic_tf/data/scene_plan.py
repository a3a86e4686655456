"""What a plan of a generated suburb is made of, and the raster that it is painted on.

Lengths are pixels of the scene (about 20 cm on the ground); the origin is the scene's centre, x to
the right and y down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MARGIN = 32
"""How far outside the scene things are still placed: their shadows and crowns reach in."""


@dataclass(frozen=True)
class Box:
    """A rectangle turned by `angle` (radians, from the x axis to its side a).

    Attributes:
        x, y: centre.
        a, b: half of the two side lengths.
        kind: what it is, for those who paint it.
        joined: whether it is one thing with the box before it.
    """

    x: float
    y: float
    a: float
    b: float
    angle: float
    kind: str = ""
    joined: bool = False


@dataclass(frozen=True)
class Crown:
    """A tree's crown seen from above: centre and radius."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Streets:
    """A turned and bent lattice of streets.

    Lattice coordinates are u (across the streets, bent) and v (along them). Avenues run along v at
    fixed u, lanes run along u at fixed v.

    Attributes:
        angle, swing, wave, phase: the turn (radians), and size, wave length and phase of the bend.
        avenues, lanes: (position, half of the full width, half of the carriageway's width) each.
    """

    angle: float
    swing: float
    wave: float
    phase: float
    avenues: tuple[tuple[float, float, float], ...]
    lanes: tuple[tuple[float, float, float], ...]

    def lattice(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Lattice coordinates (u, v) of points; shapes broadcast."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        u, v = c * x + s * y, c * y - s * x
        return u + self.swing * np.sin(v * (2 * math.pi / self.wave) + self.phase), v

    def place(self, u: float, v: float) -> tuple[float, float, float]:
        """The point (x, y) of a lattice position, and the angle of the u direction there."""
        turn = 2 * math.pi / self.wave
        w = u - self.swing * math.sin(v * turn + self.phase)
        slope = self.swing * turn * math.cos(v * turn + self.phase)
        c, s = math.cos(self.angle), math.sin(self.angle)
        return c * w - s * v, s * w + c * v, self.angle + math.atan(slope)

    def box(self, u: float, v: float, a: float, b: float, kind: str = "") -> Box:
        """A box at a lattice position with side a along u."""
        x, y, angle = self.place(u, v)
        return Box(x, y, a, b, angle, kind)


@dataclass
class Plan:
    """All that stands in one scene, from the ground up."""

    streets: Streets
    lots: list[Box] = field(default_factory=list)
    paved: list[Box] = field(default_factory=list)
    roofs: list[Box] = field(default_factory=list)
    clutter: list[Box] = field(default_factory=list)
    cars: list[Box] = field(default_factory=list)
    crowns: list[Crown] = field(default_factory=list)


@dataclass(frozen=True)
class Grid:
    """A square raster of `side` points from −`reach` on, `step` pixels apart."""

    reach: float
    side: int
    step: float = 1.0

    def axis(self) -> Floats:
        """Coordinates `[side]` of the columns, and likewise of the rows."""
        return np.arange(self.side, dtype=np.float64) * self.step - self.reach

    def around(self, x: float, y: float, radius: float) -> tuple[slice, slice]:
        """Rows and columns that hold a circle, cut to the raster (possibly empty)."""

        def cut(centre: float) -> slice:
            low = math.floor((centre - radius + self.reach) / self.step)
            high = math.ceil((centre + radius + self.reach) / self.step) + 1
            return slice(min(max(low, 0), self.side), min(max(high, 0), self.side))

        return cut(y), cut(x)

    def local(self, box: Box, slack: float = 1.0) -> tuple[tuple[slice, slice], Floats, Floats]:
        """The window around a box, and there the offsets along its sides a and b."""
        window = self.around(box.x, box.y, math.hypot(box.a, box.b) + slack)
        axis = self.axis()
        x, y = axis[None, window[1]] - box.x, axis[window[0], None] - box.y
        c, s = math.cos(box.angle), math.sin(box.angle)
        return window, c * x + s * y, c * y - s * x


def inside(box: Box, a: Floats, b: Floats) -> Bools:
    """Which of the offsets from `Grid.local` lie in the box."""
    return (np.abs(a) <= box.a) & (np.abs(b) <= box.b)


def street_distance(streets: Streets, u: Floats, v: Floats) -> Floats:
    """Distance to the nearest street's edge, negative on the street."""
    out = np.full(np.broadcast_shapes(u.shape, v.shape), np.inf)
    for at, half, _ in streets.avenues:
        np.minimum(out, np.abs(u - at) - half, out=out)
    for at, half, _ in streets.lanes:
        np.minimum(out, np.abs(v - at) - half, out=out)
    return out
