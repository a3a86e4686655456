"""Draws within a step that depend on (epoch, number) alone, whoever makes them and how often.

So replicas, micro-batches and resumed runs draw the same. No state, no seed: runs of other seeds
are of other crops.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from iic_tf.annotations import Tensor

_STEPS = ((16, 0x7FEB352D), (15, 0x846CA68B))


def uniform(epochs: Tensor, numbers: Tensor, count: int, purpose: int) -> Tensor:
    """Numbers from 0 to below 1 for each pair of a batch.

    Args:
        epochs: int32 `[batch]`.
        numbers: int32 `[batch]`, that of each pair within its epoch.
        count: how many.
        purpose: what for; another one gives other numbers.

    Returns:
        float32 `[batch, count]`, multiples of 2⁻²⁴.
    """
    mixed = _mixed(tf.range(count, dtype=tf.int32)[None])
    drawn_by = (
        tf.reshape(numbers, (-1, 1)),
        tf.reshape(epochs, (-1, 1)),
        tf.constant([[purpose]]),
    )
    for value in drawn_by:
        mixed = _mixed(tf.bitwise.bitwise_xor(mixed, _mixed(tf.cast(value, tf.int32) + 1)))
    # 24 bits are what a float32 holds exactly.
    return tf.cast(tf.bitwise.right_shift(mixed, tf.constant(8, tf.uint32)), tf.float32) / 2.0**24


def normal(epochs: Tensor, numbers: Tensor, count: int, purpose: int) -> Tensor:
    """Normal numbers of mean 0 and variance 1 (Box and Muller); the rest as `uniform`'s."""
    radius = tf.sqrt(-2.0 * tf.math.log(1.0 - uniform(epochs, numbers, count, purpose)))
    return radius * tf.cos(2 * np.pi * uniform(epochs, numbers, count, purpose + 1))


def _mixed(numbers: Tensor) -> Tensor:
    """A hash of 32 bits (the finaliser of murmur hashes, with Wellons' constants)."""
    x = tf.cast(numbers, tf.uint32)
    for shift, factor in _STEPS:
        x = tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(shift, tf.uint32)))
        x = x * tf.constant(factor, tf.uint32)
    return tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(16, tf.uint32)))
