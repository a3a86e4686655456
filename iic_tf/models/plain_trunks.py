"""Features that nobody learned, as trunks: values of pixels, local statistics, dense SIFT."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from iic_tf.annotations import Config, Tensor
from iic_tf.errors import expected
from iic_tf.models.dense_sift import SIZE, dense_sift
from iic_tf.models.local_statistics import local_statistics, statistic_count, statistics_radius

PIXELS, STATISTICS, SIFT, UNTRAINED, TRUNK = "pixels", "statistics", "sift", "untrained", "trunk"
PLAIN = (PIXELS, STATISTICS, SIFT)
"""Those without a network."""
FEATURES = (TRUNK, UNTRAINED, *PLAIN)
"""What k-means may be of."""


@keras.saving.register_keras_serializable("iic_tf")
class PlainTrunk(keras.layers.Layer):  # type: ignore[misc]
    """Features of `PLAIN`, in float32 whatever the policy.

    Args:
        kind: `pixels`, `statistics` or `sift`.
        cell: of `sift`, pixels between two descriptors, and the side of each of their 4×4 bins.
    """

    def __init__(self, kind: str, cell: int = 4, **kwargs: Any):
        super().__init__(**{"name": TRUNK, **kwargs, "dtype": "float32"})
        if kind not in PLAIN:
            raise expected(f"one of {', '.join(PLAIN)}", kind, "kind")
        if cell < 1:
            raise expected("a cell of at least 1 pixel", cell, "cell")
        self.kind, self.cell = kind, cell
        self.stride = cell if kind == SIFT else 1
        radius = {PIXELS: 0, STATISTICS: statistics_radius(), SIFT: 4 * cell + 1}
        self.receptive_radius = radius[kind]

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """`[batch, height, width, channels]` → a map at its stride."""
        x = tf.cast(x, tf.float32)
        if self.kind == SIFT:
            return dense_sift(x, self.cell)
        return local_statistics(x) if self.kind == STATISTICS else x

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        channels = int(input_shape[-1] or 0)
        count = {PIXELS: channels, STATISTICS: statistic_count(channels), SIFT: SIZE}[self.kind]
        sides = [None if s is None else -(-s // self.stride) for s in input_shape[1:3]]
        return (input_shape[0], *sides, count)

    def get_config(self) -> Config:
        return {**super().get_config(), "kind": self.kind, "cell": self.cell}
