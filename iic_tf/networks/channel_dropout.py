"""Leaving out features of a whole view, the same in all its places, drawn by number."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

_STEPS = ((16, 0x7FEB352D), (15, 0x846CA68B))


def kept_channels(epochs: Any, numbers: Any, view: int, features: int, rate: float) -> Any:
    """What each feature of each view is multiplied by: 0, or 1 / (1 − rate).

    Which ones stay follows from the epoch, the number of a pair in it and which view it is alone,
    so that replicas, micro-batches and resumed runs leave out the same ones.

    Args:
        epochs: int32 `[batch]`.
        numbers: int32 `[batch]`.
        view: 0 for x; another number for each view of the same pair.
        features: how many there are.
        rate: the share that is left out, 0 to below 1.

    Returns:
        float32 `[batch, features]`.
    """
    mixed = _mixed(tf.range(features, dtype=tf.int32)[None])
    for value in (tf.reshape(numbers, (-1, 1)), tf.reshape(epochs, (-1, 1)), tf.constant([[view]])):
        mixed = _mixed(tf.bitwise.bitwise_xor(mixed, _mixed(tf.cast(value, tf.int32) + 1)))
    # 24 bits are what a float32 holds exactly.
    drawn = tf.cast(tf.bitwise.right_shift(mixed, tf.constant(8, tf.uint32)), tf.float32) / 2.0**24
    return tf.cast(drawn >= rate, tf.float32) / (1.0 - rate)


def _mixed(numbers: Any) -> Any:
    """A hash of 32 bits (the finaliser of murmur hashes, with Wellons' constants)."""
    x = tf.cast(numbers, tf.uint32)
    for shift, factor in _STEPS:
        x = tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(shift, tf.uint32)))
        x = x * tf.constant(factor, tf.uint32)
    return tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(16, tf.uint32)))
