"""Shapes on a map as labels of scenes: GeoJSON and GeoPackage, in any coordinate system.

A polygon labels the pixels whose centre lies in it, a point the pixel it lies in, a line the pixels
along it. Where features overlap, the later one in the file counts.

Corners are brought to the image's coordinate system, and edges are straight there: the longer the
edge, the farther it may lie from the one that is straight in the file's system (about 3 cm at 1 km
and 3 m at 10 km, between degrees and UTM at 50 degrees north).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rasterio.crs import CRS

from iic_tf.data.grid import Grid, grid_of, reprojected
from iic_tf.data.label_table import case_notes, require_classes
from iic_tf.data.marks import ShapeMarks, class_table, marked_scene, marks_any, sorted_names
from iic_tf.data.raster import Raster
from iic_tf.data.scene import Scene, SceneSet
from iic_tf.data.shapes import Shape, mapped
from iic_tf.data.vector_files import (
    Layer,
    class_name,
    read_vector,
    require_attribute,
)
from iic_tf.errors import InputError


@dataclass
class _Left:
    """What was left out, by the reason: how many features, and which shapes."""

    unnamed: int = 0
    empty: int = 0
    unplaced: set[int] = field(default_factory=set)
    small: set[int] = field(default_factory=set)

    def notes(self, file: Path) -> tuple[str, ...]:
        reasons = (
            (self.unnamed, "features without a class"),
            (self.empty, "features without a geometry"),
            (
                len(self.unplaced),
                "shapes with corners that an image's system cannot place",
            ),
            (len(self.small), "polygons so small that they hold no pixel's centre"),
        )
        return tuple(f"left out of '{file}': {n} {what}" for n, what in reasons if n)


@dataclass
class NamedShapes:
    """Shapes of one coordinate system, each of a class.

    Attributes:
        crs: the system.
        shapes: in their order.
        names: the class of each.
    """

    crs: CRS
    shapes: list[Shape] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


def with_shapes(scenes: SceneSet, file: str | Path, attribute: str = "class") -> SceneSet:
    """Scenes under the labels of a file of shapes, in place of any masks of theirs.

    Args:
        scenes: images in files that lie on the map: a coordinate system and an affine map, or
            ground control points that make one.
        file: GeoJSON or GeoPackage, see `iic_tf.data.vector_files`.
        attribute: the one that names a feature's class, by text or a whole number. Of a
            GeoPackage the layers that have it are taken.

    Returns:
        The scenes, in their order; those on which a shape marks a pixel have `has_mask`. Classes
        are those that mark one, sorted. Notes say what was left out, and how many images lie
        nowhere.

    Raises:
        DataMissingError: there is no such file.
        InputError: the file cannot be read, has no such attribute or fewer than 2 classes; no
            scene lies on the map, or none under a feature (says where both lie).
    """
    file = Path(file)
    layers = read_vector(file)
    require_attribute(file, layers, attribute)
    left = _Left()
    groups = [_named(file, layer, attribute, left) for layer in layers]
    groups = [group for group in groups if group.shapes]
    require_classes([name for group in groups for name in group.names], file)
    grids = [grid_of_scene(scene) for scene in scenes.scenes]
    placed = [grid for grid in grids if grid is not None]
    if not placed:
        raise InputError(
            f"Expected images that lie on a map (a coordinate system and an affine map), for the "
            f"labels in '{file}'; received {len(grids)} without, such as "
            f"'{scenes.scenes[0].name}'. Give points in pixels (CSV), or say where images lie: "
            "gdal_translate -a_srs -a_ullr."
        )
    drawn = [_on_grid(groups, grid, left) if grid is not None else ([], []) for grid in grids]
    by_scene = [_seen(grid, *found) for grid, found in zip(grids, drawn, strict=True)]
    seen: set[str] = set().union(*by_scene)
    if not seen:
        raise misses(file, "labels", groups[0].shapes, groups[0].crs, placed)
    require_classes(sorted(seen), file, " that fall on an image")
    order = sorted_names(list(seen))
    index = {name: i for i, name in enumerate(order)}
    marked = tuple(
        marked_scene(scene, _marks(shapes, names, index) if own else None)
        for scene, (shapes, names), own in zip(scenes.scenes, drawn, by_scene, strict=True)
    )
    nowhere = len(grids) - len(placed)
    absent = {name for group in groups for name in group.names} - seen
    told = (
        *left.notes(file),
        *([f"{nowhere} of {len(grids)} images lie nowhere on a map: no labels"] if nowhere else []),
        *([f"classes that fall on no image: {', '.join(sorted(absent))}"] if absent else []),
        *case_notes(order),
    )
    classes = class_table(order)
    return replace(scenes, scenes=marked, classes=classes, notes=(*scenes.notes, *told))


def _named(file: Path, layer: Layer, attribute: str, left: _Left) -> NamedShapes:
    found = NamedShapes(layer.crs)
    for number, (shapes, attributes) in enumerate(layer.features):
        try:
            name = class_name(attributes.get(attribute))
        except ValueError as error:
            raise InputError(
                f"Expected text or a whole number for '{attribute}'; received {error} in feature "
                f"{number} (from 0) of '{file}'."
            ) from error
        left.unnamed += name is None
        left.empty += name is not None and not shapes
        if name is not None:
            found.shapes += shapes
            found.names += [name] * len(shapes)
    return found


def grid_of_scene(scene: Scene) -> Grid | None:
    """Where a scene lies; None where it does not say so. See `iic_tf.data.grid.grid_of`."""
    image = getattr(scene, "image", None)
    if not isinstance(image, Raster):
        return None
    return grid_of(image.path, scene.height, scene.width)


def _on_grid(
    groups: Sequence[NamedShapes], grid: Grid, left: _Left
) -> tuple[list[Shape], list[str]]:
    """The shapes that may touch an image, in its pixels, and their classes."""
    shapes: list[Shape] = []
    names: list[str] = []
    for group in groups:
        close = near(group.shapes, group.crs, grid)
        found = on_pixels([group.shapes[i] for i in close], group.crs, grid)
        for i, shape in zip(close, found, strict=True):
            x0, y0, x1, y1 = shape.box
            if not np.isfinite(shape.box).all():
                left.unplaced.add(id(group.shapes[i]))
            elif x1 >= 0 and y1 >= 0 and x0 <= grid.width and y0 <= grid.height:
                if shape.holds_no_centre:
                    left.small.add(id(group.shapes[i]))
                    continue
                shapes.append(shape)
                names.append(group.names[i])
    return shapes, names


def on_pixels(shapes: Sequence[Shape], crs: CRS, grid: Grid) -> list[Shape]:
    """Shapes of a coordinate system in pixels of an image; NaN where they have no place in its."""
    return mapped(shapes, lambda points: grid.pixels(reprojected(points, crs, grid.crs)))


def near(shapes: Sequence[Shape], crs: CRS, grid: Grid) -> list[int]:
    """The numbers of the shapes of `crs` whose boxes touch that of the image."""
    outline = grid.outline(crs)
    low, high = outline.min(axis=0), outline.max(axis=0)
    spans_all = crs.is_geographic and high[0] - low[0] > 180
    if not np.isfinite(outline).all() or spans_all:
        # A box says nothing where an image reaches over the edge of the system.
        return list(range(len(shapes)))
    # Between the points taken, the image's edges may bulge.
    margin = 0.01 * (high - low)
    (x0, y0), (x1, y1) = low - margin, high + margin
    boxes = np.array([shape.box for shape in shapes])
    touch = (boxes[:, 0] <= x1) & (boxes[:, 2] >= x0) & (boxes[:, 1] <= y1) & (boxes[:, 3] >= y0)
    return [int(i) for i in np.flatnonzero(touch)]


def _seen(grid: Grid | None, shapes: Sequence[Shape], names: Sequence[str]) -> set[str]:
    """The classes of which some shape marks a pixel of an image."""
    found: set[str] = set()
    for shape, name in zip(shapes, names, strict=True):
        if grid is not None and name not in found and marks_any(shape, grid.height, grid.width):
            found.add(name)
    return found


def _marks(shapes: Sequence[Shape], names: Sequence[str], index: dict[str, int]) -> ShapeMarks:
    # What came near an image, but marks no pixel of any, is no class.
    kept = [(s, index[name]) for s, name in zip(shapes, names, strict=True) if name in index]
    return ShapeMarks(tuple(s for s, _ in kept), tuple(i for _, i in kept))


def misses(
    file: Path, what: str, shapes: Sequence[Shape], crs: CRS, grids: Sequence[Grid]
) -> InputError:
    """The error of shapes of which none falls on an image, with where both lie."""
    boxes = np.array([shape.box for shape in shapes])
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    return InputError(
        f"Expected {what} in '{file}' that fall on an image; received features at "
        f"{_span(low, high)} in {_called(crs)}, and images at {_reach(grids, crs)}."
    )


def _reach(grids: Sequence[Grid], crs: CRS) -> str:
    points = np.concatenate([grid.outline(crs) for grid in grids])
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return "places that it has none for"
    return _span(points.min(axis=0), points.max(axis=0))


def _span(low: Sequence[float], high: Sequence[float]) -> str:
    return f"x {low[0]:.7g} to {high[0]:.7g}, y {low[1]:.7g} to {high[1]:.7g}"


def _called(crs: CRS) -> str:
    name = str(crs.to_string())
    return name if len(name) <= 40 else f"{name[:40]}…"
