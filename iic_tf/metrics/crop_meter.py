"""I(z; crop) of each sub-head of a head, over many batches."""

from __future__ import annotations

import keras
from keras import ops

from iic_tf.annotations import Tensor
from iic_tf.losses.crop_information import crop_information


class CropMeter(keras.metrics.Metric):  # type: ignore[misc]
    """Adds up `losses.crop_information.crop_sums` of every sub-head of one head.

    Args:
        sub_heads, clusters: the sizes.
    """

    def __init__(self, sub_heads: int, clusters: int, name: str = "crops"):
        super().__init__(name=name, dtype="float32")
        # Every replica adds the sums of the global batch, as in `JointMeter`.
        self.sums = self.add_variable(
            shape=(sub_heads, clusters + 2),
            initializer="zeros",
            aggregation="only_first_replica",
            name="sums",
        )

    def update_state(self, sums: Tensor) -> None:
        """Add those of one global batch, `[sub_heads, clusters + 2]`."""
        self.sums.assign_add(sums)

    def informations(self) -> list[float]:
        """I(z; crop) of each sub-head, nats."""
        return [float(one) for one in crop_information(ops.convert_to_tensor(self.sums))]

    def result(self) -> Tensor:
        """Mean over the sub-heads."""
        return ops.mean(crop_information(ops.convert_to_tensor(self.sums)))
