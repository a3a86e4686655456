"""SCAN: features by contrast, then a head that gives neighbours one answer, then its own labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from iic_tf.annotations import Batch, Tensor, Tensors
from iic_tf.errors import expected
from iic_tf.graphs import as_graph
from iic_tf.losses.scan import consistency, scan_loss, self_label_loss, self_label_sums
from iic_tf.losses.simclr import contrastive_losses
from iic_tf.metrics.scan_meter import ScanMeter
from iic_tf.models.learned_clusterer import LearnedClusterer, copies_of, mean_sums
from iic_tf.models.looked_up import LookedUp
from iic_tf.models.neighbours import nearest_neighbours
from iic_tf.networks.vector_head import VectorHead
from iic_tf.networks.widths import widened
from iic_tf.turns import MAIN
from iic_tf.views.draws import generator
from iic_tf.views.numbered_batches import NumberedBatches

PROJECTION = "projection"
FEATURES, CLUSTERING, SELF_LABELLING = "features", "clustering", "self-labelling"
NEIGHBOURS = "neighbours"


@keras.saving.register_keras_serializable("iic_tf")
class ScanClusterer(LearnedClusterer):
    """Network A or B with a head, in three stages.

    Van Gansbeke, Vandenhende, Georgoulis, Proesmans, Van Gool: SCAN, ECCV 2020.

    1. `feature_epochs` of SimCLR's contrast between the views x and gx of an image.
    2. The nearest neighbours of each image are found, once, and head and trunk learn to give the
       copies gx of an image the answer that a neighbour's plain view gets, drawn anew each epoch.
       Plain views of all images are held for that, a byte a number.
    3. `self_labelling_epochs` of the labels that the network is sure of, on copies.

    Args:
        feature_epochs: epochs of the first stage; 0 for a trunk that learned elsewhere.
        self_labelling_epochs: epochs of the last one.
        epochs_of_all: of all stages together.
        dimension: numbers of the projection that is contrasted.
        temperature: of the contrast.
        neighbours: of each image.
        entropy_weight: λ of the second stage.
        confidence: how likely a label must be in the last one.
        kwargs: those of `LearnedClusterer`.

    Raises:
        InputError: a value outside its range, or no epoch of the second stage.

    Examples:
        >>> model = ScanClusterer(10, 5, classes=3, channels=3, size=16, network="B", width=0.1)
        >>> tuple(model(np.zeros((2, 16, 16, 3), "float32")).shape)  # probabilities of each image
        (2, 3)
    """

    arguments = (
        *LearnedClusterer.shared,
        *("epochs_of_all", "feature_epochs", "self_labelling_epochs", "dimension"),
        *("temperature", "neighbours", "entropy_weight", "confidence"),
    )

    def __init__(
        self,
        epochs_of_all: int,
        feature_epochs: int,
        self_labelling_epochs: int = 0,
        dimension: int = 128,
        temperature: float = 0.1,
        neighbours: int = 20,
        entropy_weight: float = 5.0,
        confidence: float = 0.99,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        check_stages(epochs_of_all, feature_epochs, self_labelling_epochs)
        if feature_epochs and self.rests:
            raise expected(
                "feature_epochs=0 of a trunk that learned elsewhere", feature_epochs, FEATURES
            )
        for name, value, least in (
            *(("dimension", dimension, 1), ("neighbours", neighbours, 1)),
            ("entropy_weight", entropy_weight, 0),
        ):
            if not value >= least:
                raise expected(f"{name} of at least {least}", value, name)
        if not temperature > 0:
            raise expected("a temperature > 0", temperature, "temperature")
        if not 0 <= confidence < 1:
            raise expected("confidence from 0 to below 1", confidence, "confidence")
        self.epochs_of_all = epochs_of_all
        self.feature_epochs = feature_epochs
        self.self_labelling_epochs = self_labelling_epochs
        self.dimension = dimension
        self.temperature = temperature
        self.neighbours = neighbours
        self.entropy_weight = entropy_weight
        self.confidence = confidence
        self.clusters = {MAIN: self.classes}
        self.heads = {MAIN: VectorHead(self.classes, name=MAIN, dtype=self.dtype_policy)}
        self.learning = {MAIN: [self.heads[MAIN]]}
        if feature_epochs:
            (hidden,) = widened((512,), self.width)
            sizes = ((hidden, "relu"), (dimension, None))
            layers = [keras.layers.Dense(n, a, dtype=self.dtype_policy) for n, a in sizes]
            self.learning = {**self.learning, PROJECTION: layers}
        self.add_meters({MAIN: ScanMeter(self.classes, entropy_weight, name=f"{MAIN}_scan")})
        self.found: NDArray[np.int32] | None = None
        """The neighbours of each image, once they are there, `[images, neighbours]`."""
        self.partners = LookedUp("neighbours")
        self.views = LookedUp("plain views")
        self._graph: Callable[..., Tensor] | None = None
        self.build((None, self.size, self.size, self.channels))

    def build_learning(self, shape: tuple[int | None, ...]) -> None:
        self.heads[MAIN].build(shape)
        for layer in self.learning.get(PROJECTION, ()):
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    # --- who is trained when

    def stage(self, epoch: int) -> str:
        if epoch < self.feature_epochs:
            return FEATURES
        last = epoch >= self.epochs_of_all - self.self_labelling_epochs
        return SELF_LABELLING if last else CLUSTERING

    def trained_in(self, stage: str) -> tuple[str, ...]:
        return (PROJECTION,) if stage == FEATURES else (MAIN,)

    # --- neighbours

    def before_epoch(self, pairs: NumberedBatches, epoch: int) -> None:
        """Find neighbours, once there are features, and draw one of each image's."""
        super().before_epoch(pairs, epoch)
        if self.stage(epoch) != CLUSTERING:
            return
        if self.found is None:
            self.found = nearest_neighbours(self._embeddings(pairs), self.neighbours)
        if self.views.values is None:
            views = [np.asarray(x) for x, _ in pairs.plain_views(0)]
            self.views.put(self, np.concatenate([np.rint(255 * x).astype(np.uint8) for x in views]))
        rng = generator(pairs.seed, epoch, 0, NEIGHBOURS)
        images, count = self.found.shape
        self.partners.put(self, self.found[np.arange(images), rng.integers(count, size=images)])

    def beside_weights(self) -> dict[str, NDArray[np.generic]]:
        return {} if self.found is None else {NEIGHBOURS: self.found}

    def go_on_with(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.found = arrays.get(NEIGHBOURS)

    def _embeddings(self, pairs: NumberedBatches) -> NDArray[np.float32]:
        if self._graph is None:
            self._graph = as_graph(
                lambda x: tf.cast(self.projected(self.features(x)), tf.float32),
            )
        return np.concatenate([np.asarray(self._graph(x)) for x, _ in pairs.plain_views(0)])

    def projected(self, features: Tensor) -> Tensor:
        """What is contrasted, `[n, dimension]`; the features where nothing is."""
        for layer in self.learning.get(PROJECTION, ()):
            features = layer(features)
        return features

    # --- the losses

    def objective(self, data: Batch, stage: str, training: bool) -> Tensor:
        """The sums that `loss_of` makes the stage's loss of."""
        repeats = data["gx"].shape[1]
        copies = copies_of(data)
        if stage == FEATURES:
            both = ops.concatenate([data["x"], copies])
            z = ops.cast(self.projected(self.features(both, training)), "float32")
            squares = ops.sum(ops.square(z), axis=-1, keepdims=True)
            images = ops.concatenate([data["image"], ops.repeat(data["image"], repeats)])
            z = z * ops.rsqrt(ops.maximum(squares, 1e-12))
            return mean_sums(contrastive_losses(z, images, self.temperature))
        if stage == SELF_LABELLING:
            sure = self.probabilities(data["x"])[0]
            p = self.probabilities(copies, MAIN, training)[0]
            logs = ops.reshape(ops.log(p + 1e-30), (-1, repeats, self.classes))
            return ops.cast(self_label_sums(sure, logs, self.confidence), "float64")
        theirs = ops.cast(self.views.at(self.partners.at(data["image"])), "float32") / 255
        p = self.probabilities(ops.concatenate([theirs, copies]), MAIN, training)[0]
        count = ops.shape(theirs)[0]
        return _scan_sums(p[count:], ops.repeat(p[:count], repeats, axis=0))

    def judged(self, data: Batch) -> Tensors:
        """The loss of the second stage, of the views x with their first copies for neighbours."""
        (p,), (q,) = (self.probabilities(one) for one in (data["x"], data["gx"][:, 0]))
        return {MAIN: _scan_sums(p, q)}

    def loss_of(self, sums: Tensor, name: str) -> Tensor:
        if name == CLUSTERING:
            return scan_loss(sums, self.entropy_weight)
        if name == SELF_LABELLING:
            return self_label_loss(sums)
        return super().loss_of(sums, name)

    def bound(self, name: str) -> float:
        """The lowest that the loss can be: −λ ln k."""
        return -self.entropy_weight * float(np.log(self.classes))


def check_stages(epochs: int, feature_epochs: int, self_labelling_epochs: int) -> None:
    """There must be an epoch between those of the features and those of self-labelling.

    Raises:
        InputError: there is none, or a number is below 0.
    """
    if min(feature_epochs, self_labelling_epochs) < 0:
        counts = (feature_epochs, self_labelling_epochs)
        raise expected("0 epochs or more of each stage", counts, "epochs")
    if feature_epochs + self_labelling_epochs >= epochs:
        raise expected(
            f"feature_epochs and self_labelling_epochs that leave some of {epochs} epochs",
            f"{feature_epochs} and {self_labelling_epochs}",
        )


def _scan_sums(p: Tensor, q: Tensor) -> Tensor:
    """Σ consistencies, how many, Σ p; float64 `[2 + k]`."""
    masses = ops.cast(ops.sum(p, axis=0), "float64")
    return ops.concatenate([mean_sums(consistency(p, q)), masses])
