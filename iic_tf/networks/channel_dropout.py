"""Leaving out features of a whole view, the same in all its places, drawn by number."""

from __future__ import annotations

import tensorflow as tf

from iic_tf.annotations import Tensor
from iic_tf.views.numbered_draws import uniform


def kept_channels(epochs: Tensor, numbers: Tensor, view: int, features: int, rate: float) -> Tensor:
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
    drawn = uniform(epochs, numbers, features, view)
    return tf.cast(drawn >= rate, tf.float32) / (1.0 - rate)
