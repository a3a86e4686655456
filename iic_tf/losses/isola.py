"""Isola's objective: whether two places belong together, a logistic regression."""

from __future__ import annotations

import tensorflow as tf

from iic_tf.annotations import Tensor


def near_sums(logits: Tensor, near: Tensor, counted: Tensor) -> Tensor:
    """The binary cross-entropy of pairs that are near or far, summed, and how many count.

    −C ln σ(w) − (1 − C) ln(1 − σ(w)), C = 1 near, 0 far. Where near and far pairs are as many,
    and what two far places show is independent, its lowest value over functions w of a pair is at
    the pointwise mutual information, w(A, B) = ln P(A, B | C = 1) / (P(A) P(B)) (Isola, Zoran,
    Krishnan, Adelson: Learning visual groups from co-occurrences in space and time, 2015).

    Args:
        logits: w of each pair, float `[n]`.
        near: 1 for near pairs, 0 for far ones, `[n]`.
        counted: what each pair counts, `[n]`, 0 or more.

    Returns:
        float64 `[2]`: Σ counted · loss, Σ counted.

    Examples:
        >>> from iic_tf.losses.isola import near_sums
        >>> total, count = near_sums([2.0, -1.0], [1.0, 0.0], [1.0, 1.0]).numpy()
        >>> round(float(total / count), 4)
        0.2201
    """
    logits = tf.cast(logits, tf.float32)
    losses = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(near, tf.float32), logits)
    counted = tf.cast(counted, tf.float64)
    total = tf.reduce_sum(tf.cast(losses, tf.float64) * counted)
    return tf.stack([total, tf.reduce_sum(counted)])
