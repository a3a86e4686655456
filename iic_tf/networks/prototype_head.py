"""Cosines with trained prototypes."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from iic_tf.annotations import Config, Tensor
from iic_tf.errors import expected


@keras.saving.register_keras_serializable("iic_tf")
class PrototypeHead(keras.layers.Layer):  # type: ignore[misc]
    """⟨z, c_k⟩ of vectors and prototypes, each of length 1 first. In float32 whatever the policy.

    Args:
        prototypes: how many, 2 or more.
    """

    def __init__(self, prototypes: int, **kwargs: Any):
        super().__init__(**{**kwargs, "dtype": "float32"})
        if prototypes < 2:
            raise expected("at least 2 prototypes", prototypes, "prototypes")
        self.prototypes = prototypes

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.kernel = self.add_weight(
            shape=(self.prototypes, input_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="kernel",
        )
        self.built = True

    def call(self, vectors: Tensor) -> Tensor:
        """`[..., d]` → float32 `[..., prototypes]`, −1 to 1."""
        return ops.matmul(unit(ops.cast(vectors, "float32")), ops.transpose(self.directions()))

    def directions(self) -> Tensor:
        """The prototypes, each of length 1, `[prototypes, d]`."""
        return unit(ops.convert_to_tensor(self.kernel))

    def get_config(self) -> Config:
        return {**super().get_config(), "prototypes": self.prototypes}


def unit(vectors: Tensor) -> Tensor:
    """Vectors `[..., d]` of length 1; zeros stay."""
    squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(squares, 1e-12))
