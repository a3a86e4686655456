"""Crops of scenes, brought to 0..1 and scaled down: what the network sees in training."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.scene import IGNORE, Scene, SceneSet
from iic_tf.errors import expected


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


class Crops:
    """Square crops of a set's scenes at a scale of 1/downscale.

    Scenes are read window by window. Where the whole set, scaled down, fits into `cache_bytes`, it
    is kept in memory as it is first read; the pixels are the same either way.

    Args:
        scenes: the set.
        size: side of a crop in pixels after scaling down.
        downscale: whole factor; each pixel is the mean of downscale × downscale stored ones.
        masks: whether validity of pixels is read from the masks (scenes without one are valid).
        cache_bytes: most memory that kept scenes may take.
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
        if masks and scenes.labelled is None:
            raise expected(f"masks in data set '{scenes.name}'", "images only")
        self.set = scenes
        self.size = size
        self.downscale = downscale
        self.masks = masks
        shapes = [(-(-s.height // downscale), -(-s.width // downscale)) for s in scenes.scenes]
        self.shapes = np.asarray(shapes, np.int64)
        pixels = int(self.shapes.prod(axis=1).sum())
        self._keep = pixels * 4 * (scenes.channels + masks) <= cache_bytes
        self._kept: dict[int, tuple[NDArray[np.float32], NDArray[np.float32] | None]] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_kept": {}, "_lock": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    @property
    def padded(self) -> bool:
        """Whether some scene is smaller than a crop: the rest is zeros and not valid."""
        return bool((self.shapes < self.size).any())

    def draw(self, rng: np.random.Generator) -> tuple[int, int, int]:
        """A random (scene, top, left), every place of every scene equally likely."""
        places = np.maximum(self.shapes - self.size + 1, 1)
        # Weight by area, not by number of places: pixels of a scene that is just as large as a
        # crop are worth as much as any others.
        weight = self.shapes.prod(axis=1).astype(np.float64)
        scene = int(rng.choice(len(weight), p=weight / weight.sum()))
        return scene, int(rng.integers(places[scene, 0])), int(rng.integers(places[scene, 1]))

    def grid(self) -> Iterator[tuple[int, int, int]]:
        """All (scene, top, left) of the crops that lie edge to edge inside the scenes."""
        for scene, (height, width) in enumerate(self.shapes):
            for top in range(0, max(1, height - self.size + 1), self.size):
                for left in range(0, max(1, width - self.size + 1), self.size):
                    yield scene, top, left

    def read(
        self, scene: int, top: int, left: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The crop `[size, size, channels]` in 0 to 1 and its valid share `[size, size]`."""
        height, width = (int(v) for v in self.shapes[scene])
        bottom, right = min(top + self.size, height), min(left + self.size, width)
        if self._keep:
            image, valid = self._whole(scene)
            image = image[top:bottom, left:right]
            valid = None if valid is None else valid[top:bottom, left:right]
        else:
            image, valid = self._window(self.set.scenes[scene], top, left, bottom, right)
        if valid is None:
            valid = np.ones(image.shape[:2], np.float32)
        short = ((0, self.size - image.shape[0]), (0, self.size - image.shape[1]))
        if any(after for _, after in short):
            return np.pad(image, (*short, (0, 0))), np.pad(valid, short)
        return image, valid

    def _whole(self, scene: int) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        with self._lock:
            if scene not in self._kept:
                height, width = (int(v) for v in self.shapes[scene])
                self._kept[scene] = self._window(self.set.scenes[scene], 0, 0, height, width)
            return self._kept[scene]

    def _window(
        self, scene: Scene, top: int, left: int, bottom: int, right: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        f = self.downscale
        high = min(bottom * f, scene.height) - top * f
        wide = min(right * f, scene.width) - left * f
        window = (top * f, left * f, high, wide)
        image = box_mean(self.set.normalise(scene.read(*window)), f)
        if not (self.masks and scene.has_mask):
            return image, None
        return image, box_mean((scene.read_mask(*window) != IGNORE).astype(np.float32), f)
