"""The default data set `scenes`: generated aerial views of suburbs with masks, nothing to download.

The six classes are those of ISPRS Potsdam; merged to three they are told apart by texture (smooth
paving, regular roofs, irregular growth) and hardly by colour, so that clustering pixel values fails
where learning from neighbouring patches works.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from iic_tf.data.registry import SCENES, Source, dataset, option
from iic_tf.data.scene import IGNORE, ClassTable, SceneSet
from iic_tf.data.scene_painter import paint_scene
from iic_tf.errors import InputError, expected

SIX_CLASSES = ClassTable(
    ("road", "building", "low vegetation", "tree", "car", "clutter"),
    np.array(
        [(255, 255, 255), (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 255, 0), (255, 0, 0)],
        dtype=np.uint8,
    ),
)
"""Potsdam's classes with the colours of the ISPRS benchmark."""

THREE_CLASSES = ClassTable(
    ("road and car", "building and clutter", "vegetation"),
    np.array([(235, 235, 235), (40, 90, 220), (40, 170, 70)], dtype=np.uint8),
)
"""Road with car, building with clutter, low vegetation with tree."""

MERGE = np.array([0, 1, 2, 2, 0, 1], dtype=np.int32)
"""The index among `THREE_CLASSES` of each of the `SIX_CLASSES`."""

_CACHE_BYTES = 128 * 2**20

