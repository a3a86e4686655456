"""Deep embedded clustering: Student's t as soft assignment, and the targets that sharpen it.

Xie, Girshick, Farhadi: Unsupervised Deep Embedding for Clustering Analysis, ICML 2016, eq. 1 to 3.
"""

from __future__ import annotations

from keras import ops

from iic_tf.annotations import Tensor


def soft_assignment(distances: Tensor, alpha: float = 1.0) -> Tensor:
    """q_ij ∝ (1 + ‖z_i − μ_j‖² / α)^(−(α + 1) / 2), rows of sum 1.

    Args:
        distances: squared, of each embedding z_i to each centre μ_j, `[..., k]`, 0 or more.
        alpha: degrees of freedom, > 0.

    Returns:
        q, `[..., k]`.

    Examples:
        >>> [round(float(v), 4) for v in soft_assignment([[0.0, 4.0]])[0]]
        [0.8333, 0.1667]
    """
    # As a softmax: far off, powers would be 0 / 0. No log1p, which ONNX lacks.
    logits = -(alpha + 1) / 2 * ops.log(1 + ops.convert_to_tensor(distances) / alpha)
    return ops.softmax(logits, axis=-1)


def target_distribution(q: Tensor, frequencies: Tensor) -> Tensor:
    """p_ij ∝ q_ij² / f_j, rows of sum 1; f_j = Σ_i q_ij over all images, not those of a batch.

    Args:
        q: soft assignments, `[..., k]`.
        frequencies: f, `[k]`, of the whole set.

    Returns:
        p, `[..., k]`.

    Examples:
        >>> p = target_distribution(np.float32([[0.8, 0.2]]), np.float32([1, 1]))
        >>> [round(float(v), 4) for v in p[0]]  # 0.64 and 0.04, of sum 1
        [0.9412, 0.0588]
    """
    q = ops.convert_to_tensor(q)
    weights = ops.square(q) / ops.maximum(ops.cast(frequencies, q.dtype), 1e-12)
    return weights / ops.maximum(ops.sum(weights, axis=-1, keepdims=True), 1e-30)


def target_divergence(p: Tensor, q: Tensor) -> Tensor:
    """KL(p_i ‖ q_i) = Σ_j p_ij ln(p_ij / q_ij) of each row, `[..., k]` → `[...]`, 0 or more."""
    p, q = ops.convert_to_tensor(p), ops.convert_to_tensor(q)
    logs = ops.log(ops.maximum(p, 1e-30)) - ops.log(ops.maximum(q, 1e-30))
    return ops.sum(p * logs, axis=-1)
