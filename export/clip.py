"""The part of a scene that is asked for: polygons of a file, on the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS

from iic_tf.data.grid import Grid
from iic_tf.data.marks import ShapeMarks, marks_any
from iic_tf.data.scene import Scene
from iic_tf.data.shapes import Shape
from iic_tf.data.vector_files import GEOJSON, GEOPACKAGE, SHAPEFILE, read_vector
from iic_tf.data.vector_labels import grid_of_scene, misses, near, on_pixels
from iic_tf.data.windows import Window
from iic_tf.errors import InputError, expected

SUFFIXES = (*GEOJSON, *GEOPACKAGE, *SHAPEFILE)

_INSIDE = 1


@dataclass(frozen=True, eq=False)
class Inside:
    """The pixels of a scene whose centre lies in one of some polygons.

    Attributes:
        marks: the polygons.
    """

    marks: ShapeMarks

    @classmethod
    def of(cls, polygons: Sequence[Shape]) -> Inside:
        """Inside of these, in pixels of the scene."""
        return cls(ShapeMarks(tuple(polygons), (_INSIDE,) * len(polygons), rest=0))

    def core(self, window: Window) -> NDArray[np.bool_]:
        """Which pixels of a window's core lie inside, `[height, width]`."""
        found = self.marks.read(window.top, window.left, window.height, window.width)
        return np.asarray(found == _INSIDE)


def clip_scenes(
    scenes: Sequence[Scene], file: str | Path
) -> tuple[list[Scene], list[Inside], tuple[str, ...]]:
    """The scenes on which polygons lie, with what lies inside of these.

    Corners are brought to each image's system, and edges are straight there, as of labels (see
    `iic_tf.data.vector_labels`).

    Args:
        scenes: images, of which those count that lie on the map.
        file: GeoJSON, GeoPackage or a shapefile, of polygons in any coordinate system.

    Returns:
        The scenes that are left, what lies inside of each, and a line for each kind of what was
        left out.

    Raises:
        DataMissingError: there is no such file.
        InputError: it cannot be read or has no polygons, or they miss all scenes.
    """
    file = Path(file)
    if file.suffix.lower() not in SUFFIXES:
        raise expected(f"a file of polygons, one of {', '.join(SUFFIXES)}", f"'{file}'")
    groups: list[tuple[CRS, list[Shape]]] = []
    others = 0
    for layer in read_vector(file):
        shapes = [shape for parts, _ in layer.features for shape in parts]
        polygons = [shape for shape in shapes if shape.kind == "Polygon"]
        others += len(shapes) - len(polygons)
        if polygons:
            groups.append((layer.crs, polygons))
    if not groups:
        came = f"{others} points and lines" if others else "no features"
        raise InputError(f"Expected polygons in '{file}'; received {came}.")
    grids = [grid_of_scene(scene) for scene in scenes]
    placed = [grid for grid in grids if grid is not None]
    if not placed:
        raise InputError(
            f"Expected images that lie on a map (a coordinate system and an affine map), to be "
            f"clipped by '{file}'; received {len(grids)} without, such as '{scenes[0].name}'."
        )
    kept: list[Scene] = []
    inside: list[Inside] = []
    unplaced: set[int] = set()
    for scene, grid in zip(scenes, grids, strict=True):
        if grid is not None and (polygons := _on(grid, groups, unplaced)):
            kept.append(scene)
            inside.append(Inside.of(polygons))
    if not kept:
        raise misses(file, "polygons", groups[0][1], groups[0][0], placed)
    nowhere = len(grids) - len(placed)
    missed = len(placed) - len(kept)
    reasons = (
        (others, f"points and lines of '{file}', which enclose nothing"),
        (len(unplaced), f"polygons of '{file}' with corners that an image's system cannot place"),
        (nowhere, f"of {len(grids)} images, which lie nowhere on a map"),
        (missed, f"of {len(grids)} images, on which no polygon lies"),
    )
    return kept, inside, tuple(f"left out: {n} {what}" for n, what in reasons if n)


def _on(grid: Grid, groups: Sequence[tuple[CRS, list[Shape]]], unplaced: set[int]) -> list[Shape]:
    """The polygons that hold some pixel of an image, in its pixels."""
    found = []
    for crs, polygons in groups:
        close = near(polygons, crs, grid)
        for i, shape in zip(close, on_pixels([polygons[i] for i in close], crs, grid), strict=True):
            if not np.isfinite(shape.box).all():
                unplaced.add(id(polygons[i]))
            elif not shape.holds_no_centre and marks_any(shape, grid.height, grid.width):
                found.append(shape)
    return found
