"""A head whose probabilities differ from image to image from the beginning."""

from __future__ import annotations

from typing import Any

import keras

from iic_tf.annotations import Config, Tensor
from iic_tf.errors import expected
from iic_tf.networks.batch_norm import BatchNorm
from iic_tf.networks.conv_block import BN_EPSILON, BN_MOMENTUM


@keras.saving.register_keras_serializable("iic_tf")
class NormalisedHead(keras.layers.Layer):  # type: ignore[misc]
    """Two linear layers of k units, each with BatchNormalization and ReLU, then softmax.

    The second one begins as the identity. BatchNormalization spreads what the first makes of
    images: of probabilities that are all near 1/k at the beginning, every pair of images is alike,
    and one cluster for everything is the end.

    Args:
        clusters: k ≥ 2.
    """

    def __init__(self, clusters: int, **kwargs: Any):
        super().__init__(**kwargs)
        if clusters < 2:
            raise expected("at least 2 clusters in a head", clusters, "clusters")
        self.clusters = clusters
        self.linears = [
            keras.layers.Dense(
                clusters, use_bias=False, kernel_initializer=begin, dtype=self.dtype_policy
            )
            for begin in ("he_normal", "identity")
        ]
        self.norms = [
            BatchNorm(
                momentum=BN_MOMENTUM, epsilon=BN_EPSILON, synchronized=True, dtype=self.dtype_policy
            )
            for _ in self.linears
        ]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        for linear, norm in zip(self.linears, self.norms, strict=True):
            linear.build(input_shape)
            input_shape = linear.compute_output_shape(input_shape)
            norm.build((input_shape[0], 1, 1, self.clusters))
        self.built = True

    def call(self, features: Tensor, training: bool = False) -> list[Tensor]:
        """`[batch, features]`, or `[batch, rows, columns, features]`, → in a list of one, float32
        `[..., clusters]`.
        """
        vectors = len(features.shape) == 2
        # As maps of one cell, which the fused kernel takes.
        z = features[:, None, None, :] if vectors else features
        for linear, norm in zip(self.linears, self.norms, strict=True):
            z = keras.ops.relu(norm(linear(z), training=training))
        z = z[:, 0, 0, :] if vectors else z
        return [keras.ops.softmax(keras.ops.cast(z, "float32"), axis=-1)]

    def get_config(self) -> Config:
        return {**super().get_config(), "clusters": self.clusters}
