"""Invariant Information Clustering for segmentation, as a Keras model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from iic_tf.errors import expected
from iic_tf.losses.segmentation import loss_of_joints, segmentation_joints
from iic_tf.metrics.joint_meter import JointMeter
from iic_tf.models.turns import BOTH, HEADS, MAIN, OVERCLUSTERING, TurnTaking, check_batch
from iic_tf.networks.network_c import NetworkC
from iic_tf.networks.pixel_head import PixelHead
from iic_tf.networks.resize import enlarge
from iic_tf.views.geometry import undo
from iic_tf.views.inputs import check_inputs, input_channels, network_input

_ARGUMENTS = (
    *("classes", "overclusters", "channels", "width", "sub_heads", "inputs", "radius"),
    *("lamb", "overclustering_lamb", "collapsed", "turns"),
)


@keras.saving.register_keras_serializable("iic_tf")
class IICSegmenter(TurnTaking, keras.Model):  # type: ignore[misc]
    """Network C with a main and an overclustering head, trained by mutual information.

    Xu Ji, João Henriques, Andrea Vedaldi: Invariant Information Clustering for Unsupervised Image
    Classification and Segmentation, 2019; the objective is eq. 10 of the IID preprint (2018).

    `model.compile()` has the paper's defaults, `model.fit(pairs)` trains on `iic_tf.Pairs`,
    `model(x)` gives the main head's class probabilities at the input's size.

    Args:
        classes: clusters of the main head, 2 or more.
        overclusters: clusters of the auxiliary overclustering head, 2 or more (the papers take 3
            to 8 times as many as classes).
        channels: bands of the images.
        width: factor of the network's channel counts.
        sub_heads: sub-heads of each head.
        inputs: what the network sees: `bands` (the image's own), `bands+sobel` (and the slopes dx
            and dy of its brightness), or `sobel` (the slopes alone: no colour, no brightness).
        radius: T, half the side of the window of displacements, in pixels.
        lamb: λ of the main head.
        overclustering_lamb: λ of the overclustering head.
        collapsed: take one information of the joints summed over displacements.
        turns: which heads are trained in epoch 0, 1, …, over and over: `overclustering`, `main`,
            or `both` at once. The papers' is an epoch of each.

    Raises:
        InputError: a value outside its range.
    """

    def __init__(
        self,
        classes: int,
        overclusters: int,
        channels: int,
        width: float = 1.0,
        sub_heads: int = 1,
        inputs: str = "bands",
        radius: int = 10,
        lamb: float = 1.0,
        overclustering_lamb: float = 1.0,
        collapsed: bool = False,
        turns: Sequence[str] = (OVERCLUSTERING, MAIN),
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if channels < 1:
            raise expected("at least 1 channel", channels, "channels")
        check_inputs(inputs)
        if radius < 0:
            raise expected("radius >= 0", radius, "radius")
        self.classes = classes
        self.overclusters = overclusters
        self.channels = channels
        self.width = width
        self.sub_heads = sub_heads
        self.inputs = inputs
        self.radius = radius
        self.lamb = lamb
        self.overclustering_lamb = overclustering_lamb
        self.collapsed = collapsed
        self.turns = self.check_turns(turns)
        self.trunk = NetworkC(width, name="trunk", dtype=self.dtype_policy)
        self.heads = {
            head: PixelHead(clusters, sub_heads, name=head, dtype=self.dtype_policy)
            for head, clusters in ((MAIN, classes), (OVERCLUSTERING, overclusters))
        }
        self.chosen = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="chosen_sub_head"
        )
        self.loss_meter = keras.metrics.Mean(name="loss")
        self.meters = {
            head: JointMeter(
                sub_heads,
                (2 * radius + 1) ** 2,
                self.head_clusters(head),
                self.head_lamb(head),
                collapsed,
                name=f"{head}_joint",
            )
            for head in HEADS
        }
        self.build((None, None, None, channels))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if input_shape[-1] != self.channels:
            raise expected(f"images of {self.channels} channels", input_shape[-1], "channels")
        inside = (*input_shape[:-1], input_channels(self.channels, self.inputs))
        self.trunk.build(inside)
        for head in self.heads.values():
            head.build(self.trunk.compute_output_shape(inside))
        self.built = True

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

    def call(self, x: Any, training: bool = False) -> Any:
        """Main-head probabilities of the chosen sub-head at the input's size.

        Args:
            x: images `[batch, height, width, channels]` in 0 to 1, any height and width.
            training: whether BatchNormalization uses the batch's own statistics.

        Returns:
            float32 `[batch, height, width, classes]`.
        """
        maps = self.maps(x, MAIN, training)
        if self.sub_heads == 1:
            return maps[0]
        return ops.take(ops.stack(maps), self.chosen, axis=0)

    def maps(self, x: Any, head: str = MAIN, training: bool = False) -> list[Any]:
        """Probabilities of every sub-head of a head, each `[batch, height, width, k]`."""
        return self._enlarged(self._features(x, training), head, x)

    def _features(self, x: Any, training: bool) -> Any:
        if x.shape[-1] != self.channels:
            raise expected(f"images of {self.channels} channels", x.shape[-1], "channels")
        x = ops.cast(x, self.compute_dtype)
        return self.trunk(network_input(x, self.inputs), training=training)

    def _enlarged(self, features: Any, head: str, x: Any) -> list[Any]:
        # Softmax first, then resizing, as in the published networks.
        height, width = ops.shape(x)[1], ops.shape(x)[2]
        return [enlarge(m, self.trunk.stride, height, width) for m in self.heads[head](features)]

    def joints(self, data: dict[str, Any], heads: Sequence[str], training: bool) -> dict[str, Any]:
        """Joints of a batch of pairs for every sub-head of the heads asked for.

        Both views go through the network as one batch.
        """
        features = self._features(ops.concatenate([data["x"], data["gx"]]), training)
        joints: dict[str, Any] = {}
        for head in heads:
            joints[head] = []
            for maps in self._enlarged(features, head, data["x"]):
                p, q = ops.split(maps, 2)
                q = undo(q, data)
                joints[head].append(segmentation_joints(p, q, self.radius, data.get("valid")))
        return joints

    def head_loss(self, joints: Sequence[Any], head: str) -> Any:
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
        heads = HEADS if turn == BOTH else (turn,)
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
        check_batch(data)
        joints = self.joints(data, HEADS, training=False)
        for head in HEADS:
            self.meters[head].update_state(ops.stack(joints[head]))
        return {
            "loss": self.meters[MAIN].result(),
            "overclustering_loss": self.meters[OVERCLUSTERING].result(),
        }

    @property
    def metrics(self) -> list[Any]:
        """Trackers that Keras resets at the beginning of an epoch."""
        return [self.loss_meter, *self.meters.values()]

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in _ARGUMENTS}
        return {**super().get_config(), **own}
