"""Crops of scenes, brought to 0..1 and scaled down: what the network sees in training."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.scene import IGNORE, Scene, SceneSet, Valid
from iic_tf.errors import expected

BLOCK = 256
"""Side of what is kept in one piece, in pixels after scaling down."""

TRIES = 8
"""How often a crop is drawn, at most, where the one before was half empty."""

Crop = tuple[NDArray[np.float32], NDArray[np.float32]]
Drawn = TypeVar("Drawn")


def box_mean(values: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Mean over factor × factor boxes, `[h, w, ...]` → `[⌈h/factor⌉, ⌈w/factor⌉, ...]`.

    Boxes that reach past the border take the mean of the part inside.
    """
    if factor == 1:
        return values
    rows = np.add.reduceat(values, np.arange(0, values.shape[0], factor), axis=0)
    both = np.add.reduceat(rows, np.arange(0, values.shape[1], factor), axis=1)
    height = np.diff(np.append(np.arange(0, values.shape[0], factor), values.shape[0]))
    width = np.diff(np.append(np.arange(0, values.shape[1], factor), values.shape[1]))
    count = np.outer(height, width).reshape(both.shape[:2] + (1,) * (values.ndim - 2))
    return np.asarray(both / count, np.float32)


def box_mean_of_valid(
    values: NDArray[np.float32], valid: Valid, factor: int, fill: NDArray[np.float32] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """As `box_mean` of an image `[h, w, channels]`, of the pixels that hold data.

    Args:
        values: the image.
        valid: which pixels hold data, or None for all.
        factor: whole.
        fill: what boxes without any data become, `[channels]`; None for zeros.

    Returns:
        The means, and the share of each box that holds data; None for all of all.
    """
    if valid is None:
        return box_mean(values, factor), None
    share = box_mean(valid.astype(np.float32), factor)
    if factor == 1:
        return values, share
    weighted = box_mean(values * valid[..., None], factor)
    small = np.zeros_like(weighted) if fill is None else np.broadcast_to(fill, weighted.shape)
    some = share > 0
    small = np.where(some[..., None], weighted / np.where(some, share, 1.0)[..., None], small)
    return np.asarray(small, np.float32), share


def fullest(draw: Callable[[], Drawn], share: Callable[[Drawn], float]) -> Drawn:
    """Of up to 8 draws the first one of which half holds data, or else the fullest.

    Args:
        draw: draws one.
        share: how much of it holds data, 0 to 1.
    """
    found = draw()
    most = share(found)
    for _ in range(TRIES - 1):
        if most >= 0.5:
            break
        other = draw()
        own = share(other)
        if own > most:
            found, most = other, own
    return found


class Crops:
    """Square crops of a set's scenes at a scale of 1/downscale.

    Scenes are read window by window. Where the whole set, scaled down, fits into `cache_bytes`, it
    is kept in memory block by block as it is first read; the pixels are the same either way.

    Args:
        scenes: the set.
        size: side of a crop in pixels after scaling down.
        downscale: whole factor; each pixel is the mean of downscale × downscale stored ones, as far
            as these hold data.
        masks: whether validity of pixels is read from the masks (scenes without one are valid).
        cache_bytes: most memory that kept scenes may take.

    Raises:
        InputError: a value outside its range, or masks where there are none.
    """

    def __init__(
        self,
        scenes: SceneSet,
        size: int,
        downscale: int = 1,
        masks: bool = False,
        cache_bytes: int = 1 << 30,
    ):
        if size < 2:
            raise expected("a crop of at least 2 pixels", size, "crop")
        if downscale < 1:
            raise expected("downscale >= 1", downscale, "downscale")
        most = max(min(scene.height, scene.width) for scene in scenes.scenes)
        if downscale > most:
            raise expected(
                f"downscale of at most {most}, the shorter side of the largest image",
                downscale,
                "downscale",
            )
        if masks and scenes.labelled is None:
            raise expected(f"masks in data set '{scenes.name}'", "images only")
        self.set = scenes
        self.size = size
        self.downscale = downscale
        self.masks = masks
        shapes = [(-(-s.height // downscale), -(-s.width // downscale)) for s in scenes.scenes]
        self.shapes = np.asarray(shapes, np.int64)
        # Asked once: a set may have many scenes.
        self.holes = scenes.has_nodata
        self.has_valid = masks or self.padded or self.holes
        pixels = int(self.shapes.prod(axis=1).sum())
        self._keep = pixels * 4 * (scenes.channels + self.has_valid) <= cache_bytes
        # Weight by area, not by number of places: pixels of a scene that is just as large as a
        # crop are worth as much as any others. Summed once: a set may have many scenes.
        self.weights = self.shapes.prod(axis=1).astype(np.float64)
        self._reached = (self.weights / self.weights.sum()).cumsum()
        self._reached /= self._reached[-1]
        self._kept: dict[tuple[int, int, int], _Block] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_kept": {}, "_lock": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    @property
    def padded(self) -> bool:
        """Whether some scene is smaller than a crop: the rest is zeros and not valid."""
        return bool((self.shapes < self.size).any())

    def draw(self, rng: np.random.Generator, scene: int | None = None) -> tuple[int, int, int]:
        """A random (scene, top, left), every place of every scene, or of one, equally likely."""
        if scene is not None:
            return self._draw_in(scene, rng)
        # As `rng.choice(len(weight), p=weight)`, which would sum all weights for each crop.
        return self._draw_in(int(self._reached.searchsorted(rng.random(), side="right")), rng)

    def _draw_in(self, scene: int, rng: np.random.Generator) -> tuple[int, int, int]:
        height, width = (max(int(side) - self.size + 1, 1) for side in self.shapes[scene])
        return scene, int(rng.integers(height)), int(rng.integers(width))

    def spread(self, count: int, rng: np.random.Generator) -> list[tuple[int, int, int]]:
        """About `count` random places, by the scenes' areas, of each one at least, in their order.

        Returns:
            (scene, top, left) of each.
        """
        reached = np.rint(self._reached * count).astype(np.int64)
        own = np.maximum(np.diff(reached, prepend=0), 1)
        return [self._draw_in(scene, rng) for scene, n in enumerate(own) for _ in range(n)]

    def drawn(
        self, rng: np.random.Generator, scene: int | None = None
    ) -> tuple[tuple[int, int, int], Crop]:
        """A random place as `draw`'s, and the crop that was read there.

        Where scenes hold no data in parts, of up to 8 places the first one of which half holds some
        is taken, or else the fullest.
        """

        def one() -> tuple[tuple[int, int, int], Crop]:
            place = self.draw(rng, scene)
            return place, self.read(*place)

        return fullest(one, lambda found: float(found[1][1].mean())) if self.holes else one()

    def grid(self) -> Iterator[tuple[int, int, int]]:
        """All (scene, top, left) of the crops that lie edge to edge inside the scenes."""
        for scene, (height, width) in enumerate(self.shapes):
            for top in range(0, max(1, height - self.size + 1), self.size):
                for left in range(0, max(1, width - self.size + 1), self.size):
                    yield scene, top, left

    def read(self, scene: int, top: int, left: int) -> Crop:
        """The crop `[size, size, channels]` in 0 to 1 and its valid share `[size, size]`."""
        height, width = (int(v) for v in self.shapes[scene])
        bottom, right = min(top + self.size, height), min(left + self.size, width)
        image, valid = self.window(scene, top, left, bottom, right)
        if valid is None:
            valid = np.ones(image.shape[:2], np.float32)
        short = ((0, self.size - image.shape[0]), (0, self.size - image.shape[1]))
        if any(after for _, after in short):
            return np.pad(image, (*short, (0, 0))), np.pad(valid, short)
        return image, valid

    def window(self, scene: int, top: int, left: int, bottom: int, right: int) -> _Block:
        """A window inside a scene, scaled down, of any size.

        Returns:
            float32 `[bottom − top, right − left, channels]` in 0 to 1, and the valid share of its
            pixels, or None where all are.
        """
        if self._keep:
            return self._from_blocks(scene, top, left, bottom, right)
        return self._window(self.set.scenes[scene], top, left, bottom, right)

    def _from_blocks(self, scene: int, top: int, left: int, bottom: int, right: int) -> _Block:
        """A window put together of blocks, which are kept."""
        rows = range(top // BLOCK, -(-bottom // BLOCK))
        columns = range(left // BLOCK, -(-right // BLOCK))
        image = np.empty((bottom - top, right - left, self.set.channels), np.float32)
        valid: NDArray[np.float32] | None = None
        for row in rows:
            for column in columns:
                y, x = row * BLOCK, column * BLOCK
                part, share = self._block(scene, row, column)
                y0, y1 = max(top, y), min(bottom, y + BLOCK)
                x0, x1 = max(left, x), min(right, x + BLOCK)
                within = slice(y0 - y, y1 - y), slice(x0 - x, x1 - x)
                place = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
                image[place] = part[within]
                if share is not None:
                    if valid is None:
                        valid = np.ones(image.shape[:2], np.float32)
                    valid[place] = share[within]
        return image, valid

    def _block(self, scene: int, row: int, column: int) -> _Block:
        key = scene, row, column
        kept = self._kept.get(key)
        if kept is None:
            height, width = (int(v) for v in self.shapes[scene])
            top, left = row * BLOCK, column * BLOCK
            # Read outside the lock, so that threads read at the same time; two may read the same.
            kept = self._window(
                self.set.scenes[scene],
                *(top, left, min(top + BLOCK, height), min(left + BLOCK, width)),
            )
            with self._lock:
                kept = self._kept.setdefault(key, kept)
        return kept

    def _window(self, scene: Scene, top: int, left: int, bottom: int, right: int) -> _Block:
        f = self.downscale
        high = min(bottom * f, scene.height) - top * f
        wide = min(right * f, scene.width) - left * f
        window = (top * f, left * f, high, wide)
        seen, holds = self.set.seen(scene, *window)
        image, share = box_mean_of_valid(seen, holds, f, self.set.fill)
        if not (self.masks and scene.has_mask):
            return image, share
        known = scene.read_mask(*window) != IGNORE
        if holds is not None:
            known &= holds
        return image, box_mean(known.astype(np.float32), f)


_Block = tuple[NDArray[np.float32], NDArray[np.float32] | None]
