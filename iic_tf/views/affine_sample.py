"""Sampling images once, bilinearly, at places given by affine matrices."""

from __future__ import annotations

import tensorflow as tf


def affine_sample(
    images: tf.Tensor, matrices: tf.Tensor, size: int, beyond: bool = False
) -> tf.Tensor:
    """out[n, y, x] = images[n] at the place matrices[n] (x, y, 1), between pixels bilinearly.

    Places are counted in pixels from the centre of the first one, as (column, row). Outside the
    image the edge's pixels go on; with `beyond` for one pixel only, falling to 0 within the next.
    Where all places are centres of pixels, the pixels come out exactly.

    For changing a network's inputs only: neither XLA nor ONNX takes the operation, and its gradient
    is not exact.

    Args:
        images: float32 `[n, height, width, channels]`.
        matrices: float32 `[n, 2, 3]`, from the output's places to the image's.
        size: side of the output, in pixels.
        beyond: whether places may lie more than half a pixel outside, as rotations send them.

    Returns:
        float32 `[n, size, size, channels]`.
    """
    if beyond:
        # The rim makes a crop at the image's edge the same whether others are rotated or not.
        images = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
        matrices += tf.constant([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    last_row = tf.zeros((tf.shape(matrices)[0], 2), tf.float32)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.concat([tf.reshape(matrices, (-1, 6)), last_row], axis=1),
        output_shape=[size, size],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT" if beyond else "NEAREST",
    )
