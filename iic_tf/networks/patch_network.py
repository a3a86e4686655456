"""The network that turns an image into a grid of features of its patches, for InfoSeg."""

from __future__ import annotations

from typing import Any

import keras

from iic_tf.annotations import Config, Tensor
from iic_tf.networks.conv_block import ConvBlock
from iic_tf.networks.widths import widened

FILTERS = (64, 128, 256, 256, 512, 512)
POOL_EVERY = 2


@keras.saving.register_keras_serializable("iic_tf")
class PatchNetwork(keras.layers.Layer):  # type: ignore[misc]
    """3×3 convolutions 64, 128, pool, 256, 256, pool, 512, 512: a cell for each 4×4 pixels.

    Block A of Harb & Knöbelreiter (2021), section 4.2. Their text gives its stride, d = 4, and that
    it leaves a grid of features of patches; its convolutions are in a figure only. These are
    network C's, undilated, with a second pool, so that the map lies on the image without a shift.

    Args:
        width: factor of all channel counts; 0.25 suits two CPU cores.
    """

    stride = 4
    receptive_radius = 19
    """How far, in input pixels, a cell enlarged to the image's size sees: 2 before the first pool,
    2·2 after it, 4·2 after the second, and 5 for the cell itself and for resizing by four."""

    cell_radius = 14
    """The same of a cell alone, from its outermost pixels."""

    def __init__(self, width: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width
        filters = widened(FILTERS, width)
        self.features = filters[-1]
        self.blocks = [ConvBlock(f, dtype=self.dtype_policy) for f in filters]
        # SAME: an odd last row or column is pooled alone, so that any size works.
        self.pool = keras.layers.MaxPooling2D(2, padding="same", dtype=self.dtype_policy)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = input_shape
        for block in self.blocks:
            block.build(shape)
            shape = block.compute_output_shape(shape)
        self.built = True

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """`[batch, height, width, channels]` → `[batch, ⌈height/4⌉, ⌈width/4⌉, features]`."""
        for i, block in enumerate(self.blocks):
            if i and i % POOL_EVERY == 0:
                x = self.pool(x)
            x = block(x, training=training)
        return x

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        sides = [None if s is None else -(-s // self.stride) for s in input_shape[1:3]]
        return (input_shape[0], *sides, self.features)

    def get_config(self) -> Config:
        return {**super().get_config(), "width": self.width}
