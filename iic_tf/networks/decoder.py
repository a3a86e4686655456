"""A small network that paints an image from its map of classes."""

from __future__ import annotations

from typing import Any

import keras

from iic_tf.annotations import Config, Tensor
from iic_tf.networks.widths import widened

FILTERS = 64


@keras.saving.register_keras_serializable("iic_tf")
class Decoder(keras.layers.Layer):  # type: ignore[misc]
    """3×3 convolution 64, ReLU, 3×3 convolution to the bands of the image.

    W-Net (Xia & Kulis, 2017) has a whole U-Net here; a small one must take more from the classes.

    Args:
        channels: bands of the images.
        width: factor of the 64.
    """

    def __init__(self, channels: int, width: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.channels = channels
        self.width = width
        (filters,) = widened((FILTERS,), width)
        self.inner = keras.layers.Conv2D(
            *(filters, 3),
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            dtype=self.dtype_policy,
        )
        self.outer = keras.layers.Conv2D(channels, 3, padding="same", dtype=self.dtype_policy)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.inner.build(input_shape)
        self.outer.build(self.inner.compute_output_shape(input_shape))
        self.built = True

    def call(self, probabilities: Tensor) -> Tensor:
        """`[batch, height, width, clusters]` → float32 `[batch, height, width, channels]`."""
        return keras.ops.cast(self.outer(self.inner(probabilities)), "float32")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.channels)

    def get_config(self) -> Config:
        return {**super().get_config(), "channels": self.channels, "width": self.width}
