"""Fitted centres as weights: k-means on features that is saved, served and exported like any head.

Everything here is fitted by scikit-learn and is no gradient's business.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from iic_tf.annotations import Config, Tensor
from iic_tf.errors import expected
from iic_tf.metrics.pixel_kmeans import PixelKMeans

FAR = 1e3
"""Where centres lie that nothing is near to: there were fewer distinct features than centres."""

LEAST_VARIANCE = 1e-6
"""Directions of less than this share of the largest variance are noise, which whitening drops."""


@keras.saving.register_keras_serializable("iic_tf")
class Whitening(keras.layers.Layer):  # type: ignore[misc]
    """Principal components of features, whitened, each row then of length 1.

    A row that is the mean stays zero.

    Args:
        components: how many, at most as many as there are features.
    """

    def __init__(self, components: int, **kwargs: Any):
        # Fitted numbers: float32 whatever the precision policy.
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.components = components

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        size = input_shape[-1]
        self.mean = self.add_weight(
            shape=(size,), initializer="zeros", trainable=False, name="mean"
        )
        self.projection = self.add_weight(
            shape=(size, self.components), initializer="zeros", trainable=False, name="projection"
        )
        self.built = True

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.components)

    def call(self, features: Tensor) -> Tensor:
        """`[..., features]` → float32 `[..., components]`."""
        centred = ops.cast(features, "float32") - self.mean
        projected = ops.matmul(centred, ops.convert_to_tensor(self.projection))
        squares = ops.sum(ops.square(projected), axis=-1, keepdims=True)
        return projected * ops.rsqrt(ops.maximum(squares, 1e-12))

    def fit(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Fit to a sample `[n, features]`; what becomes of it, float32 `[n, components]`."""
        mean, projection = whitening(features, self.components)
        self.mean.assign(mean)
        self.projection.assign(projection)
        return np.asarray(self(np.asarray(features, np.float32)))

    def get_config(self) -> Config:
        return {**super().get_config(), "components": self.components}


def whitening(
    features: NDArray[np.floating], components: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean `[d]` and the projection `[d, components]` that whiten features `[n, d]`.

    Columns of directions that hardly vary, or that there are none of, are zero.
    """
    from sklearn.decomposition import PCA

    few = min(components, *features.shape)
    fitted = PCA(few, svd_solver="full" if len(features) < features.shape[1] else "covariance_eigh")
    # Features that are all alike have no variance to take shares of.
    with np.errstate(invalid="ignore", divide="ignore"):
        fitted.fit(np.asarray(features, np.float64))
    variance = fitted.explained_variance_
    kept = variance > LEAST_VARIANCE * max(float(variance[0]), 1e-30)
    projection = np.zeros((features.shape[1], components))
    projection[:, :few][:, kept] = fitted.components_[kept].T / np.sqrt(variance[kept])
    return fitted.mean_, projection


@keras.saving.register_keras_serializable("iic_tf")
class Centroids(keras.layers.Layer):  # type: ignore[misc]
    """Probabilities of clusters by the distances to their centres: softmax_k(−‖z − c_k‖² / τ).

    The likeliest cluster is the one of the nearest centre, whatever τ.

    Args:
        clusters: k ≥ 2.
        temperature: τ > 0.
    """

    def __init__(self, clusters: int, temperature: float = 0.1, **kwargs: Any):
        super().__init__(**{**kwargs, "dtype": "float32"})
        if clusters < 2:
            raise expected("at least 2 clusters in a head", clusters, "clusters")
        self.clusters = clusters
        self.temperature = temperature

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.centres = self.add_weight(
            shape=(self.clusters, input_shape[-1]),
            initializer="zeros",
            trainable=False,
            name="centres",
        )
        self.built = True

    def call(self, features: Tensor) -> list[Tensor]:
        """`[..., features]` → in a list of one, float32 `[..., clusters]`."""
        return [ops.softmax(-self.distances(features) / self.temperature, axis=-1)]

    def distances(self, features: Tensor) -> Tensor:
        """Squared distances to all centres, float32 `[..., clusters]`, 0 or more."""
        z = ops.cast(features, "float32")
        centres = ops.convert_to_tensor(self.centres)
        products = ops.matmul(z, ops.transpose(centres))
        own = ops.sum(ops.square(z), axis=-1, keepdims=True)
        return ops.maximum(own + ops.sum(ops.square(centres), axis=-1) - 2 * products, 0.0)

    def sums(self, features: Tensor, counted: Tensor | None = None) -> Tensor:
        """Σ squared distances to the nearest centre, then how many are nearest to each.

        Args:
            features: `[..., features]`.
            counted: what each counts, `[...]`; None: 1.

        Returns:
            float64 `[1 + clusters]`.
        """
        distances = ops.reshape(self.distances(features), (-1, self.clusters))
        nearest = ops.one_hot(ops.argmin(distances, axis=-1), self.clusters, dtype="float64")
        least = ops.cast(ops.min(distances, axis=-1), "float64")
        if counted is not None:
            counted = ops.reshape(ops.cast(counted, "float64"), (-1,))
            least, nearest = least * counted, nearest * counted[:, None]
        return ops.concatenate([ops.sum(least, keepdims=True), ops.sum(nearest, axis=0)])

    def fit(
        self,
        features: NDArray[np.floating],
        seed: int,
        iterations: int = 100,
        starts: int = 1,
    ) -> None:
        """Find the centres by k-means of a sample `[n, features]`, the best of several starts."""
        found = PixelKMeans(self.clusters, seed, starts, iterations).fit(features).centres
        assert found is not None
        centres = np.full(tuple(self.centres.shape), FAR, np.float32)
        centres[: len(found)] = found
        self.centres.assign(centres)

    def get_config(self) -> Config:
        own = {"clusters": self.clusters, "temperature": self.temperature}
        return {**super().get_config(), **own}
