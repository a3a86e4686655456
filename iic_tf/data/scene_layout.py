"""Where things stand in a generated suburb: streets, lots, roofs, crowns, cars, clutter.

Blocks lie in a lattice of streets that is turned and gently bent; lots fill the blocks, and each
lot holds a house, or else a car park or a grove.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.random import Generator

from iic_tf.data.scene_plan import (
    MARGIN,
    Box,
    Crown,
    Grid,
    Plan,
    Streets,
    inside,
    street_distance,
)

_TRIES = 10
_COARSE = 4


def draw_plan(rng: Generator, size: int) -> Plan:
    """Draw a plan for a scene of `size` × `size` pixels with about even shares.

    Of several plans the one is kept whose paved, built and green shares are the nearest to thirds:
    no class of texture then stands for 'which scene is this'.
    """
    plans = [_draw(rng, size) for _ in range(_TRIES)]
    return min(plans, key=lambda plan: _unevenness(plan, size))


def _unevenness(plan: Plan, size: int) -> float:
    """How far the coarse shares are from even; small where small things are present too."""
    side = max(size // _COARSE, 1)
    grid = Grid(size / 2, side, size / side)
    axis = grid.axis()
    u, v = plan.streets.lattice(axis[None, :], axis[:, None])
    classes = np.where(street_distance(plan.streets, u, v) < 0, 0, 2)
    for boxes, index in ((plan.paved, 0), (plan.clutter, 1), (plan.roofs, 1)):
        for box in boxes:
            window, a, b = grid.local(box)
            classes[window][inside(box, a, b)] = index
    trees = np.zeros(classes.shape, dtype=np.bool_)
    for crown in plan.crowns:
        rows, columns = grid.around(crown.x, crown.y, crown.radius)
        x, y = axis[None, columns] - crown.x, axis[rows, None] - crown.y
        trees[rows, columns] |= x * x + y * y < crown.radius**2
    classes[trees] = 2
    shares = np.bincount(classes.ravel(), minlength=3) / classes.size
    reach = size / 2 - 6
    missing = sum(
        not any(abs(box.x) < reach and abs(box.y) < reach for box in boxes)
        for boxes in (plan.cars, plan.clutter)
    )
    crowns = float(np.mean(trees))
    return float(np.abs(shares - 1 / 3).max()) + 0.5 * abs(crowns - 0.17) + 0.3 * missing


def _draw(rng: Generator, size: int) -> Plan:
    reach = size * 0.71 + MARGIN + 40
    avenues = _rows(rng, reach, (200.0, 232.0), (24.0, 28.0), 18.0)
    lanes = _rows(rng, reach, (215.0, 275.0), (19.0, 23.0), 14.5)
    streets = Streets(
        angle=float(rng.uniform(0, 2 * math.pi)),
        swing=float(rng.uniform(0, 13)),
        wave=float(rng.uniform(380, 560)),
        phase=float(rng.uniform(0, 2 * math.pi)),
        avenues=avenues,
        lanes=lanes,
    )
    plan = Plan(streets)
    for (left, half_left, _), (right, half_right, _) in pairwise(avenues):
        for (top, half_top, _), (bottom, half_bottom, _) in pairwise(lanes):
            block = (left + half_left, right - half_right, top + half_top, bottom - half_bottom)
            _fill_block(rng, plan, block)
    _street_cars(rng, plan, reach)
    limit = size / 2 + MARGIN

    def near(thing: Box | Crown) -> bool:
        radius = thing.radius if isinstance(thing, Crown) else math.hypot(thing.a, thing.b)
        return max(abs(thing.x), abs(thing.y)) - radius < limit

    for name in ("lots", "paved", "roofs", "clutter", "cars", "crowns"):
        setattr(plan, name, [thing for thing in getattr(plan, name) if near(thing)])
    return plan


def _rows(
    rng: Generator,
    reach: float,
    gap: tuple[float, float],
    half: tuple[float, float],
    carriageway: float,
) -> tuple[tuple[float, float, float], ...]:
    rows = []
    at = -reach - float(rng.uniform(0, gap[1]))
    while at < reach + gap[1]:
        width = float(rng.uniform(*half))
        rows.append((at, width, min(carriageway, width - 4)))
        at += float(rng.uniform(*gap))
    return tuple(rows)


def _fill_block(rng: Generator, plan: Plan, block: tuple[float, float, float, float]) -> None:
    left, right, top, bottom = block
    middle = (left + right) / 2 + float(rng.uniform(-4, 4))
    for low, high, front in ((left, middle, -1.0), (middle, right, 1.0)):
        rows = max(round((bottom - top) / float(rng.uniform(80, 104))), 1)
        edges = np.linspace(top, bottom, rows + 1)
        edges[1:-1] += rng.uniform(-5, 5, rows - 1)
        for start, stop in pairwise(edges):
            _fill_lot(rng, plan, (low, high, float(start), float(stop)), front)


def _fill_lot(
    rng: Generator, plan: Plan, lot: tuple[float, float, float, float], front: float
) -> None:
    low, high, top, bottom = lot
    depth, width = high - low, bottom - top
    street, back = (high, low) if front > 0 else (low, high)
    plan.lots.append(
        plan.streets.box((low + high) / 2, (top + bottom) / 2, depth / 2 + 1, width / 2 + 1)
    )
    what = float(rng.random())
    if what < 0.07:
        _car_park(rng, plan, lot)
        return
    if what < 0.15:
        _grove(rng, plan, lot)
        return

    def at(u: float, v: float, a: float, b: float, kind: str = "") -> Box:
        """A box whose u counts from the street into the lot."""
        return plan.streets.box(street - front * u, v, a, b, kind)

    setback = float(rng.uniform(8, 14))
    deep = min(float(rng.uniform(52, 64)), depth - setback - 8)
    wide = min(width * float(rng.uniform(0.68, 0.82)), width - 12)
    slack = (width - wide) / 2
    centre = (top + bottom) / 2 + float(rng.uniform(-0.7, 0.7)) * slack
    kinds = ("gable", "hip", "hip", "sheet")
    kind = kinds[int(rng.integers(len(kinds)))]
    if rng.random() < 0.25:
        # A main wing and a lower one beside it make an L.
        part = wide * float(rng.uniform(0.52, 0.64))
        side = 1.0 if rng.random() < 0.5 else -1.0
        shallow = deep * float(rng.uniform(0.6, 0.75))
        main = at(setback + deep / 2, centre + side * (wide - part) / 2, deep / 2, part / 2, kind)
        u, v = setback + deep - shallow / 2, centre - side * part / 2
        wing = at(u, v, shallow / 2, (wide - part) / 2 + 2, kind)
        plan.roofs += [wing, replace(main, joined=True)]
    else:
        plan.roofs.append(at(setback + deep / 2, centre, deep / 2, wide / 2, kind))
    end = 1.0 if centre < (top + bottom) / 2 else -1.0
    drive = centre + end * (wide / 2 - 7)
    if rng.random() < 0.4:
        plan.paved.append(at(setback / 2, drive, setback / 2 + 2, 8.0, "drive"))
    gap = centre + end * (
        wide / 2 + (width / 2 - end * (centre - (top + bottom) / 2) - wide / 2) / 2
    )
    yard = depth - setback - deep
    if yard > 9:
        if rng.random() < 0.5:
            a, b, name = _clutter(rng, yard)
            v = float(rng.uniform(top + 14, bottom - 14))
            plan.clutter.append(at(setback + deep + yard / 2, v, a, b, name))
        for _ in range(int(rng.integers(2, 4))):
            u = setback + deep + float(rng.uniform(0.35, 0.9)) * yard
            v = float(rng.uniform(top + 6, bottom - 6))
            _tree(rng, plan, street - front * u, v, 12.0, 19.0)
    if rng.random() < 0.8:
        _tree(rng, plan, street - front * float(rng.uniform(4, depth - 6)), gap, 10.0, 15.0)
    if rng.random() < 0.5:
        _tree(rng, plan, street - front * 4.0, float(rng.uniform(top, bottom)), 9.0, 13.0)
    if rng.random() < 0.10:
        _hedge(rng, plan, (street, back), top)


def _clutter(rng: Generator, room: float) -> tuple[float, float, str]:
    """Half sides and kind of something that stands about in a yard `room` pixels deep."""
    draw = float(rng.random())
    if draw < 0.3:
        return min(float(rng.uniform(5.5, 8)), room / 2), float(rng.uniform(9, 13)), "basin"
    if draw < 0.7:
        return min(7.0, room / 2), float(rng.uniform(13, 18)), "container"
    return min(9.0, room / 2), float(rng.uniform(10, 14)), "stack"


def _tree(rng: Generator, plan: Plan, u: float, v: float, low: float, high: float) -> None:
    x, y, _ = plan.streets.place(u, v)
    radius = float(rng.uniform(low, high))
    if any(math.hypot(c.x - x, c.y - y) < radius + 7 for c in plan.clutter[-3:]):
        return
    # Crowns touch but seldom swallow one another.
    for other in plan.crowns[-40:]:
        if math.hypot(other.x - x, other.y - y) < 0.75 * (other.radius + radius):
            return
    plan.crowns.append(Crown(x, y, radius))


def _hedge(rng: Generator, plan: Plan, ends: tuple[float, float], v: float) -> None:
    steps = max(int(abs(ends[1] - ends[0]) / 8), 1)
    for i in range(steps):
        x, y, _ = plan.streets.place(ends[0] + (ends[1] - ends[0]) * (i + 0.5) / steps, v)
        plan.crowns.append(Crown(x, y, float(rng.uniform(5.5, 7.0))))


def _grove(rng: Generator, plan: Plan, lot: tuple[float, float, float, float]) -> None:
    low, high, top, bottom = lot
    for _ in range(14):
        u = float(rng.uniform(low + 8, high - 8))
        _tree(rng, plan, u, float(rng.uniform(top + 8, bottom - 8)), 12.0, 20.0)


def _car_park(rng: Generator, plan: Plan, lot: tuple[float, float, float, float]) -> None:
    low, high, top, bottom = lot
    u, v = (low + high) / 2, (top + bottom) / 2
    plan.paved.append(
        plan.streets.box(u, v, (high - low) / 2 - 2, (bottom - top) / 2 - 4, "car park")
    )
    bays = max(int((bottom - top - 20) / 16), 1)
    for row in (low + 15, high - 15):
        for i in range(bays):
            if rng.random() < 0.35:
                plan.cars.append(plan.streets.box(row, top + 18 + 16 * i, 11.0, 4.8))
    if rng.random() < 0.8:
        a, b, name = _clutter(rng, 16.0)
        plan.clutter.append(plan.streets.box(u, v + float(rng.uniform(-8, 8)), a, b, name))


def _street_cars(rng: Generator, plan: Plan, reach: float) -> None:
    for rows, along_v in ((plan.streets.avenues, True), (plan.streets.lanes, False)):
        for at, _, carriageway in rows:
            for side in (-1.0, 1.0):
                offset = at + side * (carriageway - 7)
                run = -reach + float(rng.uniform(0, 80))
                while run < reach:
                    half = float(rng.uniform(10.5, 12.5))
                    if along_v:
                        plan.cars.append(plan.streets.box(offset, run, 5.0, half))
                    else:
                        plan.cars.append(plan.streets.box(run, offset, half, 5.0))
                    run += float(rng.uniform(70, 240))
