"""3×3 convolutions of small maps with as few products as can be."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import tensorflow as tf

SIDES = (2, 4)
"""Maps as high and wide as these gain; larger ones lose in the sums what products they save."""


def minimal_convolution(x: Any, kernel: Any) -> Any:
    """SAME convolution by a 3×3 kernel, on sums of inputs and sums of taps.

    Winograd: Arithmetic complexity of computations, 1980; Lavin, Gray: Fast algorithms for
    convolutional neural networks, 2016, section 4.1. Two neighbouring outputs of a row need four
    products instead of six; on a row of two, where padding meets one tap of each, three instead of
    four. So a 4×4 map takes 64 of 144 products, a 2×2 map 9 of 36. Sums and differences of
    two or three numbers are all that is added to the rounding: in float32 outputs and gradients
    are those of a convolution within a few millionths of the largest.

    Args:
        x: `[batch, h, w, channels]`, h and w known and even.
        kernel: `[3, 3, channels, filters]`.

    Returns:
        `[batch, h, w, filters]`, of the type of `x`.
    """
    _, h, w, channels = x.shape
    filters = kernel.shape[-1]
    sums = [tf.constant(matrix, x.dtype) for matrix in _sums_of_maps(h, w)]
    of_inputs, of_taps, of_products = sums
    kinds = of_taps.shape[0]

    # Maps go as [position, batch · channels], so that each sum is a row of a matrix product.
    def by_position(maps: Any) -> Any:
        return tf.reshape(tf.transpose(tf.reshape(maps, (-1, h * w, maps.shape[-1])), (1, 0, 2)),
                          (h * w, -1))  # fmt: skip

    def by_image(rows: Any, last: int) -> Any:
        rows = tf.transpose(tf.reshape(rows, (h * w, -1, last)), (1, 0, 2))
        return tf.reshape(rows, (-1, h, w, last))

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def convolve(x: Any, kernel: Any) -> tuple[Any, Any]:
        taps = tf.reshape(tf.matmul(of_taps, tf.reshape(kernel, (9, -1))),
                          (kinds, channels, filters))  # fmt: skip
        inputs = tf.reshape(tf.matmul(of_inputs, by_position(x)), (kinds, -1, channels))
        products = tf.reshape(tf.matmul(inputs, taps), (of_products.shape[1], -1))
        out = by_image(tf.matmul(of_products, products), filters)

        def gradient(slope: Any) -> tuple[Any, Any]:
            slopes = tf.matmul(of_products, by_position(slope), transpose_a=True)
            slopes = tf.reshape(slopes, (kinds, -1, filters))
            to_inputs = tf.reshape(tf.matmul(slopes, taps, transpose_b=True),
                                   (of_inputs.shape[0], -1))  # fmt: skip
            to_x = by_image(tf.matmul(of_inputs, to_inputs, transpose_a=True), channels)
            to_taps = tf.reshape(tf.matmul(inputs, slopes, transpose_a=True), (kinds, -1))
            to_kernel = tf.matmul(of_taps, to_taps, transpose_a=True)
            return to_x, tf.reshape(to_kernel, kernel.shape)

        return out, gradient

    return convolve(x, kernel)


@functools.cache
def _sums_of_maps(h: int, w: int) -> tuple[Any, Any, Any]:
    """What `_sums_of_row` returns, for maps.

    Sums of inputs `[kinds · tiles, h · w]`, of taps `[kinds, 9]` and of products
    `[h · w, kinds · tiles]`.
    """
    (in_rows, taps_rows, out_rows), (in_cols, taps_cols, out_cols) = map(_sums_of_row, (h, w))
    kinds, tiles = len(taps_rows) * len(taps_cols), in_rows.shape[1] * in_cols.shape[1]
    inputs = np.einsum("atr,bsc->abtsrc", in_rows, in_cols)
    taps = np.einsum("ai,bj->abij", taps_rows, taps_cols)
    outputs = np.einsum("rat,cbs->rcabts", out_rows, out_cols)
    return (
        inputs.reshape(kinds * tiles, h * w),
        taps.reshape(kinds, 9),
        outputs.reshape(h * w, kinds * tiles),
    )


def _sums_of_row(side: int) -> tuple[Any, Any, Any]:
    """Out = outputs · ((taps · kernel) ∗ (inputs · row)), ∗ going number by number.

    Args:
        side: even.

    Returns:
        Inputs `[kinds, tiles, side]`, taps `[kinds, 3]` and outputs `[side, kinds, tiles]`.
    """
    if side == 2:
        # The outermost taps meet nothing but padding at one end each.
        inputs = np.array([[1, 1], [0, 1], [1, 0]], "float64")[:, None]
        taps = np.array([[0, 1, 0], [0, -1, 1], [1, -1, 0]], "float64")
        outputs = np.array([[1, 1, 0], [1, 0, 1]], "float64")[..., None]
        return inputs, taps, outputs
    tiles = side // 2
    of_four = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], "float64")
    taps = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], "float64")
    of_pair = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], "float64")
    inputs = np.zeros((4, tiles, side + 2))
    outputs = np.zeros((side, 4, tiles))
    for tile in range(tiles):
        inputs[:, tile, 2 * tile : 2 * tile + 4] = of_four
        outputs[2 * tile : 2 * tile + 2, :, tile] = of_pair
    return inputs[..., 1:-1], taps, outputs
