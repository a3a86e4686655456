"""Network C: the paper's six-convolution network for segmentation."""

from __future__ import annotations

from typing import Any

import keras

from iic_tf.annotations import Config, Tensor
from iic_tf.networks.conv_block import ConvBlock
from iic_tf.networks.widths import widened

FILTERS = (64, 128, 256, 256, 512, 512)
RECEPTIVE_RADIUS = 16
"""How far, in input pixels, an output cell sees: 2 before the pool, 2·(1 + 1 + 2 + 2) after it,
and 2 for the pool and for resizing the map by two."""


@keras.saving.register_keras_serializable("iic_tf")
class NetworkC(keras.layers.Layer):  # type: ignore[misc]
    """3×3 convolutions 64, 128, pool, 256, 256, 512, 512 (the last two dilated by 2).

    IIC supplementary material (2019), table 1. The authors' code pads the dilated convolutions by
    1 pixel, so that its map shrinks and shifts; here every convolution keeps the map aligned with
    its input. 4.5 million parameters at width 1.

    Args:
        width: factor of all channel counts; 0.25 suits two CPU cores.
    """

    stride = 2
    receptive_radius = RECEPTIVE_RADIUS

    def __init__(self, width: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width
        filters = widened(FILTERS, width)
        self.features = filters[-1]
        self.before = [ConvBlock(f, dtype=self.dtype_policy) for f in filters[:2]]
        # SAME: an odd last row or column is pooled alone, so that any size works.
        self.pool = keras.layers.MaxPooling2D(2, padding="same", dtype=self.dtype_policy)
        self.after = [
            ConvBlock(f, dilation=d, dtype=self.dtype_policy)
            for f, d in zip(filters[2:], (1, 1, 2, 2), strict=True)
        ]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = input_shape
        for block in (*self.before, *self.after):
            block.build(shape)
            shape = block.compute_output_shape(shape)
        self.built = True

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """`[batch, height, width, channels]` → `[batch, ⌈height/2⌉, ⌈width/2⌉, features]`."""
        for block in self.before:
            x = block(x, training=training)
        x = self.pool(x)
        for block in self.after:
            x = block(x, training=training)
        return x

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        half = [None if s is None else -(-s // 2) for s in input_shape[1:3]]
        return (input_shape[0], *half, self.features)

    def get_config(self) -> Config:
        return {**super().get_config(), "width": self.width}
