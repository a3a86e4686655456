"""Deep adaptive clustering: pairs of images are told to be alike or not, where that is plain.

Chang, Wang, Meng, Xiang, Pan: Deep Adaptive Image Clustering, ICCV 2017.
"""

from __future__ import annotations

from keras import ops

from iic_tf.annotations import Size, Tensor

UPPER, LOWER = 0.95, 0.455
"""u(0) and l(0)."""

MOST_LAMBDA = 0.45
"""Where u and l meet, at 0.5."""

LEAST = 1e-7
"""Similarities are kept so far off 0 and 1, for their logarithms."""


def label_features(probabilities: Tensor) -> Tensor:
    """Probabilities `[..., k]` of Euclidean length 1 each.

    Examples:
        >>> [round(float(v), 4) for v in label_features(np.float32([0.5, 0.5]))]
        [0.7071, 0.7071]
    """
    squares = ops.sum(ops.square(probabilities), axis=-1, keepdims=True)
    return probabilities * ops.rsqrt(ops.maximum(squares, 1e-12))


def thresholds(epoch: Size, eta: float = 0.009) -> tuple[Tensor, Tensor]:
    """u(λ) = 0.95 − λ and l(λ) = 0.455 + 0.1 λ at λ = 1.1 η · epoch, until they meet.

    λ falls along the gradient of u − l, whose size is 1.1: η is its rate.

    Args:
        epoch: from 0; a number, or a tensor of one.
        eta: η > 0.

    Returns:
        u, above which pairs are alike, and l, below which they are not; float32 scalars.

    Examples:
        >>> [round(float(v), 4) for v in thresholds(0)]
        [0.95, 0.455]
    """
    lamb = ops.minimum(1.1 * eta * ops.cast(epoch, "float32"), MOST_LAMBDA)
    return UPPER - lamb, LOWER + 0.1 * lamb


def pair_losses(
    features: Tensor, upper: Tensor, lower: Tensor, counted: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """−ln g of pairs with g > u, −ln(1 − g) of those with g < l; g_ij = f_i · f_j, i < j.

    Args:
        features: label features `[n, k]`.
        upper: u.
        lower: l.
        counted: which rows take part, 0 or 1, `[n]`; None: all.

    Returns:
        Losses `[n, n]`, and which of them count, 0 or 1. The mean is over those that do.
    """
    features = ops.convert_to_tensor(features)
    similarity = ops.matmul(features, ops.transpose(features))
    # No image beside itself, and each pair once.
    numbers = ops.arange(ops.shape(features)[0])
    once = ops.cast(numbers[:, None] < numbers[None, :], features.dtype)
    if counted is not None:
        rows = ops.cast(counted, features.dtype)
        once = once * rows[:, None] * rows[None, :]
    bounded = ops.clip(similarity, LEAST, 1 - LEAST)
    alike = ops.cast(similarity > upper, features.dtype) * once
    unlike = ops.cast(similarity < lower, features.dtype) * once
    losses = -alike * ops.log(bounded) - unlike * ops.log(1 - bounded)
    return losses, alike + unlike
