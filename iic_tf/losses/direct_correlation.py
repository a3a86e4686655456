"""Correlation of two maps at a few displacements, straight from its definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras import ops

from iic_tf.annotations import Tensor


def direct_correlation(p: Tensor, q: Tensor, reach: tuple[int, int]) -> Tensor:
    """`[(2 T_y + 1)(2 T_x + 1), k, k]` of maps `[batch, height, width, k]`; (T_y, T_x) = `reach`.

    The sum is what a convolution's gradient with respect to its kernel is, for which TensorFlow
    has an operation of its own: one pass over both maps, nothing kept. Its gradients are plain
    convolutions with kernels of the window's size.
    """
    k = p.shape[-1]
    window = (2 * reach[0] + 1, 2 * reach[1] + 1)

    @ops.custom_gradient  # type: ignore[untyped-decorator]
    def correlate(p: Tensor, q: Tensor) -> tuple[Tensor, Callable[..., Any]]:
        def gradient(*arguments: Any, upstream: Tensor | None = None) -> tuple[Tensor, Tensor]:
            (gradient,) = arguments or (upstream,)
            gradient = ops.reshape(gradient, (*window, k, k))
            return (
                ops.conv(q, ops.transpose(gradient, (0, 1, 3, 2)), padding="same"),
                ops.conv(p, ops.flip(gradient, (0, 1)), padding="same"),
            )

        # [y, x, c', c]: q is the convolution's input, p the gradient of its output.
        joints = tf.raw_ops.Conv2DBackpropFilter(
            input=q,
            filter_sizes=(*window, k, k),
            out_backprop=p,
            strides=[1, 1, 1, 1],
            padding="SAME",
        )
        return ops.reshape(ops.transpose(joints, (0, 1, 3, 2)), (-1, k, k)), gradient

    return correlate(p, q)
