"""SIFT's descriptors of a grid of places, as TensorFlow ops that export as they are.

Lowe: Distinctive image features from scale-invariant keypoints, IJCV 60(2), 2004; upright, of one
scale.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from iic_tf.annotations import Tensor

ORIENTATIONS, BINS = 8, 4
"""Of gradients; and of cells along each side of a descriptor."""
SIZE = BINS * BINS * ORIENTATIONS
CLIP = 0.2
LEAST = 1e-3
"""A descriptor of a smaller length, in 0 to 1 a pixel, is that of an even place: nearly zero."""


def sift_normalise(descriptors: Tensor) -> Tensor:
    """Descriptors `[..., d]` to length 1, clipped at 0.2, to length 1 again; zeros stay."""
    unit = descriptors / _length(descriptors, LEAST)
    clipped = tf.minimum(unit, CLIP)
    return clipped / _length(clipped, 1e-6)


def _length(vectors: Tensor, least: float) -> Tensor:
    squares = tf.reduce_sum(tf.square(vectors), axis=-1, keepdims=True)
    return tf.maximum(tf.sqrt(squares), least)


def dense_sift(x: Tensor, cell: int) -> Tensor:
    """Descriptors of places `cell` pixels apart, each of 4×4 bins of `cell` pixels around.

    Gradients of grey are counted by 8 orientations, linearly between neighbouring ones, and by
    bins, bilinearly; bins count by a Gaussian of half the descriptor's width.

    Args:
        x: float32 `[batch, height, width, channels]` in 0 to 1; grey is the mean of the first three
            bands, or of all of fewer.
        cell: pixels, 1 or more.

    Returns:
        float32 `[batch, ⌈height/cell⌉, ⌈width/cell⌉, 128]`, of length 1; even
        places are nearly 0.
    """
    maps = oriented(tf.reduce_mean(tf.cast(x, tf.float32)[..., :3], axis=-1))
    height, width = tf.shape(x)[1], tf.shape(x)[2]
    rows, columns = -(-height // cell), -(-width // cell)
    # Bins stand at the cells' corners, of which a descriptor has 16 around its own cell.
    below, right = (rows + 2) * cell - height, (columns + 2) * cell - width
    padding = [[0, 0], [2 * cell, below], [2 * cell, right], [0, 0]]
    # Twice the cell less half a pixel to either side of the corner.
    away = np.abs(np.arange(2 * cell) - cell + 0.5)
    weights = np.maximum(1 - away / cell, 0).astype(np.float32)
    kernel = np.tile((weights[:, None] * weights)[..., None, None], (1, 1, ORIENTATIONS, 1))
    strides = (1, cell, cell, 1)
    bins = tf.nn.depthwise_conv2d(tf.pad(maps, padding), kernel, strides, "VALID")
    found = []
    for i in range(BINS):
        for j in range(BINS):
            off = ((i - 1.5) ** 2 + (j - 1.5) ** 2) / (2 * (BINS / 2) ** 2)
            part = bins[:, i : rows + i, j : columns + j]
            found.append(part * math.exp(-off))
    return sift_normalise(tf.concat(found, axis=-1))


def oriented(grey: Tensor) -> Tensor:
    """Sizes of gradients by orientation, `[batch, height, width]` → `[..., 8]`.

    Orientation k is 45° · k from the right, downwards; what lies between two counts for both.
    """
    middle = tf.concat([grey[:, :1], grey, grey[:, -1:]], axis=1)
    down = (middle[:, 2:] - middle[:, :-2]) / 2
    middle = tf.concat([grey[:, :, :1], grey, grey[:, :, -1:]], axis=2)
    right = (middle[:, :, 2:] - middle[:, :, :-2]) / 2
    a, b = tf.abs(right), tf.abs(down)
    large, small = tf.maximum(a, b), tf.minimum(a, b)
    # Within 45° of the nearest axis; no atan2, which ONNX lacks.
    share = tf.atan(small / tf.maximum(large, 1e-12)) * (4 / math.pi)
    size = tf.sqrt(tf.square(right) + tf.square(down))
    on_axis, between = size * (1 - share), size * share
    flat = a >= b
    zero = tf.zeros_like(size)

    def where(condition: Tensor, value: Tensor) -> Tensor:
        return tf.where(condition, value, zero)

    return tf.stack(
        [
            where(flat & (right > 0), on_axis),
            where((right > 0) & (down > 0), between),
            where(~flat & (down > 0), on_axis),
            where((right < 0) & (down > 0), between),
            where(flat & (right < 0), on_axis),
            where((right < 0) & (down < 0), between),
            where(~flat & (down < 0), on_axis),
            where((right > 0) & (down < 0), between),
        ],
        axis=-1,
    )
