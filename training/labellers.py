"""What is scored: turns raw pixels into clusters; the networks, trained or not."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Tensor
from iic_tf.data.scene import Scene
from iic_tf.graphs import as_graph
from iic_tf.models.served import ServedSegmenter
from iic_tf.training.whole_scene import scene_summing

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

        @as_graph  # type: ignore[untyped-decorator]
        def run(pixels: tf.Tensor, sums: tf.Tensor) -> dict[str, list[Tensor]]:
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
