"""Showing a network more than there is: an image mirrored at its border."""

from __future__ import annotations

from keras import ops

from iic_tf.annotations import Tensor


def mirrored(x: Tensor, margin: int) -> Tensor:
    """`[batch, height, width, c]` → `[batch, height + 2 margin, width + 2 margin, c]`.

    The border itself is not repeated. Any size will do, down to one pixel, also one below the
    margin (mirrored again and again) or known only at run time.
    """
    for axis in (1, 2):
        # By indices: padding by mirrors asks for more pixels than the margin.
        size = ops.shape(x)[axis]
        period = ops.maximum(2 * (size - 1), 1)
        place = (ops.arange(-margin, size + margin, dtype="int32") + margin * period) % period
        x = ops.take(x, ops.minimum(place, period - place), axis=axis)
    return x
