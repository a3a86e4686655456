"""Adding up distances to centres, for methods whose targets change each epoch."""

from __future__ import annotations

from keras import ops

from iic_tf.annotations import Tensor
from iic_tf.metrics.sums_meter import SumsMeter


class DistanceMeter(SumsMeter):
    """The mean squared distance to the nearest centre, and how many each cluster has.

    Args:
        clusters: K.
    """

    def __init__(self, clusters: int, name: str = "distance"):
        super().__init__(1, clusters, name)

    def losses(self) -> list[Tensor]:
        return [ops.cast(self.sums[0] / ops.maximum(ops.sum(self.sums[1:]), 1e-30), "float32")]
