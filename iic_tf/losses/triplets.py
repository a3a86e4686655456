"""Triplets: an image is nearer to a transformed copy of itself than to another image."""

from __future__ import annotations

from keras import ops

from iic_tf.annotations import Tensor


def triplet_hinge(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float, weights: Tensor | None = None
) -> Tensor:
    """max(0, m + d²(a, p) − d²(a, n)) with d²(x, y) = Σ_i w_i (x_i − y_i)².

    Schultz, Joachims: Learning a Distance Metric from Relative Comparisons, NIPS 2003: "i is nearer
    to j than to k" is a constraint whose slack this is; there the weights w ≥ 0 of a diagonal
    metric are learnt, here what is compared.

    Args:
        anchor: `[..., d]`.
        positive: what is to be near to it, likewise.
        negative: what is to be farther off, likewise.
        margin: m, by how much.
        weights: w, `[d]`; None: 1 each.

    Returns:
        `[...]`, 0 or more.

    Examples:
        >>> float(triplet_hinge([[0.0, 0.0]], [[1.0, 0.0]], [[0.0, 2.0]], margin=1.0)[0])
        0.0
    """
    anchor, positive, negative = map(ops.convert_to_tensor, (anchor, positive, negative))

    def distance(other: Tensor) -> Tensor:
        squares = ops.square(anchor - other)
        return ops.sum(squares if weights is None else squares * weights, axis=-1)

    return ops.relu(margin + distance(positive) - distance(negative))


def triplet_kl(anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """(KL(p ‖ a) − KL(n ‖ a)) / k of probabilities, as IIC's authors ran it; no lower bound.

    The mean over the k numbers is that of their code, which takes it over batch and clusters.

    Args:
        anchor: probabilities a, `[..., k]`, rows sum to 1.
        positive: p, likewise.
        negative: n, likewise.

    Returns:
        `[...]`.
    """
    anchor, positive, negative = map(ops.convert_to_tensor, (anchor, positive, negative))

    def divergence(other: Tensor) -> Tensor:
        # Of what is 0 nothing is said: 0 ln 0 = 0.
        logs = ops.log(ops.maximum(other, 1e-30)) - ops.log(ops.maximum(anchor, 1e-30))
        return ops.mean(other * logs, axis=-1)

    return divergence(positive) - divergence(negative)
