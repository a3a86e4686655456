"""Batches without images, which convolutions on a CPU take for something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from iic_tf.annotations import Tensor


def of_any_batch(call: Callable[[Tensor], Any], x: Tensor) -> Any:
    """`call(x)`, also where there is no image in x: then of an image of zeros, of which none stays.

    TensorFlow's kernels hand an empty batch on as it is, with as many channels as it came with, or
    fail. Where the size is known the graph stays as it is.

    Args:
        call: of `[batch, ...]`, a tensor of as many rows, or several, nested.
        x: `[batch, height, width, channels]`.
    """
    count = x.shape[0]
    if count:
        return call(x)
    if count is None:
        count = tf.shape(x)[0]
        spare = tf.cast(tf.equal(count, 0), tf.int32)
    else:
        spare = 1
    found = call(tf.pad(x, [[0, spare], *[[0, 0]] * (len(x.shape) - 1)]))
    return tf.nest.map_structure(lambda rows: rows[:count], found)
