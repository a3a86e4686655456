"""Convolution, batch normalisation, ReLU: the brick of the paper's networks."""

from __future__ import annotations

from typing import Any

import keras

BN_MOMENTUM = 0.9
BN_EPSILON = 1e-5


@keras.saving.register_keras_serializable("iic_tf")
class ConvBlock(keras.layers.Layer):  # type: ignore[misc]
    """A k×k convolution without bias, BatchNormalization, ReLU; the map keeps its size.

    A dilated convolution is written as explicit padding and a VALID one: Keras' own SAME with a
    dilation and a size known only at run time becomes dozens of nodes in ONNX.

    Args:
        filters: output channels.
        kernel_size: odd.
        dilation: distance of the kernel's taps, in pixels.
    """

    def __init__(self, filters: int, kernel_size: int = 3, dilation: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.pad = (
            keras.layers.ZeroPadding2D(dilation * (kernel_size // 2), dtype=self.dtype_policy)
            if dilation > 1
            else None
        )
        self.conv = keras.layers.Conv2D(
            filters,
            kernel_size,
            padding="valid" if dilation > 1 else "same",
            dilation_rate=dilation,
            use_bias=False,
            kernel_initializer="he_normal",
            dtype=self.dtype_policy,
        )
        self.norm = keras.layers.BatchNormalization(
            momentum=BN_MOMENTUM, epsilon=BN_EPSILON, synchronized=True, dtype=self.dtype_policy
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # The size is left open: the convolution sees the padded one.
        self.conv.build((input_shape[0], None, None, input_shape[-1]))
        self.norm.build((*input_shape[:-1], self.filters))
        self.built = True

    def call(self, x: Any, training: bool = False) -> Any:
        """`[batch, height, width, channels]` → `[batch, height, width, filters]`."""
        if self.pad is not None:
            x = self.pad(x)
        return keras.ops.relu(self.norm(self.conv(x), training=training))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        own = {k: getattr(self, k) for k in ("filters", "kernel_size", "dilation")}
        return {**super().get_config(), **own}
