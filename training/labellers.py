"""What is scored: the trained network, the untrained one, and k-means on pixel values."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.data.crops import box_mean, box_mean_of_valid
from iic_tf.data.scene import IGNORE, Scene, SceneSet
from iic_tf.errors import InputError
from iic_tf.metrics import PixelKMeans
from iic_tf.models.served import ServedSegmenter
from iic_tf.training.progress import track
from iic_tf.training.whole_scene import scene_summing
from iic_tf.turns import MAIN

Labels = dict[str, list[NDArray[np.integer]]]
"""For each head the label maps `[height, width]` of its sub-heads."""


class Labeller(Protocol):
    """Turns raw pixels into clusters, in windows; see `ServedSegmenter` for what these are like."""

    margin: int
    align: int
    clusters: dict[str, int]

    def sums(self, scene: Scene) -> NDArray[np.float32]:
        """What `labels` must be given of a scene as a whole; see `whole_scene`."""
        ...

    def labels(self, pixels: NDArray[np.generic], sums: NDArray[np.float32] | None) -> Labels:
        """Label maps of a window `[height, width, channels]`, at its size.

        `sums` are those of its scene; None: the window is the scene.
        """
        ...


class NetworkLabeller:
    """The labels of a network, of every sub-head of all heads."""

    def __init__(self, served: ServedSegmenter):
        self.margin = served.margin
        self.align = served.align
        self._summing = scene_summing(served)
        self._none = np.zeros((1, served.scene_features), np.float32)
        self.clusters = dict(served.model.clusters)

        @tf.function  # type: ignore[untyped-decorator]
        def run(pixels: tf.Tensor, sums: tf.Tensor) -> Any:
            return {
                head: [tf.argmax(m[0], -1, tf.int32) for m in served.maps(pixels, head, sums)]
                for head in self.clusters
            }

        spec = tf.TensorSpec((1, None, None, served.model.channels), tf.float32)
        sums = tf.TensorSpec((1, served.scene_features), tf.float32)
        self._graph = run.get_concrete_function(spec, sums)

    def sums(self, scene: Scene) -> NDArray[np.float32]:
        return self._summing(scene)

    def labels(self, pixels: NDArray[np.generic], sums: NDArray[np.float32] | None) -> Labels:
        if sums is None:
            sums = self._none
        found = self._graph(tf.constant(pixels[None].astype(np.float32)), tf.constant(sums))
        return {head: [np.asarray(m) for m in found[head]] for head in self.clusters}


class KMeansLabeller:
    """k-means on the pixel values that the network sees: 0 to 1, scaled down alike.

    Args:
        scenes: what the network was trained on: k-means is fitted to pixels of it.
        downscale: factor by which images are scaled down.
        clusters: how many, by head.
        seed: of the sample and of k-means.
        masks: whether the network was given pixels of a class alone.
        sample: how many pixels.
    """

    margin = 0

    def __init__(
        self,
        scenes: SceneSet,
        downscale: int,
        clusters: dict[str, int],
        seed: int,
        masks: bool = False,
        sample: int = 40_000,
    ):
        self.set = scenes
        self.downscale = downscale
        self.align = downscale
        self.clusters = clusters
        pixels = _sample(scenes, downscale, sample, seed, masks)
        self.fits = {
            head: PixelKMeans(count, seed, **({} if head == MAIN else {"restarts": 2})).fit(pixels)
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
        found: Labels = {}
        for head, fit in self.fits.items():
            small = fit.predict(seen)
            large = small.repeat(self.downscale, axis=0).repeat(self.downscale, axis=1)
            found[head] = [large[:height, :width]]
        return found


def _sample(
    scenes: SceneSet, downscale: int, size: int, seed: int, masks: bool
) -> NDArray[np.float32]:
    """About `size` pixels of the set, as the network sees them, spread evenly over its area.

    Only those that it learns from: at least half of each holds data and, with `masks`, a class.
    """
    rng = np.random.default_rng(seed)
    area = np.asarray([s.height * s.width for s in scenes.scenes], np.float64)
    picked = []
    side = 16
    shares = zip(scenes.scenes, area / area.sum(), strict=True)
    for scene, share in track(shares, "drawing pixels for k-means", len(area)):
        patches = max(1, round(size * share / side**2 * 1.5))
        reach = side * downscale
        for _ in range(patches):
            top = int(rng.integers(max(1, scene.height - reach + 1)))
            left = int(rng.integers(max(1, scene.width - reach + 1)))
            window = (top, left, min(reach, scene.height - top), min(reach, scene.width - left))
            shown, valid = scenes.seen(scene, *window)
            seen, holds = box_mean_of_valid(shown, valid, downscale, scenes.fill)
            taken = np.ones(seen.shape[:2], np.bool_) if holds is None else holds > 0.5
            if masks and scene.has_mask:
                known = (scene.read_mask(*window) != IGNORE).astype(np.float32)
                taken &= box_mean(known, downscale) > 0.5
            picked.append(seen[taken])
    pixels = np.concatenate(picked)
    if not len(pixels):
        raise InputError(
            f"Expected pixels that hold data in '{scenes.name}'; received none among "
            f"{len(picked)} places."
        )
    return pixels if len(pixels) <= size else pixels[rng.permutation(len(pixels))[:size]]
