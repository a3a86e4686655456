"""DeepCluster: a network learns the clusters that k-means finds in its own features.

Caron, Bojanowski, Joulin, Douze: Deep Clustering for Unsupervised Learning of Visual Features, ECCV
2018. Before an epoch the features of all plain views are whitened and clustered, min_C (1/N) Σ_i
min_y ‖z_i − C y‖², into many more clusters than classes; in the epoch a fresh linear classifier and
the trunk learn these labels on transformed views, min (1/N) Σ_i w_i CE(g(f(t(x_i))), y_i), where
the weights w make up for clusters of unequal size. Classes are clusters of the features behind it.

Pseudo-labels do not travel back into the data: they are looked up by the number of an image (or of
a crop within its epoch) that a batch carries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from iic_tf.annotations import Batch, Layer, Parts, Tensor, Tensors, Trunk
from iic_tf.errors import InputError, expected
from iic_tf.graphs import as_graph
from iic_tf.losses.deepcluster import balanced_weights, cross_entropy_sums
from iic_tf.metrics.distance_meter import DistanceMeter
from iic_tf.models.centroids import Centroids, Whitening
from iic_tf.models.clusterer import Clusterer, check_network
from iic_tf.models.fitting import drawn_rows
from iic_tf.models.looked_up import LookedUp
from iic_tf.models.segmenter import Segmenter
from iic_tf.models.sums import SumsModel
from iic_tf.turns import MAIN, OVERCLUSTERING
from iic_tf.views.draws import generator
from iic_tf.views.geometry import undo
from iic_tf.views.inputs import check_inputs, input_channels
from iic_tf.views.numbered_batches import NumberedBatches

CLASSIFIER = "classifier"


class DeepCluster(SumsModel):
    """What both kinds of data have in common; see the module.

    A model sets `trunk`, then calls `add_clustering`.
    """

    def __init__(
        self,
        classes: int,
        overclusters: int,
        channels: int,
        width: float,
        inputs: str,
        components: int,
        sample: int,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if channels < 1:
            raise expected("at least 1 channel", channels, "channels")
        if sample < 2:
            raise expected("a sample of at least 2 features", sample, "sample")
        if components < 1:
            raise expected("at least 1 component", components, "components")
        check_inputs(inputs)
        self.classes = classes
        self.overclusters = overclusters
        self.channels = channels
        self.width = width
        self.inputs = inputs
        self.components = components
        self.sample = sample

    def add_clustering(self, layer: Layer, shape: tuple[int | None, ...]) -> None:
        """Make whitening, centres and classifier, and build all.

        Args:
            layer: the classifier, of `overclusters` outputs.
            shape: of a batch of images.
        """
        if self.frozen_trunk:
            raise expected(
                "a trunk that is trained, which DeepCluster is about (--fine-tune-trunk, or a "
                "KerasTrunk of frozen=False)",
                "a frozen one",
            )
        self.clusters = {MAIN: self.classes, OVERCLUSTERING: self.overclusters}
        inside = (*shape[:-1], input_channels(self.channels, self.inputs))
        features = self.trunk.compute_output_shape(inside)[-1]
        self.whitening = Whitening(min(self.components, features), name="whitening")
        self.heads = {name: Centroids(k, name=name) for name, k in self.clusters.items()}
        self.classifier = layer
        self.fitted = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="fitted"
        )
        self.add_meters(
            {name: DistanceMeter(k, name=f"{name}_distance") for name, k in self.clusters.items()}
        )
        self.targets = LookedUp("pseudo-labels")
        self.balance = LookedUp("weights of pseudo-labels")
        self._graph: Callable[..., Tensor] | None = None
        self.build(shape)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        inside = (*input_shape[:-1], input_channels(self.channels, self.inputs))
        self.trunk.build(inside)
        shape = self.trunk.compute_output_shape(inside)
        self.classifier.build(shape)
        self.whitening.build(shape)
        for head in self.heads.values():
            head.build(self.whitening.compute_output_shape(shape))
        self.built = True

    def parts(self) -> Parts:
        return {
            "trunk": self.trunk.trainable_variables,
            CLASSIFIER: self.classifier.trainable_variables,
        }

    def monitors_in(self, phase: str) -> tuple[str, ...]:
        return (CLASSIFIER,)

    def bound(self, name: str) -> float:
        """The lowest that a mean squared distance can be: 0."""
        return 0.0

    # --- what is fitted

    def before_epoch(self, pairs: NumberedBatches, epoch: int) -> None:
        """Label what is learnt in an epoch by the nearest of the many centres.

        The classifier begins anew, as N(0, 0.01²), and so does its optimiser.
        """
        super().before_epoch(pairs, epoch)
        if not int(ops.convert_to_numpy(self.fitted)):
            self._fit(pairs, epoch, seed=0)
        found = [(self._nearest(z), kept) for z, kept in self._plain_features(pairs, epoch)]
        self._learn(
            np.concatenate([labels for labels, _ in found]),
            np.concatenate([labels[kept].ravel() for labels, kept in found]),
        )
        rng = generator(pairs.seed, epoch, 0, "classifier")
        for variable in self.classifier.trainable_variables:
            shape = tuple(variable.shape)
            variable.assign(rng.normal(0, 0.01, shape) if len(shape) > 1 else np.zeros(shape))
        # In place: new ones would be traced anew. A scale of losses is nothing that was learnt.
        optimizer = self.other_optimizers[CLASSIFIER]
        for variable in getattr(optimizer, "inner_optimizer", optimizer).variables:
            if variable.name != "learning_rate":
                variable.assign(ops.zeros_like(variable))

    def after_epoch(self, pairs: NumberedBatches, epoch: int) -> None:
        """Fit whitening and centres to what the features have become."""
        super().after_epoch(pairs, epoch)
        self._fit(pairs, epoch, seed=epoch + 1)

    def _fit(self, pairs: NumberedBatches, epoch: int, seed: int) -> None:
        rng = generator(pairs.seed, seed, 0, "fit")
        rows = (found[kept] for found, kept in self._plain_features(pairs, epoch))
        sample = drawn_rows(rows, self.sample, rng)
        if len(sample) < 2:
            raise InputError(
                "Expected at least 2 cells of valid pixels to find clusters in; received "
                f"{len(sample)}."
            )
        whitened = self.whitening.fit(sample)
        seed = int(rng.integers(2**31))
        self.heads[OVERCLUSTERING].fit(whitened, seed, iterations=20)
        self.heads[MAIN].fit(whitened, seed)
        self.fitted.assign(1)

    def _plain_features(
        self, pairs: NumberedBatches, epoch: int
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
        """Features of all plain views, and which of them count."""
        if self._graph is None:
            self._graph = as_graph(lambda views: tf.cast(self.features(views), tf.float32))
        for views, valid in pairs.plain_views(epoch):
            features = np.asarray(self._graph(views))
            kept = np.ones(features.shape[:-1], bool)
            if valid is not None:
                kept = np.asarray(self.shares_of_cells(views, valid)) > 0.5
            yield features, kept

    def _nearest(self, features: NDArray[np.float32]) -> NDArray[np.int32]:
        distances = self.heads[OVERCLUSTERING].distances(self.whitening(features))
        return np.asarray(ops.argmin(distances, axis=-1)).astype(np.int32)

    def _learn(self, labels: NDArray[np.int32], counted: NDArray[np.int32]) -> None:
        counts = np.bincount(counted, minlength=self.overclusters)
        weights = balanced_weights(counts).astype(np.float32)
        self.targets.put(self, labels)
        self.balance.put(self, weights)

    # --- the loss

    def sums(self, data: Batch, names: Sequence[str], training: bool) -> Tensors:
        """Of the classifier float64 (Σ w CE, Σ 1); of centres Σ distances, then counts `[k]`."""
        if tuple(names) == (CLASSIFIER,):
            return {CLASSIFIER: self.classified(data, training)}
        whitened = self.whitening(self.features(data["x"], training))
        return {name: self.heads[name].sums(whitened) for name in names}

    def classified(self, data: Batch, training: bool) -> Tensor:
        """The sums of the classifier's loss."""
        raise NotImplementedError

    def looked_up(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Pseudo-labels by number, and what each counts for."""
        labels = self.targets.at(numbers)
        return labels, self.balance.at(labels)

    def loss_of(self, sums: Tensor, name: str) -> Tensor:
        """The mean of the weighted cross-entropies, a float32 scalar."""
        return ops.cast(sums[0] / ops.maximum(sums[1], 1e-30), "float32")


@keras.saving.register_keras_serializable("iic_tf")
class DeepClusterClusterer(DeepCluster, Clusterer):
    """DeepCluster of whole images, by network A or B.

    Args:
        classes: clusters that the features are parted into behind each epoch, 2 or more.
        overclusters: pseudo-labels; the papers take 10 times as many as classes.
        channels: bands of the images.
        size: height and width of the images, in pixels, 8 or more.
        network: `A` or `B`, see `IICClusterer`.
        width: factor of the network's channel counts.
        inputs: what the network sees: `bands`, `bands+sobel` or `sobel`.
        components: principal components of the features that are kept.
        sample: features that whitening and centres are fitted to.
        trunk: in place of `network`, see `IICClusterer`; not frozen.

    Raises:
        InputError: a value outside its range.

    Examples:
        >>> model = DeepClusterClusterer(3, 30, channels=3, size=16, network="B", width=0.1)
        >>> tuple(model(np.zeros((2, 16, 16, 3), "float32")).shape)  # probabilities of each image
        (2, 3)
    """

    keys = ("x", "gx", "epoch", "image")
    arguments = (
        *("classes", "overclusters", "channels", "size", "network", "width", "inputs"),
        *("components", "sample"),
    )

    def __init__(
        self,
        classes: int,
        overclusters: int,
        channels: int,
        size: int,
        network: str = "A",
        width: float = 1.0,
        inputs: str = "sobel",
        components: int = 256,
        sample: int = 200_000,
        trunk: Trunk | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            *(classes, overclusters, channels, width, inputs, components, sample), **kwargs
        )
        check_network(network)
        self.size = size
        self.network = network
        self.set_trunk(network if trunk is None else trunk, width, vector=True)
        layer = keras.layers.Dense(overclusters, name=CLASSIFIER, dtype=self.dtype_policy)
        self.add_clustering(layer, (None, size, size, channels))

    def answers(self, features: Tensor, head: str = MAIN) -> list[Tensor]:
        found: list[Tensor] = self.heads[head](self.whitening(features))
        return found

    def classified(self, data: Batch, training: bool) -> Tensor:
        gx = data["gx"]
        copies = ops.reshape(gx, (-1, *gx.shape[2:]))
        labels, weights = self.looked_up(data["image"])
        logits = self.classifier(self.features(copies, training))
        repeats = gx.shape[1]
        return cross_entropy_sums(logits, tf.repeat(labels, repeats), tf.repeat(weights, repeats))


@keras.saving.register_keras_serializable("iic_tf")
class DeepClusterSegmenter(DeepCluster, Segmenter):
    """DeepCluster of the pixels of scenes, by network C: each cell of its map is an image.

    Args:
        classes, overclusters, channels, width, inputs, components, sample: as
            `DeepClusterClusterer`'s.
        trunk: as `IICSegmenter`'s; not frozen.

    Raises:
        InputError: a value outside its range.

    Examples:
        >>> model = DeepClusterSegmenter(classes=3, overclusters=30, channels=4, width=0.1)
        >>> tuple(model(np.zeros((1, 16, 16, 4), "float32")).shape)  # probabilities of each pixel
        (1, 16, 16, 3)
    """

    keys = ("x", "gx", "epoch", "number")
    arguments = (
        *("classes", "overclusters", "channels", "width", "inputs", "components", "sample"),
    )

    def __init__(
        self,
        classes: int,
        overclusters: int,
        channels: int,
        width: float = 1.0,
        inputs: str = "bands",
        components: int = 256,
        sample: int = 200_000,
        trunk: Trunk = "c",
        **kwargs: Any,
    ):
        super().__init__(
            *(classes, overclusters, channels, width, inputs, components, sample), **kwargs
        )
        self.set_trunk(trunk, width)
        layer = keras.layers.Conv2D(overclusters, 1, name=CLASSIFIER, dtype=self.dtype_policy)
        self.add_clustering(layer, (None, None, None, channels))

    def small_maps(self, features: Tensor, head: str, training: bool) -> list[Tensor]:
        found: list[Tensor] = self.heads[head](self.whitening(features))
        return found

    def classified(self, data: Batch, training: bool) -> Tensor:
        """Answers of gx are brought back onto x, whose cells the labels are of."""
        logits = ops.cast(self.classifier(self.features(data["gx"], training)), "float32")
        back = undo(logits, data)
        # Where g left the crop there is no answer.
        inside = undo(ops.ones_like(logits[..., :1]), data)[..., 0]
        labels, weights = self.looked_up(data["number"])
        weights = weights * ops.stop_gradient(ops.cast(inside > 0.99, "float32"))
        if "valid" in data:
            weights = weights * ops.cast(
                self.shares_of_cells(data["x"], data["valid"]) > 0.5, "float32"
            )
        flat = (tf.reshape(back, (-1, self.overclusters)), tf.reshape(labels, (-1,)))
        return cross_entropy_sums(*flat, tf.reshape(weights, (-1,)))
