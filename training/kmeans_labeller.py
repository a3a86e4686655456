"""k-means as a baseline: fitted to the pixels that a network learned from, scored like it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.crops import box_mean, box_mean_of_valid
from iic_tf.data.scene import IGNORE, Scene, SceneSet
from iic_tf.errors import InputError
from iic_tf.metrics import PixelKMeans
from iic_tf.training.labellers import Labels
from iic_tf.training.pixel_values import Colours, PixelValues
from iic_tf.training.progress import track
from iic_tf.turns import MAIN

SIDE = 16
"""Cells of the sample that lie together, at most, in either direction."""


class KMeansLabeller:
    """k-means on what the network sees: 0 to 1, scaled down alike.

    Args:
        scenes: what the network was trained on: k-means is fitted to pixels of it.
        downscale: factor by which images are scaled down.
        clusters: how many, by head.
        seed: of the sample and of k-means.
        masks: whether the network was given pixels of a class alone.
        sample: how many pixels, or cells.
        values: what it is given of them; None: their colours.
    """

    def __init__(
        self,
        scenes: SceneSet,
        downscale: int,
        clusters: dict[str, int],
        seed: int,
        masks: bool = False,
        sample: int = 40_000,
        values: PixelValues | None = None,
    ):
        self.set = scenes
        self.downscale = downscale
        self.values = values or Colours()
        self.align = downscale * self.values.align
        self.margin = downscale * self.values.radius
        self.clusters = clusters
        drawn = self.values.fit(self._sample(sample, seed, masks))
        self.fits = {
            head: PixelKMeans(count, seed, **({} if head == MAIN else {"restarts": 2})).fit(drawn)
            for head, count in clusters.items()
        }

    def sums(self, scene: Scene) -> NDArray[np.float32]:
        return np.zeros((1, 0), np.float32)

    def labels(self, pixels: NDArray[np.generic], sums: NDArray[np.float32] | None) -> Labels:
        height, width = pixels.shape[:2]
        valid = np.isfinite(pixels).all(axis=-1)
        shown = self.set.normalise(np.where(valid[..., None], pixels, 0))
        whole = None if valid.all() else valid
        seen, _ = box_mean_of_valid(shown, whole, self.downscale, self.set.fill)
        values = self.values.scaled(self.values.of(seen))
        found: Labels = {}
        factor = self.downscale * self.values.stride
        for head, fit in self.fits.items():
            small = fit.predict(values)
            large = small.repeat(factor, axis=0).repeat(factor, axis=1)
            found[head] = [large[:height, :width]]
        return found

    def _sample(self, size: int, seed: int, masks: bool) -> NDArray[np.float32]:
        """Values of about `size` cells of the set, spread evenly over its area.

        Only those that the network learns from: at least half of each holds data and, with
        `masks`, a class.
        """
        rng = np.random.default_rng(seed)
        scenes, values, step = self.set, self.values, self.align
        # Single pixels may be drawn anywhere; cells lie where the scene has them.
        grid = step if values.align > 1 else 1
        area = np.asarray([s.height * s.width for s in scenes.scenes], np.float64)
        picked = []
        reach = -(-SIDE * values.stride * self.downscale // step) * step
        cells = (reach // (self.downscale * values.stride)) ** 2
        margin = -(-self.margin // step) * step
        shares = zip(scenes.scenes, area / area.sum(), strict=True)
        for scene, share in track(shares, "drawing pixels for k-means", len(area)):
            patches = max(1, round(size * share / cells * 1.5))
            for _ in range(patches):
                top, left = (
                    int(rng.integers(max(1, side - reach + 1))) // grid * grid
                    for side in (scene.height, scene.width)
                )
                core = (top, left, min(reach, scene.height - top), min(reach, scene.width - left))
                found, taken = self._of_window(scene, core, margin, masks)
                picked.append(found[taken])
        drawn = np.concatenate(picked)
        if not len(drawn):
            raise InputError(
                f"Expected pixels that hold data in '{scenes.name}'; received none among "
                f"{len(picked)} places."
            )
        return drawn if len(drawn) <= size else drawn[rng.permutation(len(drawn))[:size]]

    def _of_window(
        self, scene: Scene, core: tuple[int, int, int, int], margin: int, masks: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Values of a window's cells, and which of them the network learns from."""
        top, left, height, width = core
        first = max(0, top - margin), max(0, left - margin)
        last = min(scene.height, top + height + margin), min(scene.width, left + width + margin)
        window = (*first, last[0] - first[0], last[1] - first[1])
        shown, valid = self.set.seen(scene, *window)
        seen, holds = box_mean_of_valid(shown, valid, self.downscale, self.set.fill)
        values, factor = self.values.of(seen), self.values.stride
        known = np.ones(seen.shape[:2], np.float32) if holds is None else holds.astype(np.float32)
        taken = box_mean(known, factor) > 0.5
        if masks and scene.has_mask:
            mask = (scene.read_mask(*window) != IGNORE).astype(np.float32)
            taken &= box_mean(mask, self.downscale * factor) > 0.5
        size = self.downscale * factor
        inner = tuple(
            slice((start - begin) // size, -(-(start - begin + side) // size))
            for start, begin, side in ((top, first[0], height), (left, first[1], width))
        )
        return values[inner], taken[inner]
