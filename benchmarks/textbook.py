"""The objective as the papers formulate it, in TensorFlow: one convolution as large as the image.

Pairs become channels, one view the kernels: `[k, H, W, n]` convolved with `[H, W, n, k]`.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

TINY = 1.2e-38


def textbook_loss(p: Any, q: Any, radius: int, spelling: str) -> Any:
    """−mean_t I(P_t) of probabilities `[n, height, width, k]`, uncollapsed, λ = 1.

    `spelling`: padding `inside` the convolution or `before` it; which of them is faster differs
    from case to case.
    """
    images, kernels = tf.transpose(p, (3, 1, 2, 0)), tf.transpose(q, (1, 2, 0, 3))
    margin = [[0, 0], [radius, radius], [radius, radius], [0, 0]]
    if spelling == "inside":
        joints = tf.nn.conv2d(images, kernels, 1, margin)
    else:
        joints = tf.nn.conv2d(tf.pad(images, margin), kernels, 1, "VALID")
    joints = tf.transpose(joints, (1, 2, 0, 3))
    joints = (joints + tf.linalg.matrix_transpose(joints)) / 2
    joints /= tf.reduce_sum(joints, (-2, -1), keepdims=True)
    rows = tf.reduce_sum(joints, -1, keepdims=True)
    columns = tf.reduce_sum(joints, -2, keepdims=True)
    inside = _log(joints) - _log(rows) - _log(columns)
    return -tf.reduce_mean(tf.reduce_sum(joints * inside, (-2, -1)))


def _log(x: Any) -> Any:
    return tf.math.log(tf.maximum(x, TINY))
