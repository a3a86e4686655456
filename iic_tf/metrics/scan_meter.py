"""Adding up SCAN's loss over an evaluation, whose entropy is of all of it."""

from __future__ import annotations

from iic_tf.annotations import Tensor
from iic_tf.losses.scan import scan_loss
from iic_tf.metrics.sums_meter import SumsMeter


class ScanMeter(SumsMeter):
    """Mean consistency − λ H(mean p), and the masses of K clusters.

    Args:
        clusters: K.
        entropy_weight: λ.
    """

    def __init__(self, clusters: int, entropy_weight: float, name: str = "scan"):
        super().__init__(2, clusters, name)
        self.entropy_weight = entropy_weight

    def losses(self) -> list[Tensor]:
        return [scan_loss(self.sums, self.entropy_weight)]
