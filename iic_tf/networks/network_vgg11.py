"""VGG11 without its classifier: the preprint's network for segmentation."""

from __future__ import annotations

from typing import Any

import keras

from iic_tf.annotations import Config, Tensor
from iic_tf.networks.conv_block import ConvBlock
from iic_tf.networks.widths import widened

FILTERS = (64, 128, 256, 256, 512, 512, 512, 512)
DILATIONS = (1, 1, 1, 1, 1, 1, 2, 2)
POOLED = (1, 2, 4)
"""The convolutions with a pool before them."""


@keras.saving.register_keras_serializable("iic_tf")
class NetworkVGG11(keras.layers.Layer):  # type: ignore[misc]
    """3×3 convolutions 64, pool, 128, pool, 256, 256, pool, 512, 512, 512, 512: a cell for 8×8.

    IID preprint (Ji et al. 2018), section 4.1: "inspired by DeepLab, a fully-convolutional
    adaptation of VGG11", bilinearly enlarged to the size of its input. It tells no more, so that
    the rest is DeepLab's and network C's. As in DeepLab (Chen et al. 2016) the last two pools do
    not make the map smaller, which has a cell for each 8×8 pixels instead of 32×32, and the
    convolutions behind the first of them, the last two, are dilated by 2 for it. As in network C
    each convolution has BatchNormalization and ReLU behind it, the map lies on its input without a
    shift, and a head's 1×1 convolution stands for the fully connected layers. Pools of stride 1
    are left out, for one of 2×2 would shift the map. 9.2 million parameters at width 1.

    Args:
        width: factor of all channel counts.
    """

    stride = 8
    receptive_radius = 70
    """How far, in input pixels, a cell enlarged to the image's size sees: 1 before the first pool,
    2 after it, 4·2 after the second, 8·(1 + 1 + 2 + 2) after the third, and 11 for the cell itself
    and for resizing by eight."""

    def __init__(self, width: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width
        filters = widened(FILTERS, width)
        self.features = filters[-1]
        self.blocks = [
            ConvBlock(f, dilation=d, dtype=self.dtype_policy)
            for f, d in zip(filters, DILATIONS, strict=True)
        ]
        # SAME: an odd last row or column is pooled alone, so that any size works.
        self.pool = keras.layers.MaxPooling2D(2, padding="same", dtype=self.dtype_policy)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = input_shape
        for block in self.blocks:
            block.build(shape)
            shape = block.compute_output_shape(shape)
        self.built = True

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """`[batch, height, width, channels]` → `[batch, ⌈height/8⌉, ⌈width/8⌉, features]`.

        Any height and width from 1.
        """
        for i, block in enumerate(self.blocks):
            x = block(self.pool(x) if i in POOLED else x, training=training)
        return x

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        sides = [None if s is None else -(-s // self.stride) for s in input_shape[1:3]]
        return (input_shape[0], *sides, self.features)

    def get_config(self) -> Config:
        return {**super().get_config(), "width": self.width}
