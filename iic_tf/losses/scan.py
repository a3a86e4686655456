"""SCAN: an image and its nearest neighbours get one answer, and answers are spread evenly.

Van Gansbeke, Vandenhende, Georgoulis, Proesmans, Van Gool: SCAN: Learning to Classify Images
without Labels, ECCV 2020.
"""

from __future__ import annotations

from keras import ops

from iic_tf.annotations import Tensor

LEAST = 1e-8


def consistency(p: Tensor, q: Tensor) -> Tensor:
    """−ln⟨p, q⟩ of the probabilities of an image and of a neighbour, `[..., k]` → `[...]`.

    Examples:
        >>> round(float(consistency(np.float32([0.5, 0.5]), np.float32([1, 0]))), 4)  # ln 2
        0.6931
    """
    return -ops.log(ops.maximum(ops.sum(p * q, axis=-1), LEAST))


def scan_loss(sums: Tensor, entropy_weight: float) -> Tensor:
    """Mean consistency − λ H(mean p), H in nats (eq. 2).

    Of sums, so that the entropy is of the whole batch, however it is spread: that of a few images
    says nothing.

    Args:
        sums: Σ consistencies, of how many, then Σ p, `[2 + k]`.
        entropy_weight: λ.

    Returns:
        A float32 scalar of at least −λ ln k.

    Examples:
        >>> round(float(scan_loss([0.0, 2.0, 1.0, 1.0], entropy_weight=5.0)), 4)  # −5 ln 2
        -3.4657
    """
    count = ops.maximum(sums[1], 1e-30)
    mean = sums[2:] / count
    entropy = -ops.sum(mean * ops.log(ops.maximum(mean, LEAST)))
    return ops.cast(sums[0] / count - entropy_weight * entropy, "float32")


def self_label_sums(sure: Tensor, logs: Tensor, least: float) -> Tensor:
    """Cross-entropies of the labels that a network is sure of, summed by label.

    Args:
        sure: probabilities of the images as they are, `[n, k]`; no gradient.
        logs: log-probabilities of their transformed copies, `[n, r, k]`.
        least: how likely a label must be to count.

    Returns:
        Σ of each label, then how many, `[2 k]`.
    """
    sure = ops.stop_gradient(sure)
    clusters = sure.shape[-1]
    counted = ops.cast(ops.max(sure, axis=-1) > least, logs.dtype)
    own = ops.one_hot(ops.argmax(sure, axis=-1), clusters, dtype=logs.dtype) * counted[:, None]
    losses = -ops.sum(logs * own[:, None], axis=(0, 1))
    return ops.concatenate([losses, ops.sum(own, axis=0) * logs.shape[1]])


def self_label_loss(sums: Tensor) -> Tensor:
    """The mean over labels that there are of their mean cross-entropies; 0 where there are none.

    All labels count alike, however many images have each.

    Args:
        sums: of `self_label_sums`, `[2 k]`.
    """
    losses, counts = ops.split(sums, 2)
    there = ops.cast(counts > 0, losses.dtype)
    means = losses / ops.maximum(counts, 1.0)
    return ops.cast(ops.sum(means) / ops.maximum(ops.sum(there), 1.0), "float32")
