"""Convolutions of small maps with as few products as can be."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

LEAST_CHANNELS = {(2, 3): 1, (3, 5): 1, (4, 3): 64, (8, 3): 64}
"""Lengths of rows and of kernels that gain, and from how many channels on.

Longer rows lose in sums what products they save, or nearly so. Below 64 channels rows of eight do
too; those of four would gain, but convolutions are cheap there and their rounding is spared.
"""


def gains(size: Sequence[int], kernel: Sequence[int]) -> bool:
    """Whether maps of height and width `size` gain by `minimal_convolution` with such a kernel.

    Args:
        size: h, w.
        kernel: its shape, `[kh, kw, channels, filters]`.
    """
    rows = list(zip(size, kernel[:2], strict=True))
    return all(row in LEAST_CHANNELS for row in rows) and min(kernel[2:]) >= max(
        LEAST_CHANNELS[row] for row in rows
    )


def minimal_convolution(x: Any, kernel: Any) -> Any:
    """SAME convolution of a small map by an odd kernel, on sums of inputs and sums of taps.

    Winograd: Arithmetic complexity of computations, 1980; Lavin, Gray: Fast algorithms for
    convolutional neural networks, 2016, section 4. Four neighbouring outputs under three taps need
    six products instead of twelve. Rows of two under three taps and of three under five, where each
    output sees the whole row, are products with a Toeplitz matrix: three instead of four and six
    instead of nine. So 3×3 kernels take 36 products instead of 144 for each sixteen cells of a map,
    9 of 36 on a 2×2 map, and 5×5 kernels 36 of 225 on a 3×3 map. In float32 outputs and gradients
    are those of a convolution within a few millionths of the largest.

    Args:
        x: `[batch, h, w, channels]`, h and w known.
        kernel: `[kh, kw, channels, filters]`; (h, kh) and (w, kw) each 2 and 3, 3 and 5, or a
            multiple of four and 3.

    Returns:
        `[batch, h, w, filters]`, of the type of `x`.
    """
    _, h, w, channels = x.shape
    kh, kw, _, filters = kernel.shape
    sums = [tf.constant(matrix, x.dtype) for matrix in _sums_of_maps((h, kh), (w, kw))]
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
        taps = tf.reshape(tf.matmul(of_taps, tf.reshape(kernel, (kh * kw, -1))),
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
def _sums_of_maps(rows: tuple[int, int], columns: tuple[int, int]) -> tuple[Any, Any, Any]:
    """What `_sums_of_row` returns, for maps and kernels of (length, taps) along both axes.

    Sums of inputs `[kinds · tiles, h · w]`, of taps `[kinds, kh · kw]` and of products
    `[h · w, kinds · tiles]`.
    """
    along = [_sums_of_row(*axis) for axis in (rows, columns)]
    (in_rows, taps_rows, out_rows), (in_cols, taps_cols, out_cols) = along
    kinds, tiles = len(taps_rows) * len(taps_cols), in_rows.shape[1] * in_cols.shape[1]
    inputs = np.einsum("atr,bsc->abtsrc", in_rows, in_cols)
    taps = np.einsum("ai,bj->abij", taps_rows, taps_cols)
    outputs = np.einsum("rat,cbs->rcabts", out_rows, out_cols)
    return (
        inputs.reshape(kinds * tiles, -1),
        taps.reshape(kinds, -1),
        outputs.reshape(-1, kinds * tiles),
    )


def _sums_of_row(length: int, taps: int) -> tuple[Any, Any, Any]:
    """Out = outputs · ((taps · kernel) ∗ (inputs · row)), ∗ going number by number.

    Returns:
        Inputs `[kinds, tiles, length]`, taps `[kinds, taps]`, outputs `[length, kinds, tiles]`.
    """
    if (length, taps) in _TOEPLITZ:
        inputs, sums, outputs = (np.array(m, "float64") for m in _TOEPLITZ[length, taps])
        return inputs[:, None], sums, outputs[..., None]
    if taps != 3 or length % 4:
        raise ValueError(f"There are no sums for rows of {length} under {taps} taps.")
    tiles = length // 4
    of_six, sums, of_four = _winograd()
    inputs = np.zeros((6, tiles, length + 2))
    outputs = np.zeros((length, 6, tiles))
    for tile in range(tiles):
        inputs[:, tile, 4 * tile : 4 * tile + 6] = of_six
        outputs[4 * tile : 4 * tile + 4, :, tile] = of_four
    return inputs[..., 1:-1], sums, outputs


def _winograd() -> tuple[Any, Any, Any]:
    """Sums for four outputs under three taps: inputs `[6, 6]`, taps `[6, 3]`, outputs `[4, 6]`.

    Polynomials are multiplied at five points and at infinity, and that is transposed. These points,
    a pair and its inverses, leave less than half the rounding of the usual 0, ±1, ±2 (as Barabasz
    et al.: Error analysis and improving the accuracy of Winograd convolution, 2020, search them).
    """
    points = np.array([0, 3 / 4, -3 / 4, 4 / 3, -4 / 3])

    def values(coefficients: int) -> Any:
        at_infinity = np.eye(coefficients)[-1:]
        return np.concatenate([points[:, None] ** np.arange(coefficients), at_infinity])

    return np.linalg.inv(values(6)).T, values(3), values(4).T


_TOEPLITZ = {
    (2, 3): (
        [[1, 1], [0, 1], [1, 0]],
        [[0, 1, 0], [0, -1, 1], [1, -1, 0]],
        [[1, 1, 0], [1, 0, 1]],
    ),
    (3, 5): (
        [[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 1, 0], [-1, 0, 1], [0, -1, 1]],
        [
            *([1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1]),
            *([0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0]),
        ],
        [[0, 0, 1, 0, -1, -1], [0, 1, 0, -1, 0, 1], [1, 0, 0, 1, 1, 0]],
    ),
}
"""Rows that every output sees all of: sums of inputs, of taps, and of their products."""
