"""Shapes drawn in windows, against the even-odd rule and against the whole image."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from iic_tf.data.marks import PointMarks, ShapeMarks, marks_any
from iic_tf.data.scene import IGNORE
from iic_tf.data.shapes import Shape, shapes_of

HEIGHT, WIDTH = 40, 50


def random_ring(rng):
    """A star around a middle, so that it does not cut itself."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 9)))
    radii = rng.uniform(2, 20, len(angles))
    middle = rng.uniform((-5, -5), (WIDTH + 5, HEIGHT + 5))
    ring = middle + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.concatenate([ring, ring[:1]])


def inside(ring, x, y):
    """Even-odd rule: how often a ray to the right cuts the ring."""
    cuts = 0
    for (x0, y0), (x1, y1) in itertools.pairwise(ring):
        if (y0 > y) != (y1 > y):
            cuts += x < x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    return cuts % 2 == 1


@pytest.mark.parametrize("seed", range(5))
def test_polygons_are_the_pixels_whose_centre_lies_inside(seed):
    rng = np.random.default_rng(seed)
    rings = [random_ring(rng) for _ in range(6)]
    classes = tuple(int(c) for c in rng.integers(0, 3, 6))
    marks = ShapeMarks(tuple(Shape("Polygon", (r,)) for r in rings), classes)
    expected = np.full((HEIGHT, WIDTH), IGNORE)
    for row in range(HEIGHT):
        for column in range(WIDTH):
            for ring, value in zip(rings, classes, strict=True):
                if inside(ring, column + 0.5, row + 0.5):
                    expected[row, column] = value
    np.testing.assert_array_equal(marks.read(0, 0, HEIGHT, WIDTH), expected)
    for shape in marks.shapes:
        one = ShapeMarks((shape,), (0,)).read(0, 0, HEIGHT, WIDTH)
        assert marks_any(shape, HEIGHT, WIDTH, block=7) == (one == 0).any()
        assert not (shape.holds_no_centre and (one == 0).any())


@pytest.mark.parametrize("kind", ["Polygon", "Point", "LineString"])
def test_windows_are_cut_from_the_whole(kind):
    rng = np.random.default_rng(7)
    shapes = []
    for _ in range(30):
        ring = random_ring(rng)
        shapes.append(Shape(kind, (ring if kind != "Point" else ring[:1],)))
    marks = ShapeMarks(tuple(shapes), tuple(range(30)))
    whole = marks.read(0, 0, HEIGHT, WIDTH)
    assert len(np.unique(whole)) > 10
    for _ in range(60):
        top, left = int(rng.integers(HEIGHT)), int(rng.integers(WIDTH))
        height = int(rng.integers(1, HEIGHT - top + 1))
        width = int(rng.integers(1, WIDTH - left + 1))
        window = whole[top : top + height, left : left + width]
        np.testing.assert_array_equal(marks.read(top, left, height, width), window)


def test_points_in_windows():
    marks = PointMarks(np.array([0, 3, 9]), np.array([0, 4, 9]), np.array([2, 0, 1], np.int32))
    assert marks.read(3, 3, 2, 3).tolist() == [[-1, 0, -1], [-1, -1, -1]]
    assert marks.read(9, 9, 1, 1).tolist() == [[1]]
    assert (marks.read(1, 0, 2, 10) == IGNORE).all()


def test_small_polygons():
    def square(x, y, side):
        ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side]]
        (shape,) = shapes_of({"type": "Polygon", "coordinates": [ring]})
        return shape

    assert square(3.6, 3.6, 0.8).holds_no_centre
    assert square(3.1, 3.1, 0.3).holds_no_centre
    assert not square(3.4, 3.4, 0.3).holds_no_centre
    assert marks_any(square(3.4, 3.4, 0.3), 10, 10)
    assert not marks_any(square(-5, -5, 3), 10, 10)


def test_empty_geometries_and_collections():
    assert shapes_of(None) == []
    assert shapes_of({"type": "MultiPolygon", "coordinates": []}) == []
    point = {"type": "Point", "coordinates": [1, 2, 3]}
    line = {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}
    both = shapes_of({"type": "GeometryCollection", "geometries": [point, line]})
    assert [shape.kind for shape in both] == ["Point", "LineString"]
    assert both[0].geojson() == {"type": "Point", "coordinates": [1.0, 2.0]}
    assert both[1].geojson() == {"type": "LineString", "coordinates": [[0.0, 0.0], [1.0, 1.0]]}
