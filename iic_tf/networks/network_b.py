"""Network B: the paper's four-convolution network for clustering small grey images."""

from __future__ import annotations

from typing import Any, ClassVar

import keras

from iic_tf.annotations import Config, Tensor
from iic_tf.errors import expected
from iic_tf.networks.conv_block import ConvBlock
from iic_tf.networks.widths import widened

FILTERS = (64, 128, 256, 512)
LEAST_SIZE = 8
"""Below it, what is left after three pools is less than one whole cell."""


@keras.saving.register_keras_serializable("iic_tf")
class NetworkB(keras.layers.Layer):  # type: ignore[misc]
    """5×5 convolutions 64, pool, 128, pool, 256, pool, 512; the map is flattened.

    IIC supplementary material (2019), table 1. The heads see every cell of the map, so that a
    model serves images of the size that it was built for: 4,608 features for 24×24 at width 1.

    Args:
        width: factor of all channel counts.
    """

    kernel_size: ClassVar[int] = 5
    called: ClassVar[str] = "network B"

    def __init__(self, width: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width
        self.convs = [
            ConvBlock(f, self.kernel_size, dtype=self.dtype_policy) for f in widened(FILTERS, width)
        ]
        # SAME: an odd last row or column is pooled alone, so that it is seen.
        self.pool = keras.layers.MaxPooling2D(2, padding="same", dtype=self.dtype_policy)
        self.flatten = keras.layers.Flatten(dtype=self.dtype_policy)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        sides = input_shape[1:3]
        if any(s is None or s < LEAST_SIZE for s in sides):
            raise expected(
                f"images of a known size of at least {LEAST_SIZE} pixels for {self.called}",
                "×".join(str(s) for s in sides),
                "size",
            )
        shape = input_shape
        for i, conv in enumerate(self.convs):
            if i > 0:
                shape = self.pool.compute_output_shape(shape)
            conv.build(shape)
            shape = conv.compute_output_shape(shape)
        self.built = True

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """`[batch, height, width, channels]` → `[batch, ⌈height/8⌉ · ⌈width/8⌉ · filters]`."""
        for i, conv in enumerate(self.convs):
            x = conv(self.pool(x) if i > 0 else x, training=training)
        return self.flatten(x)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        cells = 1
        for side in input_shape[1:3]:
            if side is None:
                return (input_shape[0], None)
            cells *= -(-side // 8)
        return (input_shape[0], cells * self.convs[-1].filters)

    def get_config(self) -> Config:
        return {**super().get_config(), "width": self.width}
