"""Three fully connected layers: DEC's encoder of small images."""

from __future__ import annotations

from typing import Any, ClassVar

import keras

from iic_tf.annotations import Config, Tensor
from iic_tf.networks.widths import widened

UNITS = (500, 500, 2000)


@keras.saving.register_keras_serializable("iic_tf")
class FullyConnected(keras.layers.Layer):  # type: ignore[misc]
    """Layers of 500, 500 and 2,000 units with ReLU on all numbers of an image.

    Xie, Girshick, Farhadi: Unsupervised Deep Embedding for Clustering Analysis, ICML 2016, section
    4.2, without the last linear layer, which is the embedding. It serves images of the size that it
    was built for.

    Args:
        width: factor of the numbers of units.
    """

    stride: ClassVar[int] = 1

    def __init__(self, width: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width
        self.flatten = keras.layers.Flatten(dtype=self.dtype_policy)
        self.layers = [
            keras.layers.Dense(units, "relu", dtype=self.dtype_policy)
            for units in widened(UNITS, width)
        ]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = self.flatten.compute_output_shape(input_shape)
        for layer in self.layers:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.built = True

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """`[batch, height, width, channels]` → `[batch, units of the last layer]`."""
        x = self.flatten(x)
        for layer in self.layers:
            x = layer(x)
        return x

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.layers[-1].units)

    def get_config(self) -> Config:
        return {**super().get_config(), "width": self.width}
