"""Sizes that whole cells cover, and maps moved by cells; of sizes known only at run time, too."""

from __future__ import annotations

import tensorflow as tf

from iic_tf.annotations import Size, Tensor


def steps_covering(size: Size, step: int) -> Size:
    """How many steps cover a size; not −(−a // b): tf2onnx divides negative ones towards zero."""
    return (size + step - 1) // step


def mirrored_to(x: Tensor, size: Size, axis: int) -> Tensor:
    """An image as long as that along an axis, mirrored beyond its end, again and again if short."""
    own = x.shape[axis] if x.shape[axis] is not None else tf.shape(x)[axis]
    if isinstance(own, int) and isinstance(size, int) and own == size:
        return x
    period = tf.maximum(2 * (own - 1), 1)
    place = tf.range(size) % period
    return tf.gather(x, tf.minimum(place, period - place), axis=axis)


def moved_back(maps: Tensor, cells: int, height: Size, width: Size) -> Tensor:
    """Maps whose cells lie so many cells too far behind, put where they belong."""
    if cells == 0:
        return maps
    for axis, size in ((1, height), (2, width)):
        # What has moved in from beyond the border is the border's.
        place = tf.clip_by_value(tf.range(size) - cells, 0, size - 1)
        maps = tf.gather(maps, place, axis=axis)
    return maps
