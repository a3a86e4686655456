"""Adding up distances to centres, for methods whose targets change each epoch."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class DistanceMeter(keras.metrics.Metric):  # type: ignore[misc]
    """The mean squared distance to the nearest centre, and each cluster's share, over an epoch.

    Args:
        clusters: K.
    """

    def __init__(self, clusters: int, name: str = "distance"):
        super().__init__(name=name, dtype="float32")
        # Every replica adds the sums of the global batch: any one's sum is the sum.
        self.sums = self.add_variable(
            shape=(1 + clusters,),
            initializer="zeros",
            dtype="float64",
            aggregation="only_first_replica",
            name="sums",
        )

    def update_state(self, sums: Any) -> None:
        """Add those of one global batch, float64: of distances, then `[K]` of counts."""
        self.sums.assign_add(sums)

    def losses(self) -> list[Any]:
        """The mean squared distance, a float32 scalar."""
        return [ops.cast(self.sums[0] / ops.maximum(ops.sum(self.sums[1:]), 1e-30), "float32")]

    def shares(self) -> Any:
        """Cluster shares, `[1, K]`."""
        totals = ops.expand_dims(ops.cast(self.sums[1:], "float32"), 0)
        return totals / ops.maximum(ops.sum(totals, axis=-1, keepdims=True), 1e-30)

    def result(self) -> Any:
        """The mean squared distance."""
        return self.losses()[0]
