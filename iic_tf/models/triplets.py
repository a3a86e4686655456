"""Triplets: an embedding in which copies of an image are nearer to it than other images are."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from iic_tf.annotations import Batch, Tensor
from iic_tf.errors import expected
from iic_tf.losses.triplets import triplet_hinge, triplet_kl
from iic_tf.models.feature_learner import FeatureLearner
from iic_tf.models.learned_clusterer import copies_of
from iic_tf.models.learned_stages import mean_sums

HINGE, KL = "hinge", "kl"
EMBEDDING = "embedding"


@keras.saving.register_keras_serializable("iic_tf")
class TripletClusterer(FeatureLearner):
    """Network A or B with a linear embedding, trained by triplets; k-means finds the clusters.

    Anchors are the views x, positives their copies gx, and negatives copies of the image that comes
    before in the batch, whose order is drawn. Where that is the same image, which few images make
    possible, there is no triplet.

    Args:
        embedding: numbers of the embedding.
        margin: m of the hinge.
        form: `hinge`, of embeddings of length 1, or `kl`, of softmax probabilities.
        kwargs: those of `FeatureLearner`.

    Raises:
        InputError: a value outside its range.

    Examples:
        >>> model = TripletClusterer(classes=3, overclusters=15, channels=3, size=16, width=0.1)
        >>> tuple(model(np.zeros((2, 16, 16, 3), "float32")).shape)  # probabilities of each image
        (2, 3)
    """

    arguments = (*FeatureLearner.shared, "embedding", "margin", "form")

    def __init__(self, embedding: int = 64, margin: float = 0.2, form: str = HINGE, **kwargs: Any):
        super().__init__(**kwargs)
        if embedding < 2:
            raise expected("an embedding of at least 2 numbers", embedding, "embedding")
        if not margin > 0:
            raise expected("a margin > 0", margin, "margin")
        if form not in (HINGE, KL):
            raise expected(f"one of {HINGE}, {KL}", form, "form")
        self.embedding = embedding
        self.margin = margin
        self.form = form
        self.linear = keras.layers.Dense(embedding, name=EMBEDDING, dtype=self.dtype_policy)
        self.learning = {EMBEDDING: [self.linear]}
        # Distances are what was learnt: k-means sees them as they are.
        self.add_centres(alike=False)

    def build_embedding(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        self.linear.build(shape)
        return (*shape[:-1], self.embedding)

    def embedded(self, features: Tensor) -> Tensor:
        z = ops.cast(self.linear(features), "float32")
        if self.form == KL:
            return ops.softmax(z, axis=-1)
        return z * ops.rsqrt(ops.maximum(ops.sum(ops.square(z), axis=-1, keepdims=True), 1e-12))

    def objective(self, data: Batch, stage: str, training: bool) -> Tensor:
        x, image = data["x"], data["image"]
        both = ops.concatenate([x, copies_of(data)])
        z = self.embedded(self.features(both, training))
        count = ops.shape(x)[0]
        anchor = z[:count][:, None]
        positive = ops.reshape(z[count:], (-1, data["gx"].shape[1], self.embedding))
        negative = tf.roll(positive, 1, axis=0)
        if self.form == KL:
            losses = triplet_kl(anchor, positive, negative)
        else:
            losses = triplet_hinge(anchor, positive, negative, self.margin)
        other = ops.cast(ops.not_equal(image, tf.roll(image, 1, axis=0)), losses.dtype)
        return mean_sums(losses, ops.ones_like(losses) * other[:, None])
