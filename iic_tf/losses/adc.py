"""Associative deep clustering: walks between centroids and images come back to their class.

Haeusser, Plapp, Golkov, Aljalbout, Cremers: Associative Deep Clustering, GCPR 2018.
"""

from __future__ import annotations

from keras import ops

from iic_tf.annotations import Tensor


def association(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Where steps from a to b, and from there back, lead: P_ab and P_aba = P_ab P_ba.

    P_ab is the softmax of a row's dot products with all b, P_ba that of a column's with all a.

    Args:
        a: embeddings `[n, d]`.
        b: embeddings `[m, d]`.

    Returns:
        P_ab `[n, m]` and P_aba `[n, n]`, rows of sum 1.

    Examples:
        >>> there, back = association(np.zeros((2, 3), "float32"), np.zeros((4, 3), "float32"))
        >>> np.asarray(there)[0].tolist(), np.asarray(back)[0].tolist()
        ([0.25, 0.25, 0.25, 0.25], [0.5, 0.5])
    """
    similarity = ops.matmul(a, ops.transpose(b))
    there = ops.softmax(similarity, axis=-1)
    back = ops.softmax(ops.transpose(similarity), axis=-1)
    return there, ops.matmul(there, back)


def walker_loss(round_trips: Tensor, groups: Tensor) -> Tensor:
    """Cross-entropy of round trips, which should end evenly within the group they began in.

    Args:
        round_trips: P_aba, `[n, n]`.
        groups: that of each row, `[n]`.

    Returns:
        A scalar, at least the mean of ln (size of a row's group).
    """
    same = ops.cast(ops.equal(groups[:, None], groups[None, :]), round_trips.dtype)
    wanted = same / ops.sum(same, axis=-1, keepdims=True)
    return -ops.mean(ops.sum(wanted * _logs(round_trips), axis=-1))


def visit_loss(there: Tensor) -> Tensor:
    """Cross-entropy of visits, which should be to all of b evenly, `[n, m]` → a scalar ≥ ln m."""
    return -ops.mean(_logs(ops.mean(there, axis=0)))


def transformation_loss(p: Tensor, q: Tensor, z: Tensor, y: Tensor) -> Tensor:
    """|1 − CE(p, q) − z · y| of pairs of an image and its copy, each for itself.

    Args:
        p: probabilities of the images, `[..., k]`.
        q: those of the copies.
        z: embeddings of the images, `[..., d]`.
        y: those of the copies.

    Returns:
        `[...]`, as p and q are when they are broadcast against one another.
    """
    entropy = -ops.sum(p * _logs(q), axis=-1)
    return ops.abs(1 - entropy - ops.sum(z * y, axis=-1))


def _logs(probabilities: Tensor) -> Tensor:
    return ops.log(ops.maximum(probabilities, 1e-30))
