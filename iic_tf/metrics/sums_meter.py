"""Adding up sums over batches, of which the loss of an epoch is made, and the clusters' masses."""

from __future__ import annotations

import keras
from keras import ops

from iic_tf.annotations import Tensor


class SumsMeter(keras.metrics.Metric):  # type: ignore[misc]
    """Some sums, then the masses of K clusters, over an epoch; what a `JointMeter` has otherwise.

    A meter says in `losses` what loss the sums have.

    Args:
        count: how many sums stand before the masses.
        clusters: K.
    """

    def __init__(self, count: int, clusters: int, name: str):
        super().__init__(name=name, dtype="float32")
        self.count = count
        # Every replica adds the sums of the global batch: any one's sum is the sum.
        self.sums = self.add_variable(
            shape=(count + clusters,),
            initializer="zeros",
            dtype="float64",
            aggregation="only_first_replica",
            name="sums",
        )

    def update_state(self, sums: Tensor) -> None:
        """Add those of one global batch, float64 `[count + K]`."""
        self.sums.assign_add(sums)

    def losses(self) -> list[Tensor]:
        """The loss of the one sub-head, a float32 scalar."""
        raise NotImplementedError

    def shares(self) -> Tensor:
        """Cluster shares of the one sub-head, `[1, K]`."""
        totals = ops.expand_dims(ops.cast(self.sums[self.count :], "float32"), 0)
        return totals / ops.maximum(ops.sum(totals, axis=-1, keepdims=True), 1e-30)

    def result(self) -> Tensor:
        """The loss."""
        return self.losses()[0]
