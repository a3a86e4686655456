"""Adding up the sums over pairs of images, so that the loss is that of all of them together."""

from __future__ import annotations

from keras import ops

from iic_tf.annotations import Tensor
from iic_tf.losses.infoseg import JSD, loss_of_sums, sum_count
from iic_tf.metrics.sums_meter import SumsMeter


class PairMeter(SumsMeter):
    """The sums of `losses.infoseg.pair_sums` and the clusters' probabilities, over an epoch.

    Args:
        clusters: K.
        estimator: as in `infoseg_loss`.
    """

    def __init__(self, clusters: int, estimator: str = JSD, name: str = "pairs"):
        super().__init__(sum_count(estimator), clusters, name)
        self.estimator = estimator

    def losses(self) -> list[Tensor]:
        return [ops.cast(loss_of_sums(self.sums[: self.count], self.estimator), "float32")]
