"""Network A: the paper's residual network for clustering."""

from __future__ import annotations

from typing import Any

import keras

from iic_tf.annotations import Config, Tensor
from iic_tf.errors import expected
from iic_tf.networks.basic_block import BasicBlock
from iic_tf.networks.conv_block import ConvBlock
from iic_tf.networks.widths import widened

STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""Channels, blocks and the stride of the first block of each stage."""
LEAST_SIZE = 8


@keras.saving.register_keras_serializable("iic_tf")
class NetworkA(keras.layers.Layer):  # type: ignore[misc]
    """3×3 convolution 64, pool, 16 residual blocks in four stages, mean over the map.

    IIC supplementary material (2019), table 1: a ResNet34 for small images. The authors' code pads
    the pool by one pixel, so that 32 pixels become 17; here they become 16. 21 million parameters
    at width 1.

    Args:
        width: factor of all channel counts.
    """

    def __init__(self, width: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width
        filters = widened((STAGES[0][0], *(f for f, _, _ in STAGES)), width)
        self.features = filters[-1]
        policy = self.dtype_policy
        self.stem = ConvBlock(filters[0], dtype=policy)
        # SAME: an odd last row or column is pooled alone, so that it is seen.
        self.pool = keras.layers.MaxPooling2D(2, padding="same", dtype=policy)
        self.blocks = [
            BasicBlock(f, stride if i == 0 else 1, dtype=policy)
            for f, (_, count, stride) in zip(filters[1:], STAGES, strict=True)
            for i in range(count)
        ]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        sides = [s for s in input_shape[1:3] if s is not None]
        if any(s < LEAST_SIZE for s in sides):
            least = f"images of at least {LEAST_SIZE} pixels for network A"
            raise expected(least, min(sides), "size")
        self.stem.build(input_shape)
        shape = self.pool.compute_output_shape(self.stem.compute_output_shape(input_shape))
        for block in self.blocks:
            block.build(shape)
            shape = block.compute_output_shape(shape)
        self.built = True

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """`[batch, height, width, channels]`, at least 8 × 8 → `[batch, features]`."""
        x = self.pool(self.stem(x, training=training))
        for block in self.blocks:
            x = block(x, training=training)
        return keras.ops.mean(x, axis=(1, 2))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.features)

    def get_config(self) -> Config:
        return {**super().get_config(), "width": self.width}
