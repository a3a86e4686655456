"""Sobel channels: the horizontal and vertical gradient of an image's brightness."""

from __future__ import annotations

import numpy as np
from keras import ops

from iic_tf.annotations import Tensor

_DX = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
"""The kernel as published: a ramp that rises by 1 a pixel gives 8."""


def sobel(images: Tensor) -> Tensor:
    """Slopes of the mean of the first three bands (or of all, if fewer).

    Args:
        images: `[batch, height, width, channels]`.

    Returns:
        `[batch, height, width, 2]`: dx and dy, −4 to 4 for images in 0 to 1. At the border the
        image is mirrored; a side of one pixel is that pixel over and over, without a slope.
    """
    grey = ops.mean(images[..., :3], axis=-1, keepdims=True)
    grey = _mirrored(_mirrored(grey, 1), 2)
    kernel = np.stack([_DX, _DX.T], axis=-1)[:, :, None, :]
    return ops.conv(grey, ops.convert_to_tensor(kernel, images.dtype), padding="valid")


def _mirrored(images: Tensor, axis: int) -> Tensor:
    """A pixel more at both ends of an axis: the one beside the last, or that itself if alone.

    Written out: padding by reflection refuses a side of one pixel, in ONNX Runtime as well.
    """
    size = images.shape[axis]
    if size is None:
        size = ops.shape(images)[axis]
        first, last = ops.minimum(1, size - 1), ops.maximum(size - 2, 0)
    else:
        first, last = min(1, size - 1), max(size - 2, 0)
    before, behind = (
        images[:, at : at + 1] if axis == 1 else images[:, :, at : at + 1] for at in (first, last)
    )
    return ops.concatenate([before, images, behind], axis=axis)
