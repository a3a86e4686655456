"""What the models have in common: a trunk, a main and an overclustering head, their training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf
from keras import ops

from iic_tf.losses.segmentation import loss_of_joints
from iic_tf.metrics.joint_meter import JointMeter
from iic_tf.models.turns import BOTH, MAIN, OVERCLUSTERING, TurnTaking


class TwoHeads(TurnTaking, keras.Model):  # type: ignore[misc]
    """A trunk and its heads, of several sub-heads each, trained by mutual information in turns.

    A model sets the attributes below, then `trunk`, then calls `add_heads`; it says in `joints`
    how a batch becomes joints.
    """

    arguments: ClassVar[tuple[str, ...]]
    """Names of the constructor's arguments, all of them attributes."""
    classes: int
    overclusters: int
    sub_heads: int
    lamb: float
    overclustering_lamb: float
    collapsed: bool = False

    def add_heads(
        self, layer: Callable[..., Any], heads: Sequence[str], displacements: int = 1
    ) -> None:
        """Make the heads of `layer(clusters, sub_heads)`, the chosen sub-head and the meters."""
        self.heads = {
            head: layer(
                self.head_clusters(head), self.sub_heads, name=head, dtype=self.dtype_policy
            )
            for head in heads
        }
        self.chosen = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="chosen_sub_head"
        )
        self.loss_meter = keras.metrics.Mean(name="loss")
        self.meters = {
            head: JointMeter(
                self.sub_heads,
                displacements,
                self.head_clusters(head),
                self.head_lamb(head),
                self.collapsed,
                name=f"{head}_joint",
            )
            for head in heads
        }

    def compile(self, optimizer: Any = None, **kwargs: Any) -> None:
        """Compile with Adam at 1e-4 (epsilon 1e-8, as in the published runs) unless told else."""
        if optimizer is None:
            optimizer = keras.optimizers.Adam(1e-4, epsilon=1e-8)
        super().compile(optimizer=optimizer, **kwargs)
        # Each turn applies gradients to its own part: the optimiser must know the whole first.
        self.optimizer.build(self.trainable_variables)

    def get_compile_config(self) -> dict[str, Any] | None:
        if not self.compiled:
            return None
        optimizer = keras.saving.serialize_keras_object(self.optimizer)
        return {"optimizer": optimizer, "jit_compile": self.jit_compile}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        optimizer = keras.saving.deserialize_keras_object(config["optimizer"])
        self.compile(optimizer=optimizer, jit_compile=config["jit_compile"])

    def of_chosen(self, probabilities: Sequence[Any]) -> Any:
        """The chosen sub-head's of the probabilities of all."""
        if self.sub_heads == 1:
            return probabilities[0]
        return ops.take(ops.stack(probabilities), self.chosen, axis=0)

    def joints(self, data: dict[str, Any], heads: Sequence[str], training: bool) -> dict[str, Any]:
        """Joints of a batch, by head: `[sub_heads, displacements, k, k]`, or a list of as many."""
        raise NotImplementedError

    def head_loss(self, joints: Any, head: str) -> Any:
        """Mean loss −I_λ over the sub-heads of one head."""
        losses = [loss_of_joints(j, self.head_lamb(head), self.collapsed) for j in joints]
        return ops.mean(ops.stack(losses))

    def head_lamb(self, head: str) -> float:
        """λ of a head."""
        return self.lamb if head == MAIN else self.overclustering_lamb

    def head_clusters(self, head: str) -> int:
        """K of a head: its loss at λ = 1 is bounded by −ln k."""
        return self.classes if head == MAIN else self.overclusters

    def train_turn(self, data: dict[str, Any], turn: str) -> dict[str, Any]:
        """One step on the trunk and the head or heads whose turn it is."""
        heads = tuple(self.heads) if turn == BOTH else (turn,)
        with tf.GradientTape() as tape:
            joints = self.joints(data, heads, training=True)
            loss = sum(self.head_loss(joints[head], head) for head in heads)
            scaled = self.optimizer.scale_loss(loss)
        # The head whose turn it is not keeps its weights and moments untouched.
        variables = [*self.trunk.trainable_variables]
        for head in heads:
            variables += self.heads[head].trainable_variables
        self.optimizer.apply(tape.gradient(scaled, variables), variables)
        self.loss_meter.update_state(loss / len(heads))
        return {"loss": self.loss_meter.result()}

    def test_step(self, data: dict[str, Any]) -> dict[str, Any]:
        """Add a batch's joints, in evaluation mode, to those of the whole evaluation set."""
        self.check_batch(data)
        joints = self.joints(data, tuple(self.heads), training=False)
        for head, meter in self.meters.items():
            meter.update_state(ops.convert_to_tensor(joints[head]))
        losses = {"loss": self.meters[MAIN].result()}
        if OVERCLUSTERING in self.meters:
            losses["overclustering_loss"] = self.meters[OVERCLUSTERING].result()
        return losses

    @property
    def metrics(self) -> list[Any]:
        """Trackers that Keras resets at the beginning of an epoch."""
        return [self.loss_meter, *self.meters.values()]

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in self.arguments}
        return {**super().get_config(), **own}
