"""What clusters tell of the crop that a pixel lies in, and not of what the image shows there."""

from __future__ import annotations

from keras import ops

from iic_tf.annotations import Tensor
from iic_tf.errors import expected
from iic_tf.losses.information import TINY


def crop_sums(p: Tensor, mask: Tensor | None = None) -> Tensor:
    """What `crop_information` is a function of, to be added up over batches.

    With n_i the pixels of crop i that count and m_i their mean probabilities:
    Σ_i n_i m_i (one number a cluster), Σ_i n_i H(m_i) and Σ_i n_i.

    Args:
        p: probabilities `[batch, height, width, clusters]`, a crop each.
        mask: the share by which pixels count, `[batch, height, width]`; None: all do.

    Returns:
        float32 `[clusters + 2]`.

    Raises:
        InputError: another rank.
    """
    p = ops.cast(ops.convert_to_tensor(p), "float32")
    if len(p.shape) != 4:
        raise expected("maps [batch, height, width, clusters]", tuple(p.shape), "p.shape")
    weight = ops.ones_like(p[..., 0]) if mask is None else ops.cast(mask, "float32")
    count = ops.sum(weight, axis=(1, 2))
    summed = ops.sum(p * weight[..., None], axis=(1, 2))
    means = summed / ops.where(count > 0, count, 1.0)[:, None]
    within = ops.sum(count * _entropy(means))
    return ops.concatenate([ops.sum(summed, axis=0), ops.stack([within, ops.sum(count)])])


def crop_information(sums: Tensor) -> Tensor:
    """I(z; crop) = H(Σ_i w_i m_i) − Σ_i w_i H(m_i), in nats, w_i = n_i / Σ n.

    How much a pixel's cluster tells of the crop that it lies in. A cluster that says which image it
    is in is as predictable from a neighbour as one that says what the image shows there: beside
    the objective's information, this says how much of it is the first kind.

    Args:
        sums: `[..., clusters + 2]`, what `crop_sums` returns, or a sum of such.

    Returns:
        `[...]`, between 0 and ln clusters; 0 where nothing counts.

    Examples:
        >>> import numpy as np
        >>> p = np.zeros((2, 4, 4, 2), "float32")
        >>> p[0, ..., 0] = p[1, ..., 1] = 1          # each crop is a cluster of its own
        >>> round(float(crop_information(crop_sums(p))), 4)
        0.6931
    """
    summed, within, count = sums[..., :-2], sums[..., -2], sums[..., -1]
    total = ops.where(count > 0, count, 1.0)
    found = _entropy(summed / total[..., None]) - within / total
    # Below 0 by rounding alone.
    return ops.maximum(found, 0.0)


def _entropy(p: Tensor) -> Tensor:
    return -ops.sum(p * ops.log(ops.maximum(p, TINY)), axis=-1)
