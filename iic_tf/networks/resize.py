"""Bringing a map back to the size of its input."""

from __future__ import annotations

import tensorflow as tf

from iic_tf.annotations import Size, Tensor


def enlarge(maps: Tensor, factor: int, height: Size, width: Size) -> Tensor:
    """Bilinear enlargement by a whole factor, then cut to `height` × `width`.

    Each cell of `maps` stands for factor × factor pixels and stays centred on them, also where the
    size is no multiple of the factor. Static sizes stay static. TensorFlow's op: Keras' own fails
    with sizes known only at run time (3.14 to 3.15).

    Args:
        maps: float `[batch, h, w, k]`.
        factor: 1 or more.
        height: rows to keep, an int or a scalar tensor, at most factor·h.
        width: columns to keep, likewise.
    """
    if factor == 1:
        return maps[:, :height, :width]
    rows = maps.shape[1] if maps.shape[1] is not None else tf.shape(maps)[1]
    columns = maps.shape[2] if maps.shape[2] is not None else tf.shape(maps)[2]
    large = tf.image.resize(maps, tf.stack([rows * factor, columns * factor]))
    return large[:, :height, :width]
