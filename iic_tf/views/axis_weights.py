"""Resampling along one axis as a matrix, for graphs in which no sampling operation may stand.

ONNX has no counterpart of what `affine_sample` uses; it has matrix products.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Size
from iic_tf.views.image_view import ImageView


def central_weights(view: ImageView, side: int) -> NDArray[np.float32]:
    """What `ImageView.centred` and `affine_sample` do to square images, along either axis.

    Args:
        view: of it the first crop size and `size` count.
        side: of the images, in pixels, not less than the crop.

    Returns:
        float32 `[size, side]`; each row sums to 1.
    """
    matrix = view.centred(side, side)
    # In float32, and counted from the rim where there is one, as the operation does it.
    rim = np.float32(view.rotate > 0)
    place = matrix[0, 0] * np.arange(view.size, dtype=np.float32) + (matrix[0, 2] + rim)
    before = np.floor(place)
    weights = np.zeros((view.size, side), np.float32)
    for pixel, share in ((before - rim, before + 1 - place), (before + 1 - rim, place - before)):
        # Beyond the edge its pixels go on.
        np.add.at(weights, (np.arange(view.size), np.clip(pixel, 0, side - 1).astype(int)), share)
    return weights


def covering_weights(length: Size, short: Size, side: int) -> tf.Tensor:
    """Scaling the middle `short` of `length` pixels to `side`, as Pillow's BILINEAR does.

    Each new pixel is a weighted mean of all the old ones it covers, so that nothing is lost by
    aliasing. Where `short` is `side` and the middle begins at a whole pixel, pixels are copied
    exactly.

    Args:
        length: pixels of the image along this axis, an integer or a scalar tensor.
        short: of its shorter side, likewise.
        side: wanted, in pixels.

    Returns:
        float32 `[side, length]`; each row sums to 1.
    """
    length, short = tf.cast(length, tf.float32), tf.cast(short, tf.float32)
    scale = short / side
    centres = (length - short) / 2 + (tf.range(side, dtype=tf.float32) + 0.5) * scale
    places = tf.range(length, dtype=tf.float32) + 0.5
    away = tf.abs(places[None, :] - centres[:, None]) / tf.maximum(scale, 1.0)
    weights = tf.nn.relu(1.0 - away)
    return weights / tf.reduce_sum(weights, axis=1, keepdims=True)
