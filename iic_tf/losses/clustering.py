"""The IIC objective for image clustering."""

from __future__ import annotations

from keras import ops

from iic_tf.annotations import Tensor
from iic_tf.losses.arguments import check_lamb, probability_pair
from iic_tf.losses.information import information


def clustering_joint(p: Tensor, q: Tensor) -> Tensor:
    """Joint of the labels of paired images, Σ_n p_n q_nᵀ (IID preprint 2018, eq. 5).

    One matrix product: `[batch, k]` and `[batch, k]` → `[k, k]`, never `[batch, k, k]`.
    """
    return ops.matmul(ops.transpose(p), q)


def iic_clustering_loss(p: Tensor, q: Tensor, lamb: float = 1.0) -> Tensor:
    """−I_λ(z, z') of paired class probabilities (IID preprint 2018, eq. 3 to 6).

        P = Σ_n p_n q_nᵀ, symmetrised and divided by its sum
        loss = −Σ_cc' P_cc' (ln P_cc' − λ ln P_c − λ ln P_c')

    Args:
        p: Φ(x), probabilities `[batch, clusters]`, rows sum to 1.
        q: Φ(gx), likewise; row n belongs to the transformed copy of image n.
        lamb: λ ≥ 0; above 1 the clusters are pushed towards equal shares.

    Returns:
        A scalar, float32 (float64 for float64 arguments). At λ = 1 between −ln clusters (balanced,
        certain and equal in both views) and 0 (nothing in common, or collapsed).

    Raises:
        InputError: other ranks, unequal shapes, fewer than 2 clusters, or a negative λ.

    Examples:
        >>> sure = np.eye(3, dtype="float32")
        >>> round(float(iic_clustering_loss(sure, sure)), 4)  # −ln 3: sure, equal, of equal shares
        -1.0986
        >>> one = np.float32([[1, 0, 0]] * 3)
        >>> round(abs(float(iic_clustering_loss(one, one))), 4)  # one cluster for everything
        0.0
    """
    check_lamb(lamb)
    p, q = probability_pair(p, q, rank=2, layout="[batch, clusters]")
    return -information(clustering_joint(p, q), lamb)
