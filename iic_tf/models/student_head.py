"""Trained centres whose soft assignments are Student's t, as DEC has them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from iic_tf.annotations import Config, Tensor
from iic_tf.errors import expected
from iic_tf.losses.dec import soft_assignment
from iic_tf.metrics.pixel_kmeans import PixelKMeans
from iic_tf.models.centroids import FAR


@keras.saving.register_keras_serializable("iic_tf")
class StudentHead(keras.layers.Layer):  # type: ignore[misc]
    """Probabilities of clusters by the distances to trained centres.

    Args:
        clusters: k ≥ 2.
        alpha: degrees of freedom of Student's t.
    """

    def __init__(self, clusters: int, alpha: float = 1.0, **kwargs: Any):
        super().__init__(**{**kwargs, "dtype": "float32"})
        if clusters < 2:
            raise expected("at least 2 clusters in a head", clusters, "clusters")
        if not alpha > 0:
            raise expected("alpha > 0", alpha, "alpha")
        self.clusters = clusters
        self.alpha = alpha

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.centres = self.add_weight(
            shape=(self.clusters, input_shape[-1]), initializer="zeros", name="centres"
        )
        self.built = True

    def call(self, embeddings: Tensor) -> list[Tensor]:
        """`[..., d]` → in a list of one, float32 `[..., clusters]`."""
        z = ops.cast(embeddings, "float32")[..., None, :]
        # Few numbers and few centres: differences, whose gradients are exact.
        distances = ops.sum(ops.square(z - ops.convert_to_tensor(self.centres)), axis=-1)
        return [soft_assignment(distances, self.alpha)]

    def fit(self, embeddings: NDArray[np.floating], seed: int, starts: int) -> None:
        """Let the centres begin where k-means finds them in a sample `[n, d]`."""
        found = PixelKMeans(self.clusters, seed, starts).fit(embeddings).centres
        assert found is not None
        centres = np.full(tuple(self.centres.shape), FAR, np.float32)
        centres[: len(found)] = found
        self.centres.assign(centres)

    def get_config(self) -> Config:
        return {**super().get_config(), "clusters": self.clusters, "alpha": self.alpha}
