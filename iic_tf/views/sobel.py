"""Sobel channels: the horizontal and vertical gradient of an image's brightness."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

_DX = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
"""The kernel as published: a ramp that rises by 1 a pixel gives 8."""


def sobel(images: Any) -> Any:
    """Slopes of the mean of the first three bands (or of all, if fewer).

    Args:
        images: `[batch, height, width, channels]`; height and width at least 2.

    Returns:
        `[batch, height, width, 2]`: dx and dy, −4 to 4 for images in 0 to 1. At the border the
        image is mirrored.
    """
    grey = ops.mean(images[..., :3], axis=-1, keepdims=True)
    grey = ops.pad(grey, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    kernel = np.stack([_DX, _DX.T], axis=-1)[:, :, None, :]
    return ops.conv(grey, ops.convert_to_tensor(kernel, images.dtype), padding="valid")
