"""DeepCluster's objective: the cross-entropy of pseudo-labels, all clusters counting alike."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Tensor


def balanced_weights(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """What an image of each cluster counts for, so that all clusters that are not empty are alike.

    In expectation that is the authors' sampling: as many draws of each such cluster.

    Args:
        counts: how many images there are in each cluster, `[k]`.

    Returns:
        `[k]`, of mean 1 over the images; 0 for empty clusters.

    Examples:
        >>> balanced_weights(np.array([1, 3, 0])).tolist()
        [2.0, 0.6666666666666666, 0.0]
    """
    filled = counts > 0
    each = counts.sum() / max(1, filled.sum())
    return np.where(filled, each / np.maximum(counts, 1), 0.0)


def cross_entropy_sums(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """(Σ w CE, Σ [w > 0]) of logits `[n, k]`, labels and weights `[n]`; float64 `[2]`."""
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tf.cast(logits, tf.float32))
    weighted = tf.reduce_sum(tf.cast(losses * weights, tf.float64))
    return tf.stack([weighted, tf.reduce_sum(tf.cast(weights > 0, tf.float64))])
