"""Labels that lie on scenes without being masks of their own: points and shapes.

They are read like a mask, window by window, with `IGNORE` wherever nothing was said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.features import rasterize

from iic_tf.data.file_scene import FileScene
from iic_tf.data.mask_code import distinct_colours
from iic_tf.data.scene import IGNORE, ClassTable, Scene, Valid, has_nodata, read_with_valid
from iic_tf.data.shapes import Shape
from iic_tf.errors import InputError


class Marks(Protocol):
    """The labels of one image."""

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.int32]:
        """Class indices `[height, width]` of a window, `IGNORE` where nothing was said."""
        ...


@dataclass(frozen=True, eq=False)
class PointMarks:
    """Single pixels.

    Attributes:
        rows, columns: int64 `[n]`, from 0, within the image; no pixel with two classes.
        classes: int32 `[n]`, class indices.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    classes: NDArray[np.int32]

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.int32]:
        """Class indices `[height, width]` of a window, `IGNORE` where there is no point."""
        found = np.full((height, width), IGNORE, np.int32)
        rows, columns = self.rows - top, self.columns - left
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        found[rows[inside], columns[inside]] = self.classes[inside]
        return found


@dataclass(frozen=True, eq=False)
class ShapeMarks:
    """Points, lines and polygons in pixels of the image, drawn when they are read.

    A polygon marks the pixels whose centre lies in it, a point the pixel it lies in, a line one
    pixel for each step along its longer side. Where shapes overlap the last one counts.

    Attributes:
        shapes: in pixels, x to the right and y down from the upper left corner of the image.
        classes: the class index of each.
        rest: the class of pixels on which no shape lies.
    """

    shapes: tuple[Shape, ...]
    classes: tuple[int, ...]
    rest: int = IGNORE

    @cached_property
    def _boxes(self) -> NDArray[np.float64]:
        return np.array([shape.box for shape in self.shapes]).reshape(-1, 4)

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.int32]:
        """Class indices `[height, width]` of a window, `rest` where there is no shape."""
        x0, y0, x1, y1 = self._boxes.T
        # A pixel more on each side: lines mark the pixels that they come nearest to.
        near = (x0 <= left + width + 1) & (x1 >= left - 1)
        near &= (y0 <= top + height + 1) & (y1 >= top - 1)
        chosen = np.flatnonzero(near)
        if not len(chosen):
            return np.full((height, width), self.rest, np.int32)
        drawn: NDArray[np.int32] = rasterize(
            [(self.shapes[i].geojson(), self.classes[i]) for i in chosen],
            out_shape=(height, width),
            fill=self.rest,
            transform=Affine.translation(left, top),
            dtype="int32",
        )
        return drawn


def marks_any(shape: Shape, height: int, width: int, block: int = 1024) -> bool:
    """Whether a shape, in pixels, marks any pixel of an image of this size."""
    x0, y0, x1, y1 = shape.box
    top, bottom = max(0, int(np.floor(y0))), min(height, int(np.ceil(y1)) + 1)
    left, right = max(0, int(np.floor(x0))), min(width, int(np.ceil(x1)) + 1)
    marks = ShapeMarks((shape,), (0,))
    return any(
        bool((marks.read(y, x, min(block, bottom - y), min(block, right - x)) == 0).any())
        for y in range(top, bottom, block)
        for x in range(left, right, block)
    )


@dataclass(frozen=True, eq=False)
class MarkedScene:
    """Any scene under other labels than its own.

    Attributes:
        scene: gives the pixels, and says which of them hold data.
        marks: its labels; None where there are none.
    """

    scene: Scene
    marks: Marks | None = None

    @property
    def name(self) -> str:
        """The scene's."""
        return self.scene.name

    @property
    def height(self) -> int:
        """Rows."""
        return self.scene.height

    @property
    def width(self) -> int:
        """Columns."""
        return self.scene.width

    @property
    def channels(self) -> int:
        """Bands."""
        return self.scene.channels

    @property
    def has_mask(self) -> bool:
        """Whether something is labelled."""
        return self.marks is not None

    @property
    def has_nodata(self) -> bool:
        """Whether some pixel may hold no data."""
        return has_nodata(self.scene)

    @property
    def image(self) -> object:
        """What the scene says its image is; None where it says nothing."""
        return getattr(self.scene, "image", None)

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.generic]:
        """Raw values `[height, width, channels]` of a window."""
        return self.scene.read(top, left, height, width)

    def read_with_valid(
        self, top: int, left: int, height: int, width: int
    ) -> tuple[NDArray[np.generic], Valid]:
        """Raw values of a window, all finite, and which pixels hold data."""
        return read_with_valid(self.scene, top, left, height, width)

    def read_mask(self, top: int, left: int, height: int, width: int) -> NDArray[np.int32]:
        """Class indices `[height, width]` of a window, `IGNORE` where nothing is known.

        Raises:
            InputError: nothing is labelled.
        """
        return _marks_of(self.name, self.marks).read(top, left, height, width)


@dataclass(frozen=True, eq=False)
class MarkedFileScene(FileScene):
    """A scene in a file under other labels than those of a mask file, and else a `FileScene`.

    Attributes:
        marks: its labels; None where there are none.
    """

    marks: Marks | None = None

    @property
    def has_mask(self) -> bool:
        """Whether something is labelled."""
        return self.marks is not None

    def read_mask(self, top: int, left: int, height: int, width: int) -> NDArray[np.int32]:
        """Class indices `[height, width]` of a window, `IGNORE` where nothing is known.

        Raises:
            InputError: nothing is labelled.
        """
        return _marks_of(self.name, self.marks).read(top, left, height, width)


def marked_scene(scene: Scene, marks: Marks | None) -> MarkedScene | MarkedFileScene:
    """A scene under these labels alone; one of a file stays one."""
    if isinstance(scene, FileScene):
        return MarkedFileScene(scene.name, scene.image, marks=marks)
    return MarkedScene(scene, marks)


def class_table(names: Sequence[str]) -> ClassTable:
    """Classes of these names, in their order, each with a colour of its own."""
    return ClassTable(tuple(names), np.array(distinct_colours(len(names)), np.uint8))


def sorted_names(names: Sequence[str]) -> list[str]:
    """Each name once, in the order of its class index: by number, where all are, else by name."""
    numbers = all(name.isdecimal() for name in names)
    return sorted(set(names), key=(lambda n: (int(n), n)) if numbers else (lambda n: (0, n)))


def _marks_of(name: str, marks: Marks | None) -> Marks:
    if marks is None:
        raise InputError(f"Expected a scene with labels; received '{name}' without any.")
    return marks
