"""Convolutions of small maps with strides, as one matrix product."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

MOST_CELLS = 16
"""Output cells up to which the product gains; beyond, gathering the patches costs more."""


def gains(size: Sequence[int], kernel: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether maps of height and width `size` gain by `patch_convolution`.

    Args:
        size: h, w.
        kernel: kh, kw.
        strides: in rows and columns; without any, other ways are better (iic_tf.networks.conv).
    """
    outputs = _outputs(size, kernel, strides)
    return min(strides) > 1 and min(outputs) > 0 and math.prod(outputs) <= MOST_CELLS


def patch_convolution(x: Any, kernel: Any, strides: Sequence[int]) -> Any:
    """VALID convolution: each output is the product of the patch that it sees with the kernel.

    Libraries are slow at strides over maps of few cells: with 256 channels on 6×6 cells and 512
    filters this takes half the time in float32, gradients included, on a CPU, and less than a
    quarter in bfloat16. In lower precisions what a patch gives back is rounded before it is summed.

    Args:
        x: `[batch, h, w, channels]`, h and w known.
        kernel: `[kh, kw, channels, filters]`.
        strides: in rows and columns.

    Returns:
        `[batch, (h − kh) // stride + 1, (w − kw) // stride + 1, filters]`, of the type of `x`.
    """
    _, h, w, channels = x.shape
    kh, kw, _, filters = kernel.shape
    outputs = _outputs((h, w), (kh, kw), strides)
    seen = _cells_seen((h, w), (kh, kw), strides)
    # One where a cell of the map (row) stands at a place of a patch (column).
    places = tf.constant(np.arange(h * w)[:, None] == seen[None], x.dtype)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def convolve(x: Any, kernel: Any) -> tuple[Any, Any]:
        taps = tf.reshape(kernel, (-1, filters))
        patches = tf.gather(tf.reshape(x, (-1, h * w, channels)), seen, axis=1)
        patches = tf.reshape(patches, (-1, kh * kw * channels))
        out = tf.reshape(tf.matmul(patches, taps), (-1, *outputs, filters))

        def gradient(slope: Any) -> tuple[Any, Any]:
            slopes = tf.reshape(slope, (-1, filters))
            to_taps = tf.matmul(patches, slopes, transpose_a=True)
            to_patches = tf.matmul(slopes, taps, transpose_b=True)
            to_patches = tf.reshape(to_patches, (-1, len(seen), channels))
            to_x = tf.reshape(tf.matmul(places[None], to_patches), (-1, h, w, channels))
            return to_x, tf.reshape(to_taps, kernel.shape)

        return out, gradient

    return convolve(x, kernel)


def _outputs(size: Sequence[int], kernel: Sequence[int], strides: Sequence[int]) -> list[int]:
    sides = zip(size, kernel, strides, strict=True)
    return [(side - taps) // stride + 1 for side, taps, stride in sides]


def _cells_seen(size: Sequence[int], kernel: Sequence[int], strides: Sequence[int]) -> Any:
    """Number of the cell at each place of each patch, patch by patch, `[patches · kh · kw]`."""
    outputs = _outputs(size, kernel, strides)
    rows, columns = (
        stride * np.arange(count)[:, None] + np.arange(taps)
        for stride, count, taps in zip(strides, outputs, kernel, strict=True)
    )
    return (rows[:, None, :, None] * size[1] + columns[None, :, None, :]).ravel()
