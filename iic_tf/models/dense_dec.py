"""DEC of pixels: an embedding of cells, pulled to its centres by its own sharpened assignments.

Xie, Girshick, Farhadi: Unsupervised Deep Embedding for Clustering Analysis, ICML 2016, with the
cells of a trunk's map in place of images (`models.dec`), and no pre-training but a linear one: the
embedding begins as the principal components of the features.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from iic_tf.annotations import Batch, Tensor, Tensors
from iic_tf.errors import InputError, expected
from iic_tf.graphs import as_graph
from iic_tf.losses.dec import target_distribution, target_divergence
from iic_tf.metrics.loss_meter import LossMeter
from iic_tf.models.centroids import whitening
from iic_tf.models.fitting import drawn_rows
from iic_tf.models.learned_segmenter import LearnedSegmenter
from iic_tf.models.learned_stages import mean_sums
from iic_tf.models.looked_up import LookedUp
from iic_tf.models.student_head import StudentHead
from iic_tf.replicas import present
from iic_tf.turns import MAIN
from iic_tf.views.draws import generator
from iic_tf.views.numbered_batches import NumberedBatches

EMBEDDING, CENTRES = "embedding", "centres"


@keras.saving.register_keras_serializable("iic_tf")
class DECSegmenter(LearnedSegmenter):
    """DEC of the pixels of scenes; see the module.

    Before each epoch p_ij ∝ q_ij² / f_j is taken of all cells that will be drawn in it, as x shows
    them plainly, with f_j = Σ_i q_ij over all of these. Batches find the p of their cells by the
    numbers that they carry. Statistics of BatchNormalization rest, so that q is of the same network
    in training as where p is taken.

    Args:
        embedding: numbers of the embedding.
        alpha: degrees of freedom of Student's t.
        sample: cells that principal components and k-means are fitted to, drawn evenly.
        starts: of k-means++; the one of the lowest sum of squares stays.
        kwargs: those of `LearnedSegmenter`.

    Raises:
        InputError: a value outside its range.

    Examples:
        >>> model = DECSegmenter(classes=3, channels=4, width=0.1)
        >>> tuple(model(np.zeros((1, 16, 16, 4), "float32")).shape)  # probabilities of each pixel
        (1, 16, 16, 3)
    """

    arguments = (*LearnedSegmenter.shared, "embedding", "alpha", "sample", "starts")

    def __init__(
        self,
        embedding: int = 10,
        alpha: float = 1.0,
        sample: int = 50_000,
        starts: int = 20,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        for name, value, least in (
            ("embedding", embedding, 1),
            ("sample", sample, 2),
            ("starts", starts, 1),
        ):
            if value < least:
                raise expected(f"{name} of at least {least}", value, name)
        self.embedding = embedding
        self.alpha = alpha
        self.sample = sample
        self.starts = starts
        self.clusters = {MAIN: self.classes}
        self.linear = keras.layers.Dense(embedding, name=EMBEDDING, dtype=self.dtype_policy)
        self.heads = {MAIN: StudentHead(self.classes, alpha, name=MAIN)}
        self.learning = {EMBEDDING: [self.linear], CENTRES: [self.heads[MAIN]]}
        self.frequencies = self.add_weight(
            shape=(self.classes,), initializer="ones", trainable=False, name="frequencies"
        )
        self.fitted = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="fitted"
        )
        self.add_meters({MAIN: LossMeter(self.classes, name=f"{MAIN}_divergence")})
        self.targets = LookedUp("targets")
        self._graphs: dict[bool, Callable[..., Tensor]] = {}
        self.build((None, None, None, self.channels))

    def build_learning(self, shape: tuple[int | None, ...]) -> None:
        self.linear.build(shape)
        self.heads[MAIN].build((*shape[:-1], self.embedding))

    def small_maps(self, features: Tensor, head: str, training: bool) -> list[Tensor]:
        found: list[Tensor] = self.heads[head](self.linear(features))
        return found

    # --- what is fitted

    def before_epoch(self, pairs: NumberedBatches, epoch: int) -> None:
        """Take the targets of all cells of the epoch from what q is now."""
        super().before_epoch(pairs, epoch)
        self._begin(pairs)
        q, counted = zip(*self._drawn(pairs, epoch, assigned=True), strict=True)
        every, kept = np.concatenate(q), np.concatenate(counted)
        self.frequencies.assign(every[kept].sum(0, dtype=np.float64))
        self.targets.put(self, np.asarray(target_distribution(every, self.frequencies)))

    def after_epoch(self, pairs: NumberedBatches, epoch: int) -> None:
        """Nothing, but for a model that was never trained: it begins."""
        super().after_epoch(pairs, epoch)
        self._begin(pairs)

    def _begin(self, pairs: NumberedBatches) -> None:
        """Let the embedding be principal components, and centres where k-means finds them, once."""
        if int(ops.convert_to_numpy(self.fitted)):
            return
        rng = generator(pairs.seed, 0, 0, "fit")
        parts = (rows[kept] for rows, kept in self._drawn(pairs, 0, assigned=False))
        rows = drawn_rows(parts, self.sample, rng)
        if len(rows) < 2:
            raise InputError(
                "Expected at least 2 cells of valid pixels to find clusters in; received "
                f"{len(rows)}."
            )
        mean, axes = principal_axes(rows, self.embedding)
        self.linear.kernel.assign(axes)
        self.linear.bias.assign(-mean @ axes)
        z = np.asarray(ops.cast(self.linear(rows), "float32"))
        self.heads[MAIN].fit(z, int(rng.integers(2**31)), self.starts)
        q = np.asarray(self.heads[MAIN](z)[0])
        self.frequencies.assign(q.sum(0, dtype=np.float64))
        self.fitted.assign(1)

    def _drawn(
        self, pairs: NumberedBatches, epoch: int, assigned: bool
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
        """Of the plain views of an epoch the cells that are drawn, and which of them count.

        Features, or what is `assigned`: float32 `[n, places, features or classes]`.
        """
        if assigned not in self._graphs:
            self._graphs[assigned] = as_graph(functools.partial(self._of_views, assigned))
        of: Tensor = self._graphs[assigned]
        first = 0
        for x, valid in pairs.plain_views(epoch):
            numbers = np.arange(first, first + len(x), dtype=np.int32)
            first += len(x)
            shares = self.shares_of_cells(x, valid)
            given = (x, shares, tf.fill(numbers.shape, epoch), tf.constant(numbers))
            found, kept = of(*given)
            yield np.asarray(found), np.asarray(kept)[..., 0] > 0.5

    def _of_views(
        self, assigned: bool, x: Tensor, shares: Tensor, epochs: Tensor, numbers: Tensor
    ) -> Tensor:
        features = self.drawn_cells(epochs, numbers, self.features(x))
        if assigned:
            features = self.heads[MAIN](self.linear(features))[0]
        kept = self.drawn_cells(epochs, numbers, ops.expand_dims(shares, -1))
        return ops.cast(features, "float32"), kept

    # --- the loss

    def objective(self, data: Batch, stage: str, training: bool) -> Tensor:
        q = self._assignments(data)
        p = tf.reshape(self.targets.at(data["number"]), (-1, self.classes))
        return mean_sums(target_divergence(p, q), self._counted_drawn(data))

    def _assignments(self, data: Batch) -> Tensor:
        """Q of the cells of x that are drawn, `[batch · places, classes]`."""
        features = self.drawn_of(data, self.features(data["x"]))
        return self.heads[MAIN](self.linear(features))[0]

    def _counted_drawn(self, data: Batch) -> Tensor:
        counted = self.drawn_of(data, self.counted_cells(data, back=False))[:, 0]
        return counted * ops.cast(present(), counted.dtype)

    def judged(self, data: Batch) -> Tensors:
        """The divergence of what q is now from its targets, by the set's frequencies."""
        q, counted = self._assignments(data), self._counted_drawn(data)
        p = target_distribution(q, self.frequencies)
        losses = mean_sums(target_divergence(p, q), counted)
        masses = ops.sum(q * counted[:, None], axis=0)
        return {MAIN: ops.concatenate([losses, ops.cast(masses, "float64")])}

    def bound(self, name: str) -> float:
        """The lowest that a divergence can be: 0."""
        return 0.0


def principal_axes(
    rows: NDArray[np.floating], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean `[d]`, and axes `[d, count]` of principal components of mean square 1 over all.

    Components keep their proportions. Where there are fewer directions, the last ones are zero.
    """
    mean, axes = whitening(rows, count)
    # Back to components of their own variances, all by the same factor.
    axes = axes / np.maximum(np.linalg.norm(axes, axis=0), 1e-30)
    z = (rows - mean) @ axes
    return mean, axes / max(float(np.mean(np.square(z))), 1e-30) ** 0.5
