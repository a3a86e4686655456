"""How much the probabilities of neighbouring pixels differ."""

from __future__ import annotations

import keras
from keras import ops

from iic_tf.annotations import Tensor
from iic_tf.errors import expected


def neighbour_difference(p: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean squared difference of pixels one above the other, plus that of pixels side by side.

    Proposed, and not tried, in the SpaceNet report on unsupervised segmentation: classes of
    neighbours are drawn together. Each mean is over pairs, clusters and images.

    Args:
        p: probabilities `[batch, height, width, K]`.
        mask: the share by which pixels count, `[batch, height, width]`, bool or 0 to 1: a pair
            counts by the product of its pixels'. None means all.

    Returns:
        A scalar, float32 (float64 for float64 probabilities), between 0 and 2; 0 where there are no
        pairs.

    Raises:
        InputError: another rank.

    Examples:
        >>> stripes = np.tile(np.eye(2, dtype="float32"), (1, 4, 2, 1))  # columns differ
        >>> float(neighbour_difference(stripes))
        1.0
    """
    sums = neighbour_sums(p, mask)
    return ops.sum(sums[:, 0] / ops.maximum(sums[:, 1], 1e-30))


def neighbour_sums(p: Tensor, mask: Tensor | None = None) -> Tensor:
    """`[2, 2]`: down and across, the sum of squared differences and how many they are."""
    p = ops.convert_to_tensor(p)
    if len(p.shape) != 4:
        raise expected("probabilities [batch, height, width, clusters]", tuple(p.shape), "p.shape")
    kind = "float64" if keras.backend.standardize_dtype(p.dtype) == "float64" else "float32"
    p = ops.cast(p, kind)
    counted = ops.ones_like(p[..., 0]) if mask is None else ops.cast(mask, kind)
    sums = []
    every, but_last, but_first = slice(None), slice(None, -1), slice(1, None)
    down = (every, but_last), (every, but_first)
    across = (every, every, but_last), (every, every, but_first)
    for here, there in (down, across):
        weight = counted[here] * counted[there]
        squares = ops.sum(ops.square(p[here] - p[there]), axis=-1)
        sums.append(ops.stack([ops.sum(weight * squares), p.shape[-1] * ops.sum(weight)]))
    return ops.stack(sums)
