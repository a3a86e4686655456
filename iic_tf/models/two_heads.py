"""What the models have in common: a trunk, a main and an overclustering head, their training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf
from keras import ops

from iic_tf.errors import expected
from iic_tf.losses.information import most_information
from iic_tf.losses.segmentation import loss_of_joints
from iic_tf.metrics.joint_meter import JointMeter
from iic_tf.models.adam import Adam
from iic_tf.models.micro_batches import MicroBatches
from iic_tf.models.turns import BOTH, MAIN, OVERCLUSTERING, TurnTaking
from iic_tf.replicas import present, spoilt_together, sum_over_replicas, taking_part


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
    micro_batches: int = 1
    """Parts that a replica's batch goes through the network in; see `compile`."""

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
            head: self.head_meter(head, displacements, name=f"{head}_joint") for head in heads
        }

    def head_meter(self, head: str, displacements: int, name: str) -> Any:
        """What adds up the joints of a head over an epoch."""
        return JointMeter(
            self.sub_heads,
            displacements,
            self.head_clusters(head),
            self.head_lamb(head),
            self.collapsed,
            name=name,
        )

    def compile(self, optimizer: Any = None, micro_batches: int = 1, **kwargs: Any) -> None:
        """Compile with Adam at 1e-4 (epsilon 1e-8, as in the published runs) unless told else.

        Args:
            optimizer: a Keras optimiser, or None.
            micro_batches: parts that a batch goes through the network in, one after another, so
                that large batches fit into small memory. The joints of all parts are summed before
                their information is taken: the gradient is that of the whole batch, but for
                BatchNormalization, which sees a part at a time. Costs a second forward pass. The
                batch, on several devices each one's share of it, must be a multiple.
            kwargs: as `keras.Model.compile`'s.

        Raises:
            InputError: fewer than one micro-batch.
        """
        if micro_batches < 1:
            raise expected("at least 1 micro-batch", micro_batches, "micro_batches")
        self.micro_batches = micro_batches
        if optimizer is None:
            optimizer = Adam(1e-4, epsilon=1e-8)
        super().compile(optimizer=optimizer, **kwargs)
        # Each turn applies gradients to its own part: the optimiser must know the whole first.
        self.optimizer.build(self.trainable_variables)

    def get_compile_config(self) -> dict[str, Any] | None:
        if not self.compiled:
            return None
        optimizer = keras.saving.serialize_keras_object(self.optimizer)
        return {
            "optimizer": optimizer,
            "jit_compile": self.jit_compile,
            "micro_batches": self.micro_batches,
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        optimizer = keras.saving.deserialize_keras_object(config["optimizer"])
        self.compile(
            optimizer=optimizer,
            jit_compile=config["jit_compile"],
            micro_batches=config.get("micro_batches", 1),
        )

    def of_chosen(self, probabilities: Sequence[Any]) -> Any:
        """The chosen sub-head's of the probabilities of all."""
        if self.sub_heads == 1:
            return probabilities[0]
        return ops.take(ops.stack(probabilities), self.chosen, axis=0)

    def joints(self, data: dict[str, Any], heads: Sequence[str], training: bool) -> dict[str, Any]:
        """Joints of a batch, by head: float32 `[sub_heads, displacements, k, k]`."""
        raise NotImplementedError

    def head_loss(self, joints: Any, head: str) -> Any:
        """Mean loss −I_λ over a head's sub-heads, `[sub_heads, displacements, k, k]` → `[]`."""
        losses = [
            loss_of_joints(joints[i], self.head_lamb(head), self.collapsed)
            for i in range(self.sub_heads)
        ]
        return ops.mean(ops.stack(losses))

    def head_lamb(self, head: str) -> float:
        """λ of a head."""
        return self.lamb if head == MAIN else self.overclustering_lamb

    def head_clusters(self, head: str) -> int:
        """K of a head: its loss at λ = 1 is bounded by −ln k."""
        return self.classes if head == MAIN else self.overclusters

    def bound(self, head: str) -> float:
        """The lowest that the loss of a head can be."""
        return -most_information(self.head_clusters(head), self.head_lamb(head))

    def train_turn(self, data: dict[str, Any], turn: str) -> dict[str, Any]:
        """One step on the trunk and the head or heads whose turn it is.

        The loss is that of the joints of the whole batch: summed over replicas, and over
        micro-batches, before their information is taken. Joints are sums over pairs, so that the
        slope of the loss at the whole joint is the slope at that of every part, and the gradient
        Σ_parts ⟨slope, ∂ joint of the part⟩, which the optimiser sums over replicas.
        """
        heads = tuple(self.heads) if turn == BOTH else (turn,)
        # The head whose turn it is not keeps its weights and moments untouched.
        variables = [*self.trunk.trainable_variables]
        for head in heads:
            variables += self.heads[head].trainable_variables

        def joints_of(data: dict[str, Any]) -> list[Any]:
            found = self._counted(data, heads, training=True)
            return [found[head] for head in heads]

        if self.micro_batches == 1:
            with tf.GradientTape() as tape:
                joints = joints_of(data)
            loss, slopes = self._loss_and_slopes(sum_over_replicas(joints), heads)
            gradients = tape.gradient(joints, variables, output_gradients=slopes)
        else:
            parts = MicroBatches(data, self.micro_batches)
            joints = parts.sum(joints_of)
            loss, slopes = self._loss_and_slopes(sum_over_replicas(joints), heads)

            def gradients_of(data: dict[str, Any]) -> list[Any]:
                with tf.GradientTape() as tape:
                    joints = joints_of(data)
                return list(tape.gradient(joints, variables, output_gradients=slopes))

            gradients = parts.sum(gradients_of)
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            gradients = spoilt_together(gradients)
        self.optimizer.apply(gradients, variables)
        self.loss_meter.update_state(loss / len(heads))
        return {"loss": self.loss_meter.result()}

    def _counted(self, data: dict[str, Any], heads: Sequence[str], training: bool) -> Any:
        """The joints, all zeros where the share is a stand-in for no images."""
        with taking_part(data):
            found = self.joints(data, heads, training)
            return {
                head: joints * ops.cast(present(), joints.dtype) for head, joints in found.items()
            }

    def _loss_and_slopes(self, joints: list[Any], heads: Sequence[str]) -> tuple[Any, list[Any]]:
        """Sum of the heads' losses, and its slope at each head's joints, scaled as wanted."""
        with tf.GradientTape() as tape:
            tape.watch(joints)
            losses = [self.head_loss(j, head) for j, head in zip(joints, heads, strict=True)]
            loss = sum(losses)
            scaled = self.optimizer.scale_loss(loss)
        return loss, tape.gradient(scaled, joints)

    def test_step(self, data: dict[str, Any]) -> dict[str, Any]:
        """Add a batch's joints, in evaluation mode, to those of the whole evaluation set."""
        self.check_batch(data)
        joints = sum_over_replicas(self._counted(data, tuple(self.heads), training=False))
        for head, meter in self.meters.items():
            meter.update_state(joints[head])
        losses = {"loss": self.meters[MAIN].result()}
        if OVERCLUSTERING in self.meters:
            losses["overclustering_loss"] = self.meters[OVERCLUSTERING].result()
        return losses

    def _maybe_symbolic_build(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: all is built from the start.

        Under a strategy Keras would call the model on a batch, which here is a dict of two views.
        """

    @property
    def metrics(self) -> list[Any]:
        """Trackers that Keras resets at the beginning of an epoch."""
        return [self.loss_meter, *self.meters.values()]

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in self.arguments}
        return {**super().get_config(), **own}
