"""Features as k-means is to see them: each counts alike, or their principal components."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from iic_tf.annotations import Config, Tensor, Variable
from iic_tf.errors import InputError, expected
from iic_tf.models.centroids import whitening

LEAST_DEVIATION = 1e-6
"""Features of less than this share of the largest deviation never change, but for rounding."""


@keras.saving.register_keras_serializable("iic_tf")
class ScaledFeatures(keras.layers.Layer):  # type: ignore[misc]
    """Standardised features, or principal components of them, of mean squared length 1 in all.

    So a mean squared distance to the nearest of several centres is the share of the variance that
    they leave unexplained, whatever the number of features.

    Args:
        components: how many principal components are kept; 0: all features, as they are.
        whiten: whether components are of the same variance each; else as they come.
        alike: whether each feature counts alike; else distances keep their proportions, as those
            between embeddings of length 1 should.

    Raises:
        InputError: a number below 0, or whitening of no components.
    """

    def __init__(
        self, components: int = 0, whiten: bool = False, alike: bool = True, **kwargs: Any
    ):
        # Fitted numbers: float32 whatever the precision policy.
        super().__init__(**{**kwargs, "dtype": "float32"})
        if components < 0:
            raise expected("0 components or more", components, "components")
        if whiten and not components:
            raise InputError(
                "Expected components of at least 1 with whiten=True: principal components are "
                "what is whitened; received components=0."
            )
        self.components = components
        self.whiten = whiten
        self.alike = alike

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        size = input_shape[-1]

        def weight(name: str, *shape: int | None) -> Variable:
            return self.add_weight(shape=shape, initializer="zeros", trainable=False, name=name)

        self.mean, self.scale = weight("mean", size), weight("scale", size)
        self.projection = weight("projection", size, self.components) if self.components else None
        self.built = True

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.components or input_shape[-1])

    def call(self, features: Tensor) -> Tensor:
        """`[..., features]` → float32 `[..., features or components]`."""
        scaled = (ops.cast(features, "float32") - self.mean) * self.scale
        if self.projection is None:
            return scaled
        return ops.matmul(scaled, ops.convert_to_tensor(self.projection))

    def fit(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Fit to a sample `[n, features]`; what becomes of it, float32 `[n, ...]`.

        Features that never change, and directions that there are none of, become zeros.
        """
        mean = features.mean(0, dtype=np.float64).astype(np.float32)
        deviation = features.std(0, dtype=np.float64)
        if not self.alike:
            deviation = np.full_like(deviation, np.sqrt(np.mean(deviation**2)))
        kept = deviation > LEAST_DEVIATION * deviation.max(initial=0.0)
        scale = np.where(kept, 1 / np.where(kept, deviation, 1), 0).astype(np.float32)
        self.mean.assign(mean)
        if self.projection is None:
            self.scale.assign(scale / max(float(kept.sum()), 1.0) ** 0.5)
            return np.asarray(self(features))
        self.scale.assign(scale)
        standard = (features - mean) * scale
        _, projection = whitening(standard, self.components)
        if not self.whiten:
            projection /= np.maximum(np.linalg.norm(projection, axis=0), 1e-30)
        squares = float(np.mean(np.sum(np.square(standard @ projection), axis=1)))
        self.projection.assign(projection / max(squares, 1e-30) ** 0.5)
        return np.asarray(self(features))

    def get_config(self) -> Config:
        own = {"components": self.components, "whiten": self.whiten, "alike": self.alike}
        return {**super().get_config(), **own}
