"""Prototypes of pixels: balanced assignments that two views of a place tell of each other (SwAV).

Caron et al.: Unsupervised learning of visual features by contrasting cluster assignments, NeurIPS
2020, with the cells of a trunk's map in place of images: x and gx, brought back onto x, are the two
views of each. Prototypes have about as many cells each, which classes do not: there are to be more
of them than classes, and these are groups of prototypes, merged behind each epoch so that the
least is lost of what they tell of their neighbours (`metrics.cluster_tree`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from iic_tf.annotations import Batch, Tensor, Tensors
from iic_tf.errors import expected
from iic_tf.graphs import as_graph
from iic_tf.losses.prototypes import sinkhorn, swapped_losses
from iic_tf.losses.segmentation import segmentation_joints
from iic_tf.metrics.cluster_tree import cluster_tree
from iic_tf.metrics.loss_meter import LossMeter
from iic_tf.models.learned_segmenter import LearnedSegmenter
from iic_tf.models.learned_stages import mean_sums
from iic_tf.networks.prototype_head import PrototypeHead
from iic_tf.replicas import present
from iic_tf.turns import MAIN, OVERCLUSTERING
from iic_tf.views.geometry import undo

if TYPE_CHECKING:
    from iic_tf.views.numbered_batches import NumberedBatches

NEIGHBOURS = 2
"""How far apart, in cells, neighbours are at most, on either axis."""

PROJECTION, PROTOTYPES = "projection", "prototypes"
SWAPPED, HELD = "swapped prediction", "swapped prediction, prototypes held"


@keras.saving.register_keras_serializable("iic_tf")
class PrototypeSegmenter(LearnedSegmenter):
    """Prototypes of the pixels of scenes; see the module.

    Args:
        overclusters: prototypes; 5 to 10 times as many as classes.
        embedding: numbers of the vectors that are compared.
        hidden: units of the layer before them; 0: none.
        temperature: T of the predictions.
        epsilon: ε of the assignments.
        iterations: of Sinkhorn's.
        held: epochs at the beginning in which prototypes stay as they began.
        crops: from all over, whose neighbouring cells tell which prototypes are of one class.
        kwargs: those of `LearnedSegmenter`.

    Raises:
        InputError: a value outside its range.

    Examples:
        >>> model = PrototypeSegmenter(classes=3, overclusters=30, channels=4, width=0.1)
        >>> tuple(model(np.zeros((1, 16, 16, 4), "float32")).shape)  # probabilities of each pixel
        (1, 16, 16, 3)
    """

    arguments = (
        *LearnedSegmenter.shared,
        *("overclusters", "embedding", "hidden", "temperature", "epsilon", "iterations", "held"),
        "crops",
    )

    def __init__(
        self,
        overclusters: int,
        embedding: int = 128,
        hidden: int = 512,
        temperature: float = 0.1,
        epsilon: float = 0.05,
        iterations: int = 3,
        held: int = 1,
        crops: int = 200,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        for name, value, least in (
            *(("embedding", embedding, 2), ("hidden", hidden, 0)),
            *(("iterations", iterations, 1), ("held", held, 0), ("crops", crops, 1)),
        ):
            if value < least:
                raise expected(f"{name} of at least {least}", value, name)
        for name, number in (("temperature", temperature), ("epsilon", epsilon)):
            # Below, exp(−2 / ε) is no float32.
            if not number >= 0.025:
                raise expected(f"{name} of at least 0.025", number, name)
        if overclusters < self.classes:
            raise expected(f"a prototype for each of {self.classes} classes", overclusters)
        self.overclusters = overclusters
        self.embedding = embedding
        self.hidden = hidden
        self.temperature = temperature
        self.epsilon = epsilon
        self.iterations = iterations
        self.held = held
        self.crops = crops
        self._graph: Callable[..., Tensor] | None = None
        self.clusters = {MAIN: self.classes, OVERCLUSTERING: overclusters}
        policy = self.dtype_policy
        layers = [keras.layers.Dense(hidden, "relu", dtype=policy)] if hidden else []
        layers.append(keras.layers.Dense(embedding, dtype=policy))
        self.prototypes = PrototypeHead(overclusters, name=PROTOTYPES)
        self.learning = {PROJECTION: layers, PROTOTYPES: [self.prototypes]}
        # One-hot: of which class each prototype is.
        self.classes_of = self.add_weight(
            shape=(overclusters, self.classes),
            initializer="zeros",
            trainable=False,
            name="classes_of",
        )
        self.add_meters({n: LossMeter(k, name=f"{n}_loss") for n, k in self.clusters.items()})
        self.build((None, None, None, self.channels))

    def build_learning(self, shape: tuple[int | None, ...]) -> None:
        for layer in self.learning[PROJECTION]:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.prototypes.build(shape)

    # --- who is trained when

    def stage(self, epoch: int) -> str:
        return HELD if epoch < self.held else SWAPPED

    def trained_in(self, stage: str) -> tuple[str, ...]:
        return (PROJECTION,) if stage == HELD else (PROJECTION, PROTOTYPES)

    # --- what is answered

    def scores(self, features: Tensor) -> Tensor:
        """Cosines of features with all prototypes, float32 `[..., overclusters]`."""
        for layer in self.learning[PROJECTION]:
            features = layer(features)
        return self.prototypes(features)

    def small_maps(self, features: Tensor, head: str, training: bool) -> list[Tensor]:
        found = ops.softmax(self.scores(features) / self.temperature, axis=-1)
        return [self._of_head(found, head)]

    def _of_head(self, probabilities: Tensor, head: str) -> Tensor:
        if head == OVERCLUSTERING:
            return probabilities
        return ops.matmul(probabilities, ops.convert_to_tensor(self.classes_of))

    def after_epoch(self, pairs: NumberedBatches, epoch: int) -> None:
        """Merge prototypes into classes, by what neighbouring cells of crops from all over are."""
        super().after_epoch(pairs, epoch)
        joint = np.zeros((self.overclusters, self.overclusters))
        if self._graph is None:
            self._graph = as_graph(self._neighbours)
        for x, valid in pairs.views_at(pairs.spread_places(self.crops)):
            joint += np.asarray(self._graph(x, self.shares_of_cells(x, valid)), np.float64)
        # Of prototypes that nothing is near to nothing is known: they are alike.
        labels = cluster_tree(joint + 1e-12).cut(self.classes)
        self.classes_of.assign(np.eye(self.classes, dtype=np.float32)[labels])

    def _neighbours(self, x: Tensor, shares: Tensor) -> Tensor:
        """The joint of prototypes of cells and of their neighbours, `[prototypes, prototypes]`."""
        (p,) = self.small_maps(self.features(x), OVERCLUSTERING, False)
        valid = ops.cast(shares > 0.5, "float32")
        joints = segmentation_joints(p, p, NEIGHBOURS, valid)
        # Of a cell with itself it tells nothing of neighbours.
        return ops.sum(joints, axis=0) - joints[joints.shape[0] // 2]

    # --- the loss

    def objective(self, data: Batch, stage: str, training: bool) -> Tensor:
        return self._swapped(data, training)[0]

    def judged(self, data: Batch) -> Tensors:
        sums, probabilities, counted = self._swapped(data, False)
        found = {}
        for name in self.meters:
            own = self._of_head(probabilities, name) * counted[:, None]
            found[name] = ops.concatenate([sums, ops.cast(ops.sum(own, axis=0), "float64")])
        return found

    def _swapped(self, data: Batch, training: bool) -> tuple[Tensor, Tensor, Tensor]:
        """(Σ losses, count), what cells of x are likely to be, and which of them count."""
        both = self.scores(self.features(ops.concatenate([data["x"], data["gx"]]), training))
        of_x, of_gx = ops.split(both, 2)
        of_x, of_gx = (self.drawn_of(data, maps) for maps in (of_x, undo(of_gx, data)))
        counted = self.drawn_of(data, self.counted_cells(data, back=True))[:, 0]
        # A replica's stand-in for no images has no mass.
        counted = counted * ops.cast(present(), counted.dtype)
        q, q_gx = (
            sinkhorn(scores, self.epsilon, self.iterations, counted) for scores in (of_x, of_gx)
        )
        losses = swapped_losses(of_x, of_gx, q, q_gx, self.temperature)
        return mean_sums(losses, counted), tf.nn.softmax(of_x / self.temperature), counted

    def bound(self, name: str) -> float:
        """The lowest that a cross-entropy can be: 0."""
        return 0.0
