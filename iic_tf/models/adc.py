"""Associative deep clustering: centroids of classes, with walks to images and back."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from iic_tf.annotations import Batch, Config, Shape, Tensor, Tensors
from iic_tf.errors import expected
from iic_tf.losses.adc import association, transformation_loss, visit_loss, walker_loss
from iic_tf.metrics.loss_meter import LossMeter
from iic_tf.models.learned_clusterer import LearnedClusterer, copies_of
from iic_tf.networks.vector_head import VectorHead
from iic_tf.turns import MAIN

EMBEDDING, CENTROIDS = "embedding", "centroids"


@keras.saving.register_keras_serializable("iic_tf")
class ClassCentroids(keras.layers.Layer):  # type: ignore[misc]
    """Some trained centroids of each class, near one another at the beginning.

    Those of a class begin as one draw of N(0, 0.3²), each with noise in ±0.01.

    Args:
        classes: k.
        each: centroids of a class.
    """

    def __init__(self, classes: int, each: int, **kwargs: Any):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.classes = classes
        self.each = each
        self.groups = np.repeat(np.arange(classes), each).astype(np.int32)
        """The class of each."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        size = input_shape[-1]

        def begin(shape: Shape, dtype: str | None = None) -> Tensor:
            means = keras.random.normal((self.classes, size), stddev=0.3, dtype=dtype)
            noise = keras.random.uniform(shape, -0.01, 0.01, dtype=dtype)
            return ops.repeat(means, self.each, axis=0) + noise

        self.places = self.add_weight(
            shape=(len(self.groups), size), initializer=begin, name="places"
        )
        self.built = True

    def at(self) -> Tensor:
        """Where they are, float32 `[classes · each, d]`."""
        return ops.convert_to_tensor(self.places)

    def get_config(self) -> Config:
        return {**super().get_config(), "classes": self.classes, "each": self.each}


@keras.saving.register_keras_serializable("iic_tf")
class ADCClusterer(LearnedClusterer):
    """Network A or B with an embedding, centroids of the classes in it, and a linear head.

    The head learns the classes of the centroids alone; the walks bring the images there.

    Args:
        embedding: numbers of the embedding.
        centroids: of each class.
        walker: weight of round trips that should end in their class, or at their image.
        visit: weight of visits, which should be to all images evenly.
        logit: weight of the cross-entropy of the centroids' classes.
        transformation: weight of `transformation_loss` of images and copies.
        kwargs: those of `LearnedClusterer`.

    Raises:
        InputError: a value outside its range.

    Examples:
        >>> model = ADCClusterer(classes=3, channels=3, size=16, network="B", width=0.1)
        >>> tuple(model(np.zeros((2, 16, 16, 3), "float32")).shape)  # probabilities of each image
        (2, 3)
    """

    arguments = (
        *LearnedClusterer.shared,
        *("embedding", "centroids", "walker", "visit", "logit", "transformation"),
    )

    def __init__(
        self,
        embedding: int = 128,
        centroids: int = 4,
        walker: float = 1.0,
        visit: float = 0.5,
        logit: float = 0.5,
        transformation: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        for name, value, least in (
            *(("embedding", embedding, 1), ("centroids", centroids, 1), ("walker", walker, 0)),
            *(("visit", visit, 0), ("logit", logit, 0), ("transformation", transformation, 0)),
        ):
            if not value >= least:
                raise expected(f"{name} of at least {least}", value, name)
        self.embedding = embedding
        self.centroids = centroids
        self.walker = walker
        self.visit = visit
        self.logit = logit
        self.transformation = transformation
        self.clusters = {MAIN: self.classes}
        self.linear = keras.layers.Dense(embedding, name=EMBEDDING, dtype=self.dtype_policy)
        self.places = ClassCentroids(self.classes, centroids, name=CENTROIDS)
        self.heads = {MAIN: VectorHead(self.classes, name=MAIN, dtype=self.dtype_policy)}
        self.learning = {
            EMBEDDING: [self.linear],
            CENTROIDS: [self.places],
            MAIN: [self.heads[MAIN]],
        }
        self.add_meters({MAIN: LossMeter(self.classes, name=f"{MAIN}_association")})
        self.build((None, self.size, self.size, self.channels))

    def build_learning(self, shape: tuple[int | None, ...]) -> None:
        self.linear.build(shape)
        shape = self.linear.compute_output_shape(shape)
        self.places.build(shape)
        self.heads[MAIN].build(shape)

    def answers(self, features: Tensor, head: str = MAIN) -> list[Tensor]:
        found: list[Tensor] = self.heads[head](self.linear(features))
        return found

    def objective(self, data: Batch, stage: str, training: bool) -> Tensor:
        return self._sums_of(data, training)[0]

    def judged(self, data: Batch) -> Tensors:
        """Of the same losses, of fixed pairs, and of the probabilities of the views x."""
        sums, p = self._sums_of(data, training=False)
        return {MAIN: ops.concatenate([sums, ops.cast(ops.sum(p, axis=0), "float64")])}

    def _sums_of(self, data: Batch, training: bool) -> tuple[Tensor, Tensor]:
        """A batch's loss times its images, and these; and the probabilities of the views x."""
        x = data["x"]
        both = ops.concatenate([x, copies_of(data)])
        embeddings = ops.cast(self.linear(self.features(both, training)), "float32")
        count, repeats = ops.shape(x)[0], data["gx"].shape[1]
        z, copies = embeddings[:count], embeddings[count:]
        centroids = self.places.at()
        of_copies = ops.repeat(ops.arange(count), repeats)
        loss: Tensor = 0.0
        for start, groups in ((centroids, self.places.groups), (copies, of_copies)):
            there, round_trips = association(start, z)
            loss += self.walker * walker_loss(round_trips, groups)
            loss += self.visit * visit_loss(there)
        (of_centroids,) = self.heads[MAIN](centroids)
        own = ops.one_hot(self.places.groups, self.classes)
        loss -= self.logit * ops.mean(ops.sum(own * ops.log(of_centroids + 1e-30), axis=-1))
        (p,) = self.heads[MAIN](z)
        if self.transformation:
            (q,) = self.heads[MAIN](copies)
            pairs = (ops.repeat(p, repeats, axis=0), q, ops.repeat(z, repeats, axis=0), copies)
            loss += self.transformation * ops.mean(transformation_loss(*pairs))
        images = ops.cast(count, "float64")
        return ops.stack([ops.cast(loss, "float64") * images, images]), p

    def bound(self, name: str) -> float:
        """Cross-entropies are 0 or more."""
        return 0.0
