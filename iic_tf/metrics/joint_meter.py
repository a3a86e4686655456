"""Adding up joints over many batches, so that their information is that of all pairs together."""

from __future__ import annotations

import keras
from keras import ops

from iic_tf.annotations import Tensor
from iic_tf.losses.segmentation import loss_of_joints


class JointMeter(keras.metrics.Metric):  # type: ignore[misc]
    """Joints of every sub-head of one head, `[sub_heads, displacements, k, k]`, over an epoch.

    The information of summed joints is that of the whole set; the mean of each batch's is biased
    upwards, the more the smaller the batch.

    Args:
        sub_heads, displacements, clusters: the sizes.
        lamb, collapsed: as in `iic_segmentation_loss`.
    """

    def __init__(
        self,
        sub_heads: int,
        displacements: int,
        clusters: int,
        lamb: float = 1.0,
        collapsed: bool = False,
        name: str = "joint",
    ):
        super().__init__(name=name, dtype="float32")
        self.lamb = lamb
        self.collapsed = collapsed
        # Every replica adds the joints of the global batch: any one's sum is the sum.
        self.joints = self.add_variable(
            shape=(sub_heads, displacements, clusters, clusters),
            initializer="zeros",
            aggregation="only_first_replica",
            name="joints",
        )

    def update_state(self, joints: Tensor) -> None:
        """Add the joints of one global batch, `[sub_heads, displacements, k, k]`.

        An image smaller than the window has fewer displacements; the others stay zero and carry
        no weight.
        """
        missing = self.joints.shape[1] - joints.shape[1]
        if missing:
            joints = ops.pad(
                joints, ((0, 0), (missing // 2, missing - missing // 2), (0, 0), (0, 0))
            )
        self.joints.assign_add(joints)

    def losses(self) -> list[Tensor]:
        """The loss −I_λ of each sub-head, scalars."""
        return [
            loss_of_joints(self.joints[i], self.lamb, self.collapsed)
            for i in range(self.joints.shape[0])
        ]

    def shares(self) -> Tensor:
        """Cluster shares of each sub-head, `[sub_heads, k]`: mean of the two marginals."""
        joint = ops.sum(self.joints, axis=1)
        marginal = ops.sum(joint, axis=-1) + ops.sum(joint, axis=-2)
        total = ops.sum(marginal, axis=-1, keepdims=True)
        return marginal / ops.maximum(total, 1e-30)

    def result(self) -> Tensor:
        """Mean loss over the sub-heads."""
        return ops.mean(ops.stack(self.losses()))
