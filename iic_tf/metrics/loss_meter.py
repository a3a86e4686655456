"""Adding up losses that are means, of methods whose targets change each epoch."""

from __future__ import annotations

from keras import ops

from iic_tf.annotations import Tensor
from iic_tf.metrics.sums_meter import SumsMeter


class LossMeter(SumsMeter):
    """The mean of so many losses, and the masses of K clusters.

    Its sums are (Σ losses, how many, masses of the clusters), float64 `[2 + K]`.

    Args:
        clusters: K.
    """

    def __init__(self, clusters: int, name: str = "loss"):
        super().__init__(2, clusters, name)

    def losses(self) -> list[Tensor]:
        return [ops.cast(self.sums[0] / ops.maximum(self.sums[1], 1e-30), "float32")]
