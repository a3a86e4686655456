"""A head for segmentation: sub-heads that turn features into cluster probabilities."""

from __future__ import annotations

from typing import Any

import keras

from iic_tf.annotations import Config, Tensor
from iic_tf.errors import expected


@keras.saving.register_keras_serializable("iic_tf")
class PixelHead(keras.layers.Layer):  # type: ignore[misc]
    """1×1 convolutions without bias, then softmax: `sub_heads` instances of one layer.

    They differ in their initial weights only and are computed as one convolution (IIC 2019,
    section 4.1). The softmax is taken in float32 whatever the precision policy.

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
        self.conv = keras.layers.Conv2D(
            clusters * sub_heads,
            1,
            use_bias=False,
            kernel_initializer="he_normal",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.conv.build(input_shape)
        self.built = True

    def call(self, features: Tensor) -> list[Tensor]:
        """`[batch, h, w, features]` → for each sub-head float32 `[batch, h, w, clusters]`."""
        logits = keras.ops.cast(self.conv(features), "float32")
        return [
            keras.ops.softmax(part) for part in keras.ops.split(logits, self.sub_heads, axis=-1)
        ]

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "clusters": self.clusters,
            "sub_heads": self.sub_heads,
        }
