"""Points as labels of scenes: single pixels whose class somebody knows, from a CSV file.

An example::

    image,row,column,class
    tile_07.tif,120,33,road
    tile_07.tif,8.5,410.25,forest

`row` and `column` are pixels of the image as it is read, upright and before it is scaled down, from
0 at the upper left; what lies behind the point is cut off. `image` is found by
`iic_tf.data.image_names`. Columns may stand in any order, others are passed over; cells are split
by `,` or `;` (with `;` a number may have a decimal comma).
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from iic_tf.data.image_names import ImageNames
from iic_tf.data.label_table import (
    Row,
    Table,
    case_notes,
    read_table,
    require_classes,
    with_class,
)
from iic_tf.data.marks import PointMarks, class_table, marked_scene, sorted_names
from iic_tf.data.raster import Raster
from iic_tf.data.scene import Scene, SceneSet
from iic_tf.errors import InputError

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def with_points(scenes: SceneSet, file: str | Path, column: str = "class") -> SceneSet:
    """Scenes under the labels of a CSV file of points, in place of any masks of theirs.

    Args:
        scenes: the images.
        file: the CSV file described at the top of this module.
        column: the one that holds the class, a name.

    Returns:
        The scenes, in their order. Those with a point have `has_mask`, and a mask that is `IGNORE`
        but for the points; the others have none. Classes are those of the file, sorted; notes say
        how many lines have no class, and are left out.

    Raises:
        DataMissingError: there is no such file.
        InputError: no such CSV file, an unknown image or one of several, a point outside its
            image, two classes at one pixel, or fewer than 2 classes.
    """
    table = read_table(file, ("image", "row", "column", column))
    rows, notes = with_class(table, column)
    names = [row.cells[column] for row in rows]
    require_classes(names, table.file)
    order = sorted_names(names)
    index = {name: i for i, name in enumerate(order)}
    images = scene_names(scenes.scenes).find_all(
        rows, "image", f"images of '{scenes.name}' in '{table.file}'"
    )
    points: dict[int, dict[tuple[int, int], Row]] = defaultdict(dict)
    for number, row in zip(images, rows, strict=True):
        pixel = _pixel(row, table, scenes.scenes[number])
        before = points[number].setdefault(pixel, row)
        if before.cells[column] != row.cells[column]:
            raise InputError(
                f"Expected one class for a pixel; received '{before.cells[column]}' (line "
                f"{before.line}) and '{row.cells[column]}' (line {row.line}) for row {pixel[0]}, "
                f"column {pixel[1]} of '{row.cells['image']}' in '{table.file}'."
            )
    marked = tuple(
        marked_scene(scene, _marks(points[i], column, index) if i in points else None)
        for i, scene in enumerate(scenes.scenes)
    )
    told = (*scenes.notes, *notes, *case_notes(order))
    return replace(scenes, scenes=marked, classes=class_table(order), notes=told)


def scene_names(scenes: Sequence[Scene]) -> ImageNames:
    """The scenes, to be found by their names or files."""
    images = [getattr(scene, "image", None) for scene in scenes]
    return ImageNames(
        [scene.name for scene in scenes],
        [image.path if isinstance(image, Raster) else None for image in images],
    )


def _marks(points: dict[tuple[int, int], Row], column: str, index: dict[str, int]) -> PointMarks:
    places = np.array(list(points), np.int64)
    classes = [index[row.cells[column]] for row in points.values()]
    return PointMarks(places[:, 0], places[:, 1], np.array(classes, np.int32))


def _pixel(row: Row, table: Table, scene: Scene) -> tuple[int, int]:
    found = tuple(_whole(row, name, table) for name in ("row", "column"))
    if not (0 <= found[0] < scene.height and 0 <= found[1] < scene.width):
        raise InputError(
            f"Expected points within the {scene.height} rows and {scene.width} columns of "
            f"'{scene.name}', from 0; received row {row.cells['row']}, column "
            f"{row.cells['column']} in line {row.line} of '{table.file}'."
        )
    return found[0], found[1]


def _whole(row: Row, name: str, table: Table) -> int:
    text = row.cells[name].replace(",", ".") if table.delimiter == ";" else row.cells[name]
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise InputError(
            f"Expected a number in column '{name}'; received {row.cells[name][:40]!r} in line "
            f"{row.line} of '{table.file}'."
        )
    return math.floor(value)
