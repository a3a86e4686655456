"""The residual block of network A and of InfoSeg."""

from __future__ import annotations

from typing import Any

import keras

from iic_tf.annotations import Config, Tensor
from iic_tf.networks.conv_block import ConvBlock


@keras.saving.register_keras_serializable("iic_tf")
class BasicBlock(keras.layers.Layer):  # type: ignore[misc]
    """Two convolutions beside a shortcut: ReLU(BN(conv(ReLU(BN(conv(x))))) + shortcut(x)).

    He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, 2016, figure 2 and the 18-
    and 34-layer columns of table 1. The shortcut is the input itself or, where the shape changes,
    a 1×1 convolution with BatchNormalization.

    Args:
        filters: output channels.
        stride: of the first convolution and of the shortcut; 2 halves the map, rounded up.
        kernel_size: of both convolutions, odd.
        activate: whether the last ReLU is there.
        normalise: whether both summands are normalised; the first convolution is in any case.
    """

    def __init__(
        self,
        filters: int,
        stride: int = 1,
        kernel_size: int = 3,
        activate: bool = True,
        normalise: bool = True,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.stride = stride
        self.kernel_size = kernel_size
        self.activate = activate
        self.normalise = normalise
        policy = self.dtype_policy
        self.first = ConvBlock(filters, kernel_size, stride=stride, dtype=policy)
        self.second = ConvBlock(
            filters,
            kernel_size,
            activate=False,
            normalise=normalise,
            dtype=policy,
        )
        self.shortcut: ConvBlock | None = None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.first.build(input_shape)
        self.second.build(self.first.compute_output_shape(input_shape))
        if self.stride != 1 or input_shape[-1] != self.filters:
            self.shortcut = ConvBlock(
                self.filters,
                1,
                stride=self.stride,
                activate=False,
                normalise=self.normalise,
                dtype=self.dtype_policy,
            )
            self.shortcut.build(input_shape)
        self.built = True

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """`[batch, h, w, channels]` → `[batch, ⌈h/stride⌉, ⌈w/stride⌉, filters]`."""
        deep = self.second(self.first(x, training=training), training=training)
        beside = x if self.shortcut is None else self.shortcut(x, training=training)
        return keras.ops.relu(deep + beside) if self.activate else deep + beside

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return self.first.compute_output_shape(input_shape)

    def get_config(self) -> Config:
        names = ("filters", "stride", "kernel_size", "activate", "normalise")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
