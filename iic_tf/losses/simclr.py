"""SimCLR's contrast: views of one image are alike, those of all others of the batch are not.

Chen, Kornblith, Norouzi, Hinton: A Simple Framework for Contrastive Learning of Visual
Representations, ICML 2020, eq. 1.
"""

from __future__ import annotations

from keras import ops

from iic_tf.annotations import Tensor

NEVER = -1e9


def contrastive_losses(z: Tensor, images: Tensor, temperature: float) -> Tensor:
    """−ln (e^(z_i·z_j / T) / Σ_{a ≠ i} e^(z_i·z_a / T)) of views i, j the others of its image.

    With two views of each image that is the paper's; with more, the mean over j. An image that
    comes twice is no contrast to itself.

    Args:
        z: embeddings of views, of length 1 each, `[n, d]`.
        images: the number of each one's image, `[n]`; all have another view, at least.
        temperature: T.

    Returns:
        `[n]`.

    Examples:
        >>> z = np.float32([[1, 0], [1, 0], [0, 1], [0, 1]])
        >>> losses = contrastive_losses(z, np.array([0, 0, 1, 1]), temperature=1.0)
        >>> [round(float(v), 4) for v in losses][:2]  # ln (1 + 2 / e)
        [0.5514, 0.5514]
    """
    similarity = ops.matmul(z, ops.transpose(z)) / temperature
    own = ops.eye(ops.shape(z)[0], dtype=similarity.dtype)
    same = ops.cast(ops.equal(images[:, None], images[None, :]), similarity.dtype) - own
    logs = similarity - ops.logsumexp(similarity + NEVER * own, axis=-1, keepdims=True)
    return -ops.sum(logs * same, axis=-1) / ops.maximum(ops.sum(same, axis=-1), 1.0)
