"""Balanced assignments to prototypes, and their swapped prediction by another view.

Caron, Misra, Mairal, Goyal, Bojanowski, Joulin: Unsupervised learning of visual features by
contrasting cluster assignments (SwAV), NeurIPS 2020.
"""

from __future__ import annotations

import tensorflow as tf

from iic_tf.annotations import Tensor
from iic_tf.replicas import sum_over_replicas


def sinkhorn(
    scores: Tensor, epsilon: float, iterations: int, counted: Tensor | None = None
) -> Tensor:
    """Assignments Q ∝ exp(s / ε) of which each prototype has about as many (Sinkhorn and Knopp).

    In turns the masses of all prototypes, then those of all rows are made equal. Over several
    replicas masses are those of all rows of them. No gradient goes through.

    Args:
        scores: s, cosines, float `[n, k]`, −1 to 1.
        epsilon: ε > 0; the larger, the softer.
        iterations: of both, 1 or more.
        counted: what each row counts, 0 or 1, `[n]`; None: 1.

    Returns:
        float32 `[n, k]`, rows of sum 1.

    Examples:
        >>> from iic_tf.losses.prototypes import sinkhorn
        >>> q = sinkhorn([[0.9, 0.1], [0.8, 0.3], [0.2, 0.1]], epsilon=0.25, iterations=3)
        >>> [round(float(v), 3) for v in q[2]]
        [0.181, 0.819]
    """
    scores = tf.stop_gradient(tf.cast(scores, tf.float32))
    rows = tf.ones_like(scores[:, :1]) if counted is None else tf.cast(counted, tf.float32)[:, None]
    # A factor of all of it is no matter; of cosines nothing overflows so.
    found = tf.exp((scores - 1.0) / epsilon)
    for _ in range(iterations):
        masses = sum_over_replicas(tf.reduce_sum(found * rows, axis=0))
        found = found / tf.maximum(masses, 1e-30)
        found = found / tf.maximum(tf.reduce_sum(found, axis=1, keepdims=True), 1e-30)
    return tf.stop_gradient(found)


def swapped_losses(
    scores: Tensor, others: Tensor, q: Tensor, other_q: Tensor, temperature: float
) -> Tensor:
    """½ (−Σ q ln softmax(s′ / T) − Σ q′ ln softmax(s / T)): each view tells the other's assignment.

    Args:
        scores: s of one view, `[n, k]`.
        others: s′ of the same places in the other one, likewise.
        q: assignments of the first one, rows of sum 1.
        other_q: q′, those of the other one.
        temperature: T > 0.

    Returns:
        float32 `[n]`, 0 or more; by chance ln k.
    """
    halves = [
        tf.nn.softmax_cross_entropy_with_logits(labels, tf.cast(logits, tf.float32) / temperature)
        for labels, logits in ((q, others), (other_q, scores))
    ]
    return (halves[0] + halves[1]) / 2
