"""Adding up the sums over pairs of images, so that the loss is that of all of them together."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from iic_tf.losses.infoseg import JSD, loss_of_sums, sum_count


class PairMeter(keras.metrics.Metric):  # type: ignore[misc]
    """The sums of `losses.infoseg.pair_sums` and the clusters' probabilities, over an epoch.

    It has what a `JointMeter` has, for a model of one sub-head.

    Args:
        clusters: K.
        estimator: as in `infoseg_loss`.
    """

    def __init__(self, clusters: int, estimator: str = JSD, name: str = "pairs"):
        super().__init__(name=name, dtype="float32")
        self.estimator = estimator
        self.count = sum_count(estimator)
        # Every replica adds the sums of the global batch: any one's sum is the sum.
        self.sums = self.add_variable(
            shape=(self.count + clusters,),
            initializer="zeros",
            dtype="float64",
            aggregation="only_first_replica",
            name="sums",
        )

    def update_state(self, sums: Any) -> None:
        """Add those of one global batch, float64: of pairs, then `[K]` of probabilities."""
        self.sums.assign_add(sums)

    def losses(self) -> list[Any]:
        """The loss of the one sub-head, a float32 scalar."""
        return [ops.cast(loss_of_sums(self.sums[: self.count], self.estimator), "float32")]

    def shares(self) -> Any:
        """Cluster shares of the one sub-head, `[1, K]`."""
        totals = ops.expand_dims(ops.cast(self.sums[self.count :], "float32"), 0)
        return totals / ops.maximum(ops.sum(totals, axis=-1, keepdims=True), 1e-30)

    def result(self) -> Any:
        """The loss."""
        return self.losses()[0]