_Painted = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class _Cache:
    """The scenes painted last, up to a number of bytes; safe to share between threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[tuple[int, int, int], _Painted] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, seed: int, index: int, size: int) -> _Painted:
        key = (seed, index, size)
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        # Painted outside the lock: at worst two threads paint the same pixels.
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index])))
        painted = paint_scene(rng, size)
        for array in painted:
            array.setflags(write=False)
        with self._lock:
            if key not in self._held:
                self._held[key] = painted
                self._bytes += sum(array.nbytes for array in painted)
            while self._bytes > self._limit and len(self._held) > 1:
                _, old = self._held.popitem(last=False)
                self._bytes -= sum(array.nbytes for array in old)
        return painted


_cache = _Cache(_CACHE_BYTES)


@dataclass(frozen=True)
class GeneratedScene:
    """Scene `index` of the generated set of a seed; painted when first read.

    Attributes:
        seed, index: what the pixels are drawn from, together with `size`.
        size: height and width in pixels.
        classes: 3 or 6, what `read_mask` tells apart.
        border: pixels nearer than this to another class are `IGNORE` in the mask.
        has_mask: whether `read_mask` may be called.
    """

    seed: int
    index: int
    size: int
    classes: int = 6
    border: int = 0
    has_mask: bool = True

    @property
    def name(self) -> str:
        """`scene-` and the index, three digits at least."""
        return f"scene-{self.index:03d}"

    @property
    def height(self) -> int:
        """Rows."""
        return self.size

    @property
    def width(self) -> int:
        """Columns."""
        return self.size

    @property
    def channels(self) -> int:
        """Four: red, green, blue, infrared."""
        return 4

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.generic]:
        """Pixel values uint8 `[height, width, 4]` of a window inside the scene."""
        self._check(top, left, height, width)
        pixels, _ = _cache.get(self.seed, self.index, self.size)
        return pixels[top : top + height, left : left + width].copy()

    def read_mask(self, top: int, left: int, height: int, width: int) -> NDArray[np.int32]:
        """Class indices int32 `[height, width]` of a window: 0 to classes − 1, or `IGNORE`."""
        if not self.has_mask:
            raise InputError(f"Expected a scene with a mask; received '{self.name}' without one.")
        self._check(top, left, height, width)
        _, six = _cache.get(self.seed, self.index, self.size)
        # A rim around the window, so that its border pixels do not depend on where it was cut.
        rim_top, rim_left = min(self.border, top), min(self.border, left)
        wide = six[
            top - rim_top : top + height + self.border, left - rim_left : left + width + self.border
        ].astype(np.int32)
        if self.classes == 3:
            wide = MERGE[wide]
        if self.border:
            side = 2 * self.border + 1
            high = ndimage.maximum_filter(wide, side, mode="nearest")
            low = ndimage.minimum_filter(wide, side, mode="nearest")
            wide = np.where(high == low, wide, np.int32(IGNORE))
        return np.ascontiguousarray(
            wide[rim_top : rim_top + height, rim_left : rim_left + width], dtype=np.int32
        )

    def _check(self, top: int, left: int, height: int, width: int) -> None:
        if (
            min(top, left) < 0
            or min(height, width) < 1
            or top + height > self.size
            or left + width > self.size
        ):
            raise expected(
                f"a window (top, left, height, width) inside {self.size} × {self.size} pixels",
                (top, left, height, width),
                "window",
            )


def load_scenes(
    count: int = 24,
    size: int = 256,
    seed: int = 0,
    classes: int = 3,
    unlabelled: int = 0,
    border: int = 0,
) -> SceneSet:
    """Generated aerial scenes of suburbs, bands red, green, blue and infrared.

    Scene i is drawn from `(seed, i)` and `size` alone, when it is first read: it is the same in
    every set, on every call and on every machine with the same numpy release series. `count` and
    `classes` do not change it, another `size` does.

    Args:
        count: number of scenes, at least 1.
        size: height and width of each scene in pixels, at least 64. One pixel is about 20 cm at
            every size: larger scenes hold more, not larger things. From about 200 on every scene
            holds all classes.
        seed: at least 0; another seed gives other scenes.
        classes: 6 for road, building, low vegetation, tree, car and clutter, or 3 for these merged
            to road and car, building and clutter, vegetation (each about a third of the pixels).
        unlabelled: how many scenes, the last ones, have no mask; 0 to `count`.
        border: mask pixels nearer than this to another class are `IGNORE`; 0 ignores none.

    Returns:
        The set `scenes` with uint8 values, low 0 and high 255, and a class table.

    Raises:
        InputError: an argument is out of its range.
    """
    if count < 1:
        raise expected("at least 1 scene", count, "count")
    if size < 64:
        raise expected("scenes of at least 64 pixels a side", size, "size")
    if seed < 0:
        raise expected("a seed of at least 0", seed, "seed")
    if classes not in (3, 6):
        raise expected("3 or 6 classes", classes, "classes")
    if not 0 <= unlabelled <= count:
        raise expected(f"0 to {count} scenes without a mask", unlabelled, "unlabelled")
    if border < 0:
        raise expected("an ignored border of at least 0 pixels", border, "border")
    scenes = tuple(
        GeneratedScene(seed, i, size, classes, border, has_mask=i < count - unlabelled)
        for i in range(count)
    )
    return SceneSet(
        name="scenes",
        scenes=scenes,
        channels=4,
        low=np.zeros(4, dtype=np.float32),
        high=np.full(4, 255, dtype=np.float32),
        classes=THREE_CLASSES if classes == 3 else SIX_CLASSES,
    )


@dataset(
    "scenes",
    SCENES,
    "made on the spot from a seed: aerial scenes of red, green, blue and infrared in which texture "
    "matters; 3 or 6 classes. Needs no files",
)
@dataclass(frozen=True, kw_only=True)
class Scenes(Source):
    """Generated scenes; see `load_scenes`."""

    classes: int = 3
    count: int = option(24, help="how many scenes to make", metavar="N")
    size: int = option(256, help="side of a scene that is made", metavar="PIXELS")
    data_seed: int = option(0, help="what scenes are made from", metavar="SEED")

    def load(self) -> SceneSet:
        if self.classes not in (3, 6):
            raise expected("3 or 6 classes for data set 'scenes'", self.classes, "classes")
        return load_scenes(self.count, self.size, self.data_seed, self.classes)
