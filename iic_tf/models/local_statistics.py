"""Hand-made features of pixels: means and standard deviations of their surroundings."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from iic_tf.annotations import Tensor

WINDOWS = (5, 11, 21)
"""Sides of the square windows, in pixels."""

SMALLEST_VARIANCE = 1e-4
"""Added to variances: below 0.01 of the range of values, spread says nothing."""


def local_statistics(x: Tensor, windows: Sequence[int] = WINDOWS) -> Tensor:
    """The bands themselves, then of each window their means and their standard deviations.

    The standard deviation is √(variance + 1e-4). Windows are centred on their pixel; at borders
    they take the part inside the image. Exported to ONNX as it is.

    Args:
        x: float32 `[batch, height, width, channels]` in 0 to 1.
        windows: odd sides, pixels.

    Returns:
        float32 `[batch, height, width, statistic_count(channels, windows)]`: the bands, then of
        each window the bands' means and their standard deviations.
    """
    x = tf.cast(x, tf.float32)
    # E v² − (E v)² loses digits where the mean is large: values are taken from the middle of their
    # range, which leaves differences of 1e-7 beside 1e-4.
    centred = x - 0.5
    # Both in one pass, for a pool takes longer to be called than to be computed.
    pair = tf.concat([centred, tf.square(centred)], -1)
    found = [x]
    for side in windows:
        mean, square = tf.split(box_means(pair, side), 2, axis=-1)
        variance = tf.maximum(square - tf.square(mean), 0.0)
        found += [mean + 0.5, tf.sqrt(variance + SMALLEST_VARIANCE)]
    return tf.concat(found, -1)


def box_means(x: Tensor, side: int) -> Tensor:
    """Means over windows of side × side pixels, of the part inside the image.

    By rows, then by columns: 2·side instead of side² additions a pixel.

    Args:
        x: float `[batch, height, width, channels]`.
        side: odd, pixels.
    """
    # TensorFlow's pool counts what is inside at borders with SAME, as ONNX' does.
    rows = tf.nn.avg_pool2d(x, (side, 1), 1, "SAME")
    return tf.nn.avg_pool2d(rows, (1, side), 1, "SAME")


def statistic_count(channels: int, windows: Sequence[int] = WINDOWS) -> int:
    """How many statistics there are of a pixel."""
    return channels * (1 + 2 * len(windows))


def statistics_radius(windows: Sequence[int] = WINDOWS) -> int:
    """How far, in pixels, a pixel's statistics depend on others."""
    return max(windows, default=1) // 2
