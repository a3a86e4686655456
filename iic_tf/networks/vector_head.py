"""A head for clustering images: sub-heads that turn features into cluster probabilities."""

from __future__ import annotations

from typing import Any

import keras

from iic_tf.annotations import Config, Tensor
from iic_tf.errors import expected


@keras.saving.register_keras_serializable("iic_tf")
class VectorHead(keras.layers.Layer):  # type: ignore[misc]
    """A linear layer, then softmax: `sub_heads` instances of one layer.

    They differ in their initial weights only and are computed as one matrix product (IIC 2019,
    section 4.1). Weights begin as N(0, 0.01²), biases as 0, as in the published runs. The softmax
    is taken in float32 whatever the precision policy.

    Args:
        clusters: k ≥ 2.
        sub_heads: how many, 1 or more.
    """

    def __init__(self, clusters: int, sub_heads: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        if clusters < 2:
            raise expected("at least 2 clusters in a head", clusters, "clusters")
        if sub_heads < 1:
            raise expected("at least 1 sub-head", sub_heads, "sub_heads")
        self.clusters = clusters
        self.sub_heads = sub_heads
        self.linear = keras.layers.Dense(
            clusters * sub_heads,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            dtype=self.dtype_policy,
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.linear.build(input_shape)
        self.built = True

    def call(self, features: Tensor) -> list[Tensor]:
        """`[batch, features]` → for each sub-head float32 `[batch, clusters]`."""
        probabilities = self.stacked(features)
        return [probabilities[:, i] for i in range(self.sub_heads)]

    def stacked(self, features: Tensor) -> Tensor:
        """All sub-heads in one tensor, float32 `[batch, sub_heads, clusters]`."""
        logits = keras.ops.cast(self.linear(features), "float32")
        return keras.ops.softmax(
            keras.ops.reshape(logits, (-1, self.sub_heads, self.clusters)), axis=-1
        )

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "clusters": self.clusters,
            "sub_heads": self.sub_heads,
        }
