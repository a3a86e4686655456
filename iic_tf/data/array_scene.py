"""Scenes of arrays that are already in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.scene import ClassTable, SceneSet
from iic_tf.errors import expected


@dataclass(frozen=True)
class ArrayScene:
    """An image `[height, width, channels]` of any real type, and its mask `[height, width]`.

    The mask holds class indices, or −1 where a pixel has none.
    """

    name: str
    image: NDArray[Any]
    mask: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        if self.image.ndim != 3:
            raise expected("an image [height, width, channels]", self.image.shape, "image.shape")
        if self.mask is not None and self.mask.shape != self.image.shape[:2]:
            raise expected(f"a mask {self.image.shape[:2]}", self.mask.shape, "mask.shape")

    @property
    def height(self) -> int:
        return int(self.image.shape[0])

    @property
    def width(self) -> int:
        return int(self.image.shape[1])

    @property
    def channels(self) -> int:
        return int(self.image.shape[2])

    @property
    def has_mask(self) -> bool:
        return self.mask is not None

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[Any]:
        """See `Scene.read`."""
        return self.image[top : top + height, left : left + width]

    def read_mask(self, top: int, left: int, height: int, width: int) -> NDArray[np.int32]:
        """See `Scene.read_mask`."""
        if self.mask is None:
            raise expected(f"a mask for '{self.name}'", None)
        return self.mask[top : top + height, left : left + width].astype(np.int32)


def from_arrays(
    images: Sequence[NDArray[Any]],
    masks: Sequence[NDArray[Any] | None] | None = None,
    classes: ClassTable | None = None,
    low: float = 0.0,
    high: float = 255.0,
    name: str = "arrays",
) -> SceneSet:
    """A data set of images in memory; values from `low` to `high` become 0 to 1.

    Raises:
        InputError: no images, other numbers of masks than of images, or unequal channels.
    """
    if masks is not None and len(masks) != len(images):
        raise expected(f"{len(images)} masks, one an image or None", len(masks), "masks")
    scenes = tuple(
        ArrayScene(f"{i:05d}", image, masks[i] if masks is not None else None)
        for i, image in enumerate(images)
    )
    channels = scenes[0].channels if scenes else 0
    rgb = {1: (0, 0, 0), 2: (0, 1, 1)}.get(channels, (0, 1, 2))
    ones = np.ones(channels, np.float32)
    return SceneSet(name, scenes, channels, low * ones, high * ones, classes, rgb)
