"""Deep embedded clustering: an embedding and its centres sharpen their own soft assignments.

Xie, Girshick, Farhadi: Unsupervised Deep Embedding for Clustering Analysis, ICML 2016. The targets
p are made of the soft assignments q of all images before an epoch, and looked up by the number of
an image: neither a batch's frequencies nor its order can spoil them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from iic_tf.annotations import Batch, Layer, Tensor, Tensors
from iic_tf.errors import expected
from iic_tf.graphs import as_graph
from iic_tf.losses.dec import target_distribution, target_divergence
from iic_tf.metrics.loss_meter import LossMeter
from iic_tf.models.fitting import drawn_rows
from iic_tf.models.learned_clusterer import LearnedClusterer
from iic_tf.models.learned_stages import mean_sums
from iic_tf.models.looked_up import LookedUp
from iic_tf.models.student_head import StudentHead
from iic_tf.networks.widths import widened
from iic_tf.turns import MAIN
from iic_tf.views.draws import generator
from iic_tf.views.numbered_batches import NumberedBatches

EMBEDDING, CENTRES, DECODER = "embedding", "centres", "decoder"
RECONSTRUCTING, CLUSTERING = "reconstructing", "clustering"


@keras.saving.register_keras_serializable("iic_tf")
class DECClusterer(LearnedClusterer):
    """A trunk with a small linear embedding, and centres in it.

    In the first `pretraining` epochs a decoder learns to give the image back; then, or at once, the
    centres begin where k-means finds them, and KL(P ‖ Q) is lowered by trunk, embedding and
    centres. All of it on the views x.

    Args:
        embedding: numbers of the embedding.
        alpha: degrees of freedom of Student's t.
        pretraining: epochs of reconstruction.
        sample: embeddings that k-means is fitted to, drawn evenly from those of all images.
        starts: of k-means++; the one of the lowest sum of squares stays.
        kwargs: those of `LearnedClusterer`.

    Raises:
        InputError: a value outside its range.

    Examples:
        >>> model = DECClusterer(classes=3, channels=3, size=16, network="B", width=0.1)
        >>> tuple(model(np.zeros((2, 16, 16, 3), "float32")).shape)  # probabilities of each image
        (2, 3)
    """

    arguments = (
        *LearnedClusterer.shared,
        *("embedding", "alpha", "pretraining", "sample", "starts"),
    )

    def __init__(
        self,
        embedding: int = 10,
        alpha: float = 1.0,
        pretraining: int = 0,
        sample: int = 200_000,
        starts: int = 20,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        for name, value, least in (
            *(("embedding", embedding, 1), ("pretraining", pretraining, 0)),
            *(("sample", sample, 2), ("starts", starts, 1)),
        ):
            if value < least:
                raise expected(f"{name} of at least {least}", value, name)
        self.embedding = embedding
        self.alpha = alpha
        self.pretraining = pretraining
        self.sample = sample
        self.starts = starts
        self.clusters = {MAIN: self.classes}
        self.linear = keras.layers.Dense(embedding, name=EMBEDDING, dtype=self.dtype_policy)
        head = StudentHead(self.classes, alpha, name=MAIN)
        self.heads = {MAIN: head}
        self.learning = {EMBEDDING: [self.linear], CENTRES: [head]}
        if pretraining:
            self.learning = {**self.learning, DECODER: self._decoder()}
        self.frequencies = self.add_weight(
            shape=(self.classes,), initializer="ones", trainable=False, name="frequencies"
        )
        self.fitted = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="fitted"
        )
        self.add_meters({MAIN: LossMeter(self.classes, name=f"{MAIN}_divergence")})
        self.targets = LookedUp("targets")
        self._graph: Callable[..., Tensor] | None = None
        self.build((None, self.size, self.size, self.channels))

    def _decoder(self) -> list[Layer]:
        """The mirror of DEC's encoder."""
        units = [*widened((2000, 500, 500), self.width), self.size**2 * self.channels]
        return [
            keras.layers.Dense(n, "relu" if i < 3 else None, dtype=self.dtype_policy)
            for i, n in enumerate(units)
        ]

    def build_learning(self, shape: tuple[int | None, ...]) -> None:
        self.linear.build(shape)
        shape = (*shape[:-1], self.embedding)
        self.heads[MAIN].build(shape)
        for layer in self.learning.get(DECODER, ()):
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    # --- who is trained when

    def stage(self, epoch: int) -> str:
        return RECONSTRUCTING if epoch < self.pretraining else CLUSTERING

    def trained_in(self, stage: str) -> tuple[str, ...]:
        return (EMBEDDING, DECODER if stage == RECONSTRUCTING else CENTRES)

    # --- what is fitted

    def before_epoch(self, pairs: NumberedBatches, epoch: int) -> None:
        """Take the targets of all images from what q is now."""
        super().before_epoch(pairs, epoch)
        if self.stage(epoch) == RECONSTRUCTING:
            return
        if not int(ops.convert_to_numpy(self.fitted)):
            self._find_centres(pairs, epoch)
        q = np.concatenate([np.asarray(self._assigned(z)) for z in self._embeddings(pairs)])
        self.frequencies.assign(q.sum(0, dtype=np.float64))
        self.targets.put(self, np.asarray(target_distribution(q, self.frequencies)))

    def after_epoch(self, pairs: NumberedBatches, epoch: int) -> None:
        """Let centres begin where k-means finds them, as long as they have not been trained."""
        super().after_epoch(pairs, epoch)
        if epoch < self.pretraining or not int(ops.convert_to_numpy(self.fitted)):
            self._find_centres(pairs, epoch + 1)

    def _find_centres(self, pairs: NumberedBatches, number: int) -> None:
        rng = generator(pairs.seed, number, 0, "fit")
        sample = drawn_rows(self._embeddings(pairs), self.sample, rng)
        self.heads[MAIN].fit(sample, int(rng.integers(2**31)), self.starts)
        self.frequencies.assign(np.asarray(self._assigned(sample)).sum(0, dtype=np.float64))
        self.fitted.assign(1)

    def _embeddings(self, pairs: NumberedBatches) -> Iterator[NDArray[np.float32]]:
        if self._graph is None:
            self._graph = as_graph(lambda x: tf.cast(self.linear(self.features(x)), tf.float32))
        for views, _ in pairs.plain_views(0):
            yield np.asarray(self._graph(views))

    def _assigned(self, embeddings: Tensor) -> Tensor:
        return self.heads[MAIN](embeddings)[0]

    # --- the loss

    def answers(self, features: Tensor, head: str = MAIN) -> list[Tensor]:
        found: list[Tensor] = self.heads[head](self.linear(features))
        return found

    def objective(self, data: Batch, stage: str, training: bool) -> Tensor:
        x = data["x"]
        z = self.linear(self.features(x, training))
        if stage == CLUSTERING:
            p = self.targets.at(data["image"])
            return mean_sums(target_divergence(p, self._assigned(z)))
        for layer in self.learning[DECODER]:
            z = layer(z)
        wanted = ops.reshape(ops.cast(x, "float32"), (-1, self.size**2 * self.channels))
        return mean_sums(ops.mean(ops.square(ops.cast(z, "float32") - wanted), axis=-1))

    def judged(self, data: Batch) -> Tensors:
        """The divergence of what q is now from its targets, by the set's frequencies."""
        (q,) = self.probabilities(data["x"])
        losses = mean_sums(target_divergence(target_distribution(q, self.frequencies), q))
        return {MAIN: ops.concatenate([losses, ops.cast(ops.sum(q, axis=0), "float64")])}

    def bound(self, name: str) -> float:
        """The lowest that a divergence can be: 0."""
        return 0.0
