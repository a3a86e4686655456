"""Paints a plan: surfaces with their classes and heights, then light, shadow and the camera.

All pixel arithmetic is float64 and only the result is rounded, so that a last-digit difference
between processors practically never shows in the 8-bit values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage

from iic_tf.data.scene_layout import draw_plan
from iic_tf.data.scene_plan import MARGIN, Bools, Box, Floats, Grid, Plan, inside, street_distance
from iic_tf.data.scene_textures import (
    CARS,
    CONTAINERS,
    CROWNS,
    LAWNS,
    ROOFS,
    band_noise,
    courses,
    draw_asphalt,
    pick,
    smooth,
    smooth_noise,
)

ROAD, BUILDING, LAWN, TREE, CAR, CLUTTER = range(6)


@dataclass
class _Canvas:
    """What is painted on: reflectance `[4, side, side]`, class and height of each pixel."""

    grid: Grid
    colour: Floats
    classes: NDArray[np.uint8]
    height: Floats
    sun: tuple[float, float]

    def put(
        self,
        window: tuple[slice, slice],
        where: Bools,
        colour: Floats,
        index: int | None = None,
        height: Floats | float | None = None,
    ) -> None:
        """Paint `colour` (`[4]` or `[4, h, w]`) where told, and set class and height if given."""
        target = self.colour[:, window[0], window[1]]
        if colour.ndim == 1:
            colour = colour[:, None, None]
        np.copyto(target, colour, where=where[None])
        if index is not None:
            self.classes[window][where] = index
        if height is not None:
            np.copyto(self.height[window], height, where=where)


def paint_scene(rng: Generator, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw and paint one scene.

    Returns:
        The image uint8 `[size, size, 4]` (red, green, blue, infrared) and the classes uint8
        `[size, size]`, 0 to 5.
    """
    plan = draw_plan(rng, size)
    side = size + 2 * MARGIN
    sun = float(rng.uniform(0, 2 * math.pi))
    canvas = _Canvas(
        grid=Grid(side / 2, side),
        colour=np.zeros((4, side, side)),
        classes=np.full((side, side), LAWN, dtype=np.uint8),
        height=np.zeros((side, side)),
        sun=(math.cos(sun), math.sin(sun)),
    )
    _paint_lawns(rng, canvas, plan)
    _paint_paving(rng, canvas, plan)
    for box in plan.clutter:
        _paint_clutter(rng, canvas, box)
    tone = pick(rng, ROOFS)
    for box in plan.roofs:
        tone = tone if box.joined else pick(rng, ROOFS)
        _paint_roof(rng, canvas, box, tone)
    for box in plan.cars:
        _paint_car(rng, canvas, box)
    _paint_crowns(rng, canvas, plan)
    image = _expose(rng, canvas)
    core = slice(MARGIN, MARGIN + size)
    pixels = np.floor(np.clip(image[:, core, core], 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(1, 2, 0)), canvas.classes[core, core].copy()


def _paint_lawns(rng: Generator, canvas: _Canvas, plan: Plan) -> None:
    side = canvas.grid.side
    canvas.colour[:] = pick(rng, LAWNS)[:, None, None]
    for lot in plan.lots:
        window, a, b = canvas.grid.local(lot)
        canvas.put(window, inside(lot, a, b), pick(rng, LAWNS))
    # Dry and worn spots that follow no fence.
    dry = np.clip(0.5 + 0.4 * smooth_noise(rng, side, 17), 0, 1)
    worn = np.array(LAWNS[3])[:, None, None]
    canvas.colour += 0.4 * dry * (worn - canvas.colour)
    canvas.colour *= (
        1 + 0.105 * band_noise(rng, side, 0.9, 2.5) + 0.05 * band_noise(rng, side, 1.9, 4.4)
    )


def _paint_paving(rng: Generator, canvas: _Canvas, plan: Plan) -> None:
    grid, streets = canvas.grid, plan.streets
    axis = grid.axis()
    everywhere = (slice(None), slice(None))
    u, v = streets.lattice(axis[None, :], axis[:, None])
    pavement = draw_asphalt(rng)
    paved = street_distance(streets, u, v) < 0
    canvas.put(everywhere, paved, pavement, ROAD)
    for across, along, rows in ((v, u, streets.lanes), (u, v, streets.avenues)):
        for at, _, half in rows:
            off = np.abs(across - at)
            # Kerbs divide tones that differ little: paving stays smooth across them.
            asphalt = 0.55 * pavement + 0.45 * draw_asphalt(rng)
            road = off < half
            if not road.any():
                continue
            canvas.put(everywhere, road, asphalt)
            canvas.put(everywhere, np.abs(off - half) < 0.7, 0.93 * pavement)
            # Repairs: long pieces of a slightly other tone.
            start, length = rng.uniform(-grid.reach, grid.reach), rng.uniform(30, 90)
            piece = road & (np.abs(along - start) < length / 2) & (across > at)
            canvas.put(everywhere, piece, asphalt * rng.uniform(0.93, 1.06))
            if rng.random() < 0.75:
                dash = along / 40 - np.floor(along / 40) < 0.4
                canvas.put(everywhere, (off < 1.0) & dash, asphalt + 0.13)
    # Crossings are free of kerbs and dashes.
    for at_u, _, half_u in streets.avenues:
        for at_v, _, half_v in streets.lanes:
            cross = (np.abs(u - at_u) < half_u + 1) & (np.abs(v - at_v) < half_v + 1)
            if cross.any():
                canvas.put(everywhere, cross, asphalt)
    for box in plan.paved:
        window, a, b = grid.local(box)
        colour = draw_asphalt(rng)
        where = inside(box, a, b)
        canvas.put(window, where, colour, ROAD)
        paved[window] |= where
        if box.kind == "car park":
            bay = b / 16 - np.floor(b / 16) < 0.08
            lines = where & bay & (np.abs(a) > box.a - 22) & (np.abs(a) < box.a - 2)
            canvas.put(window, lines, colour + 0.08)
    stains = 0.05 * smooth_noise(rng, grid.side, 15) + 0.008 * smooth_noise(rng, grid.side, 1)
    canvas.colour *= np.where(paved, 1 + stains, 1.0)


def _paint_roof(rng: Generator, canvas: _Canvas, box: Box, tone: Floats) -> None:
    window, a, b = canvas.grid.local(box)
    where = inside(box, a, b)
    # From here on a runs along the ridge, which follows the longer side.
    long, short, turn = box.a, box.b, box.angle
    if short > long:
        a, b, long, short, turn = b, a, short, long, turn + math.pi / 2
    shine = 0.10 * (canvas.sun[0] * -math.sin(turn) + canvas.sun[1] * math.cos(turn))
    gloss = 0.10 * (canvas.sun[0] * math.cos(turn) + canvas.sun[1] * math.sin(turn))
    period = float(rng.uniform(5.0, 6.6))
    shade = shine * np.sign(b)
    slope = np.abs(b)
    along = a
    rise = 1 - slope / short
    if box.kind == "hip":
        end = np.abs(a) - (long - short) > slope
        slope = np.where(end, np.abs(a) - (long - short), slope)
        along = np.where(end, b, a)
        shade = np.where(end, gloss * np.sign(a), shade)
        rise = 1 - slope / short
    elif box.kind == "sheet":
        slope, along, shade, rise = b + 0.3 * period, a, 0.6 * shine * b / short, 0 * b
    course = courses(slope, period)
    # Tiles: joints between neighbours of a course, half a tile on from one course to the next.
    shift = 0.5 * np.floor(slope / period)
    joint = courses(along + period * shift, period) if box.kind != "sheet" else 0 * course
    texture = 0.24 * course + 0.05 * joint
    edge = np.minimum(long - np.abs(a), short - np.abs(b))
    relief = 1 + texture + shade
    if box.kind == "sheet":
        relief = np.where(edge < 1.8, 1.14, relief)
    else:
        relief = np.where(rise > 1 - 1.3 / short, 1.18, relief)
    colour = tone[:, None, None] * relief
    canvas.put(window, where, colour, BUILDING, 10 + 6 * np.clip(rise, 0, 1))
    for _ in range(int(rng.integers(0, 3))):
        at_a, at_b = rng.uniform(-0.7, 0.7) * long, rng.uniform(-0.7, 0.7) * short
        spot = where & (np.abs(a - at_a) < 2.6) & (np.abs(b - at_b) < 2.0)
        canvas.put(window, spot, np.full(4, rng.uniform(0.2, 0.7)), height=19.0)


def _paint_clutter(rng: Generator, canvas: _Canvas, box: Box) -> None:
    window, a, b = canvas.grid.local(box)
    where = inside(box, a, b)
    if box.kind == "basin":
        where = (np.abs(a / box.a) ** 3 + np.abs(b / box.b) ** 3) < 1
        inner = (np.abs(a / (box.a - 2)) ** 3 + np.abs(b / (box.b - 2)) ** 3) < 1
        water = np.array((0.32, 0.50, 0.52, 0.24)) * rng.uniform(0.9, 1.15)
        ripples = 1 + 0.13 * courses(b + 0.25 * a, 5.5)
        canvas.put(window, where, np.full(4, 0.62), CLUTTER)
        canvas.put(window, where & inner, water[:, None, None] * ripples)
        return
    base = pick(rng, CONTAINERS if box.kind == "container" else ROOFS)
    if box.kind == "container":
        relief = 1 + 0.24 * courses(b, 5.2)
    else:
        relief = 1 + 0.22 * courses(a, 5.6) + 0.05 * courses(b, 11)
    canvas.put(window, where, base[:, None, None] * relief, CLUTTER, 6.0)


def _paint_car(rng: Generator, canvas: _Canvas, box: Box) -> None:
    window, a, b = canvas.grid.local(box)
    # Nothing parks on lawns or in houses, where a plan's street ends or bends.
    if np.any(canvas.classes[window][inside(box, a, b)] != ROAD):
        return
    if box.b > box.a:
        a, b = b, a
    long, wide = max(box.a, box.b), min(box.a, box.b)
    body = (np.abs(a / long) ** 4 + np.abs(b / wide) ** 4) < 1
    paint = pick(rng, CARS)
    if rng.random() < 0.5:
        a = -a
    glass = np.array((0.16, 0.18, 0.20, 0.18))
    canvas.put(window, body, paint, CAR, 4.5)
    cabin = body & (np.abs(b) < wide - 1.2)
    canvas.put(window, cabin & (np.abs(a - 0.28 * long) < 1.7), glass)
    canvas.put(window, cabin & (np.abs(a + 0.62 * long) < 1.2), glass)


def _paint_crowns(rng: Generator, canvas: _Canvas, plan: Plan) -> None:
    side, axis = canvas.grid.side, canvas.grid.axis()
    clumps = band_noise(rng, side, 1.4, 4.0)
    leaves = band_noise(rng, side, 0.9, 1.9)
    outline = band_noise(rng, side, 1.9, 5.5)
    for crown in plan.crowns:
        window = canvas.grid.around(crown.x, crown.y, crown.radius + 4)
        x = (axis[None, window[1]] - crown.x) / crown.radius
        y = (axis[window[0], None] - crown.y) / crown.radius
        reach = np.sqrt(x * x + y * y)
        where = reach + min(0.13, 1.2 / crown.radius) * outline[window] < 0.97
        dome = np.sqrt(np.clip(1 - reach * reach, 0, 1))
        # The side that faces the sun is lit, the far side lies in the crown's own shade.
        light = 0.13 * (canvas.sun[0] * x + canvas.sun[1] * y) - 0.10 * reach**4
        texture = 0.145 * clumps[window] + 0.06 * leaves[window]
        colour = pick(rng, CROWNS)[:, None, None] * np.maximum(1.02 + light + texture, 0.25)
        canvas.put(window, where, colour, TREE, 5 + 9 * dome)


def _shadows(canvas: _Canvas, rise: float) -> Floats:
    """How much direct light `[side, side]`, 0 to 1, reaches each pixel.

    A pixel lies in shadow where, towards the sun, something stands higher than the ray that climbs
    `rise` per pixel.
    """
    height, side = canvas.height, canvas.grid.side
    shaded = np.zeros(height.shape, dtype=np.bool_)
    for step in range(1, math.ceil(19 / rise)):
        dx, dy = round(step * canvas.sun[0]), round(step * canvas.sun[1])
        here = (slice(max(-dy, 0), side - max(dy, 0)), slice(max(-dx, 0), side - max(dx, 0)))
        there = (slice(max(dy, 0), side + min(dy, 0)), slice(max(dx, 0), side + min(dx, 0)))
        shaded[here] |= height[there] > height[here] + rise * step + 1.5
    return 1 - smooth(shaded.astype(np.float64), 3)


def _expose(rng: Generator, canvas: _Canvas) -> Floats:
    """Light, shadow, air and sensor: what the camera makes `[4, side, side]` of the surfaces."""
    side = canvas.grid.side
    lit = _shadows(canvas, float(rng.uniform(1.1, 1.9)))
    # The sky lights shadows: bluish, and with least infrared.
    sky = rng.uniform(0.50, 0.64) * np.array((0.93, 0.99, 1.09, 0.90))
    field = 1 + 0.11 * np.clip(smooth_noise(rng, side, 61), -2, 2)
    cast = rng.uniform(0.95, 1.05, 4)
    gain = float(rng.uniform(0.92, 1.14))
    air = rng.uniform(0.0, 0.06)
    bend = float(rng.uniform(-0.2, 0.3))
    image = canvas.colour * (sky[:, None, None] + (1 - sky)[:, None, None] * lit)
    image *= (gain * cast)[:, None, None] * field
    image = air + (1 - air) * image
    image += bend * image * (1 - image)
    # The lens blurs a little, then the sensor adds its grain.
    blurred = ndimage.uniform_filter(image, (0, 3, 3))
    image = 0.55 * image + 0.45 * blurred
    return np.asarray(image + 0.006 * rng.standard_normal(image.shape), dtype=np.float64)
