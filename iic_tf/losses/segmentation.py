"""The IIC objective for image segmentation."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from iic_tf.annotations import Tensor
from iic_tf.errors import expected
from iic_tf.losses.arguments import check_lamb, probability_pair
from iic_tf.losses.displacement import displaced_joints
from iic_tf.losses.information import information, total_of


def iic_segmentation_loss(
    p: Tensor,
    q: Tensor,
    radius: int = 10,
    lamb: float = 1.0,
    mask: Tensor | None = None,
    collapsed: bool = False,
) -> Tensor:
    """−I_λ of the labels of displaced pixels of two views (IID preprint 2018, eq. 8 to 10).

        P_t[c, c'] = Σ_n Σ_u m_nu p_nuc · m_n,u+t q_n,u+t,c'      for |t_y|, |t_x| ≤ radius
        loss = −mean_t I_λ(P_t), each P_t symmetrised and divided by its own sum

    A displacement that leaves the image adds nothing; one for which no pair of valid pixels is
    left carries no weight. Where nothing at all is left the loss is 0 and so are its gradients.

    Args:
        p: Φ(x), probabilities `[batch, height, width, clusters]`.
        q: Φ(gx) warped back onto x, of the same shape; zeros where the warp left the image.
        radius: T ≥ 0 in pixels, half the side of the window of displacements; may be larger than
            the image.
        lamb: λ ≥ 0; above 1 the clusters are pushed towards equal shares.
        mask: valid pixels of x, `[batch, height, width]`, bool or 0 to 1; None means all.
        collapsed: sum the joints over t first and take one I_λ (supplementary material 2019,
            section 6) instead of the mean of each one's (all published results).

    Returns:
        A scalar, float32 (float64 for float64 arguments); at λ = 1 between −ln clusters and 0.

    Raises:
        InputError: other ranks, unequal shapes, fewer than 2 clusters, a negative radius or λ, or
            a height or width unknown when the graph is built.

    Examples:
        >>> sure = np.tile(np.eye(2, dtype="float32"), (1, 4, 4, 1)).reshape(1, 4, 8, 2)
        >>> round(float(iic_segmentation_loss(sure, sure, radius=0)), 4)  # −ln 2, the lowest
        -0.6931
        >>> even = np.full_like(sure, 0.5)
        >>> round(abs(float(iic_segmentation_loss(sure, even, radius=0))), 4)
        0.0
    """
    check_lamb(lamb)
    joints = segmentation_joints(p, q, radius, mask)
    return loss_of_joints(joints, lamb, collapsed)


def segmentation_joints(p: Tensor, q: Tensor, radius: int, mask: Tensor | None = None) -> Tensor:
    """The P_t of all displacements, unnormalised, `[(2 T_y + 1)(2 T_x + 1), clusters, clusters]`.

    T_y and T_x are `radius` or, where the image is smaller, its height − 1 and width − 1. Joints
    of several batches may be added up before `loss_of_joints` takes their information.
    """
    if radius < 0:
        raise expected("radius >= 0", radius, "radius")
    p, q = probability_pair(p, q, rank=4, layout="[batch, height, width, clusters]")
    if mask is not None:
        mask = ops.convert_to_tensor(mask)
        if len(mask.shape) != 3:
            raise expected("a mask [batch, height, width]", tuple(mask.shape), "mask.shape")
        sizes = zip(mask.shape, p.shape[:3], strict=True)
        if any(a != b for a, b in sizes if a is not None and b is not None):
            raise expected(f"a mask of shape {p.shape[:3]}", tuple(mask.shape), "mask.shape")
        valid = ops.expand_dims(ops.cast(mask, p.dtype), -1)
        p, q = p * valid, q * valid
    return displaced_joints(p, q, radius)


def loss_of_joints(joints: Tensor, lamb: float = 1.0, collapsed: bool = False) -> Tensor:
    """−I_λ of displaced joints `[displacements, k, k]`: their mean, or that of their sum."""
    if collapsed:
        return -information(ops.sum(joints, axis=0), lamb)
    total = total_of(joints)
    # Sums by transforms leave rounding, about epsilon of the largest total, where there are no
    # pairs at all: normalised, it would be noise of full weight.
    epsilon = np.finfo(keras.backend.standardize_dtype(joints.dtype)).eps
    # Written so that NaN counts as some: a broken network must show, not drop out.
    some = ops.logical_not(total <= 32 * float(epsilon) * ops.max(total))
    joints = ops.where(some[:, None, None], joints, ops.zeros_like(joints))
    weight = ops.cast(some, joints.dtype)
    return -ops.sum(weight * information(joints, lamb)) / ops.maximum(ops.sum(weight), 1.0)
