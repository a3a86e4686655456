"""A mean over all cells of a scene, as sums over the windows that it is cut into."""

from __future__ import annotations

from keras import ops

from iic_tf.annotations import Tensor
from iic_tf.models.served import shrink


def cell_sums(
    cells: Tensor, step: int, valid: Tensor | None = None, core: Tensor | None = None
) -> Tensor:
    """Sums over a window's cells and, last, how many there were.

    Args:
        cells: features `[batch, ⌈height/step⌉, ⌈width/step⌉, features]`.
        step: pixels of a cell, in either direction.
        valid: what share of each pixel holds data, `[batch, height, width, 1]`: a cell counts by
            the share of its pixels; None: all hold data.
        core: top, left, height and width, int `[4]`, in pixels: cells that begin elsewhere do not
            count; None: all do.

    Returns:
        Float32 `[batch, features + 1]`. Those of windows whose cores cover a scene add up to its.
    """
    cells = ops.cast(cells, "float32")
    weight = ops.ones_like(cells[..., :1])
    if valid is not None:
        weight = shrink(ops.cast(valid, "float32"), step)
    if core is not None:
        # By weights, not by a slice: no runtime has to know where it is.
        for axis, shape in ((1, (1, -1, 1, 1)), (2, (1, 1, -1, 1))):
            first, size = core[axis - 1], core[axis + 1]
            begin = ops.arange(ops.shape(cells)[axis], dtype="int32") * step
            inside = ops.logical_and(begin >= first, begin < first + size)
            weight = weight * ops.reshape(ops.cast(inside, "float32"), shape)
    parts = (ops.sum(cells * weight, axis=(1, 2)), ops.sum(weight, axis=(1, 2)))
    return ops.concatenate(parts, axis=-1)


def mean_of_sums(sums: Tensor) -> Tensor:
    """`[batch, features + 1]` → `[batch, features]`; 0 where nothing was counted."""
    count = sums[:, -1:]
    return sums[:, :-1] / ops.where(count > 0, count, 1.0)
