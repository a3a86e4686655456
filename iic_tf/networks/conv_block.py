"""Convolution, batch normalisation, ReLU: the brick of the paper's networks."""

from __future__ import annotations

from typing import Any

import keras

from iic_tf.annotations import Config, Tensor
from iic_tf.networks.batch_norm import BatchNorm

BN_MOMENTUM = 0.9
BN_EPSILON = 1e-5


@keras.saving.register_keras_serializable("iic_tf")
class ConvBlock(keras.layers.Layer):  # type: ignore[misc]
    """A k×k convolution without bias, BatchNormalization, ReLU; the map keeps its size.

    A dilated convolution is written as explicit padding and a VALID one: Keras' own SAME with a
    dilation and a size known only at run time becomes dozens of nodes in ONNX. So is one with a
    stride: Keras' own SAME would centre it between pixels, here it is centred on every
    stride-th pixel from the first.

    Args:
        filters: output channels.
        kernel_size: odd.
        dilation: distance of the kernel's taps, in pixels.
        stride: distance of the outputs, in pixels; not together with a dilation.
        activate: whether a ReLU follows.
        normalise: whether BatchNormalization is there.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        dilation: int = 1,
        stride: int = 1,
        activate: bool = True,
        normalise: bool = True,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.stride = stride
        self.activate = activate
        self.normalise = normalise
        padded = kernel_size > 1 and (dilation > 1 or stride > 1)
        self.pad = (
            keras.layers.ZeroPadding2D(dilation * (kernel_size // 2), dtype=self.dtype_policy)
            if padded
            else None
        )
        self.conv = keras.layers.Conv2D(
            filters,
            kernel_size,
            strides=stride,
            padding="valid" if padded else "same",
            dilation_rate=dilation,
            use_bias=False,
            kernel_initializer="he_normal",
            dtype=self.dtype_policy,
        )
        self.norm = (
            BatchNorm(
                momentum=BN_MOMENTUM, epsilon=BN_EPSILON, synchronized=True, dtype=self.dtype_policy
            )
            if normalise
            else None
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # The size is left open: the convolution sees the padded one.
        self.conv.build((input_shape[0], None, None, input_shape[-1]))
        if self.norm is not None:
            self.norm.build(self.compute_output_shape(input_shape))
        self.built = True

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """`[batch, height, width, channels]` → `[batch, height, width, filters]`.

        With a stride, height and width are divided by it and rounded up.
        """
        if self.pad is not None:
            x = self.pad(x)
        x = self.conv(x)
        if self.norm is not None:
            x = self.norm(x, training=training)
        return keras.ops.relu(x) if self.activate else x

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        sides = [None if s is None else -(-s // self.stride) for s in input_shape[1:3]]
        return (input_shape[0], *sides, self.filters)

    def get_config(self) -> Config:
        names = ("filters", "kernel_size", "dilation", "stride", "activate", "normalise")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
