"""Crops around labels, for training with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.crops import Crops
from iic_tf.data.scene import IGNORE, SceneSet
from iic_tf.errors import expected
from iic_tf.training.labelled_points import labelled_places
from iic_tf.views.draws import generator
from iic_tf.views.geometry import Geometry
from iic_tf.views.photometry import Photometry

MOST_PLACES = 20_000


@dataclass(frozen=True)
class LabelBatch:
    """Crops and what is known of them.

    Attributes:
        images: float32 `[batch, size, size, channels]` in 0 to 1.
        shares: float32 `[batch, size, size, classes]`: of the labels within a pixel, scaled down,
            the share of each class; 0 of all where there is none.
        g: float32 `[batch, 2, 2]`, flips.
        colours: float32 `[batch, 4]`, draws of `Photometry`.
    """

    images: NDArray[np.float32]
    shares: NDArray[np.float32]
    g: NDArray[np.float32]
    colours: NDArray[np.float32]


class LabelCrops:
    """Square crops with at least one label each, every draw from (seed, step, index).

    An image is drawn first, each that has labels as likely, then one of its labels, around which a
    crop is put by chance.

    Args:
        scenes: with masks, under the value range of the model's training.
        classes: how many.
        size: side of a crop, pixels after scaling down.
        downscale: whole factor.
        seed: of all draws.
        geometry: flips and quarter turns, no more.
        photometry: how colours are drawn.

    Raises:
        InputError: no labels, or a geometry of more than flips.
    """

    def __init__(
        self,
        scenes: SceneSet,
        classes: int,
        size: int,
        downscale: int = 1,
        seed: int = 0,
        geometry: Geometry | None = None,
        photometry: Photometry | None = None,
    ):
        self.crops = Crops(scenes, size, downscale)
        self.classes = classes
        self.seed = seed
        self.geometry = geometry or Geometry()
        if self.geometry.affine:
            raise expected("flips and quarter turns only", self.geometry, "geometry")
        self.photometry = photometry or Photometry()
        self.places = [
            (number, places // downscale)
            for number, places in enumerate(labelled_places(scenes, seed, MOST_PLACES))
            if len(places)
        ]
        if not self.places:
            raise expected(f"labelled pixels in '{scenes.name}'", 0)

    def batch(self, step: int, count: int) -> LabelBatch:
        """The batch of a step."""
        found = [self._one(step, index) for index in range(count)]
        draws = [
            (
                self.geometry.draw(generator(self.seed, step, index, "geometry")),
                self.photometry.draw(generator(self.seed, step, index, "photometry")),
            )
            for index in range(count)
        ]
        images, shares = zip(*found, strict=True)
        g, colours = zip(*draws, strict=True)
        return LabelBatch(*(np.stack(part) for part in (images, shares, g, colours)))

    def _one(self, step: int, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rng = generator(self.seed, step, index, "crop")
        scene, places = self.places[int(rng.integers(len(self.places)))]
        place = places[int(rng.integers(len(places)))]
        size = self.crops.size
        corner = [
            int(np.clip(at - rng.integers(size), 0, max(side - size, 0)))
            for at, side in zip(place, self.crops.shapes[scene], strict=True)
        ]
        image, _ = self.crops.read(scene, *corner)
        return image, self._shares(scene, *corner)

    def _shares(self, scene: int, top: int, left: int) -> NDArray[np.float32]:
        factor, size = self.crops.downscale, self.crops.size
        one = self.crops.set.scenes[scene]
        top, left = top * factor, left * factor
        high, wide = (
            min(size * factor, most - first)
            for most, first in ((one.height, top), (one.width, left))
        )
        _, holds = self.crops.set.seen(one, top, left, high, wide)
        mask = one.read_mask(top, left, high, wide)
        known = (mask != IGNORE) & (True if holds is None else holds)
        rows, columns = np.nonzero(known)
        counts = np.zeros((size, size, self.classes), np.float32)
        np.add.at(counts, (rows // factor, columns // factor, mask[rows, columns]), 1)
        return np.asarray(counts / np.maximum(counts.sum(-1, keepdims=True), 1), np.float32)
