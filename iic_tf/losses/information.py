"""The information I_λ of a joint distribution of two cluster labels."""

from __future__ import annotations

import math

from keras import ops

from iic_tf.annotations import Tensor

TINY = 1.2e-38
"""Where the logarithm's argument is clamped: the smallest normal float32."""


def total_of(joint: Tensor) -> Tensor:
    """Sum of each joint, `[..., k, k]` → `[...]`: the number of pairs that it was made of."""
    return ops.sum(joint, axis=(-2, -1))


def normalised(joint: Tensor) -> Tensor:
    """Symmetrise `joint` `[..., k, k]` and divide by its sum; all zeros stay zeros.

    IID preprint (2018) eq. 5; the symmetry follows IIC (2019) section 3.1: a pair and the same
    pair the other way round are equally likely.
    """
    symmetric = (joint + ops.swapaxes(joint, -1, -2)) / 2.0
    total = ops.sum(symmetric, axis=(-2, -1), keepdims=True)
    return symmetric / ops.where(total > 0, total, ops.ones_like(total))


def information(joint: Tensor, lamb: float = 1.0) -> Tensor:
    """I_λ = Σ P (ln P − λ ln P_row − λ ln P_col), in nats (IID preprint 2018, eq. 3).

    P is `joint` symmetrised and divided by its sum. Its marginals P_row and P_col are taken before
    anything is clamped; only the logarithm's argument is (at `TINY`), so that entries that
    underflow add 0 and have finite gradients.

    Args:
        joint: float32 or float64 `[..., k, k]`, non-negative, need not sum to one.
        lamb: λ ≥ 0. 1 is mutual information; above 1 adds (λ − 1)(H(z) + H(z')), which evens out
            the clusters' shares (supplementary material 2019, eq. 2).

    Returns:
        `[...]`. At λ = 1 between 0 and ln k; 0 where the joint is all zeros.

    Examples:
        >>> round(float(information(np.eye(4, dtype="float32"))), 4)  # ln 4
        1.3863
    """
    p = normalised(joint)
    marginal = ops.sum(p, axis=-1)
    # The symmetric P has equal marginals, so that λ ln P_row + λ ln P_col summed over P is twice
    # λ Σ P_row ln P_row.
    return _p_ln_p(p, (-2, -1)) - 2.0 * lamb * _p_ln_p(marginal, (-1,))


def most_information(clusters: int, lamb: float = 1.0) -> float:
    """The largest I_λ of `clusters` labels, in nats: the loss −I_λ never falls below minus this.

    (2λ − 1) ln k, where both views agree, are certain, and use all clusters alike; at λ = 1 it is
    ln k. Below λ = 1/2 nothing is above 0, which one cluster for everything has.

    Examples:
        >>> round(most_information(3), 4)
        1.0986
    """
    return max(0.0, 2.0 * lamb - 1.0) * math.log(clusters)


def _p_ln_p(p: Tensor, axis: tuple[int, ...]) -> Tensor:
    return ops.sum(p * ops.log(ops.maximum(p, TINY)), axis=axis)
