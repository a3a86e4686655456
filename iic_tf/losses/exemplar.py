"""Exemplar-CNN: each image is a class of its own, of which its transformed copies are examples."""

from __future__ import annotations

from keras import ops

from iic_tf.annotations import Tensor


def exemplar_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """−log softmax of the own class's logit, of each row; ln N where nothing is known.

    Dosovitskiy, Fischer, Springenberg, Riedmiller, Brox: Discriminative Unsupervised Feature
    Learning with Exemplar Convolutional Neural Networks, TPAMI 38(9), 2016, eq. 1 and 2.

    Args:
        logits: `[n, N]`; taken to float32 where they are of less.
        labels: numbers from 0 to N − 1, `[n]`.

    Returns:
        `[n]`, 0 or more.

    Examples:
        >>> round(float(exemplar_losses([[0.0, 0.0]], [1])[0]), 4)
        0.6931
    """
    logits = ops.convert_to_tensor(logits)
    if logits.dtype not in ("float32", "float64"):
        logits = ops.cast(logits, "float32")
    own = ops.take_along_axis(logits, ops.cast(labels, "int32")[:, None], axis=-1)[:, 0]
    return ops.logsumexp(logits, axis=-1) - own
