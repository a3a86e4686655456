"""What a few windows say of a pixel, as a network that learns nothing: for any bands, at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from iic_tf.annotations import Config, Network, Tensor
from iic_tf.errors import expected
from iic_tf.models.local_statistics import box_means, local_statistics, statistic_count

WINDOWS = (5, 11, 21, 41)
"""Sides of the square windows, in pixels."""

SCALES = (1, 3, 5)
"""Sides of the windows whose means' differences are taken."""

DIRECTIONS = 4
"""Down, to the right, and along both diagonals."""


@keras.saving.register_keras_serializable("iic_tf")
class Textures(keras.layers.Layer):  # type: ignore[misc]
    """Means and deviations of each band, and how strong edges are, in windows around a pixel.

    Of each band its value, and its mean and standard deviation in each window
    (`models.local_statistics`). Of brightness, the mean of all bands, the absolute differences
    between neighbours in four directions at three scales, averaged over each window. Averaged over
    cells in the end. Nothing of it is learned.

    Args:
        stride: pixels to a cell.
        windows: odd sides of the windows, in pixels.

    Raises:
        InputError: a stride below 1 pixel, or windows of even sides or none.

    Examples:
        >>> import numpy as np
        >>> Textures(stride=2)(np.zeros((1, 8, 8, 3), "float32")).shape
        TensorShape([1, 4, 4, 75])
    """

    def __init__(self, stride: int = 4, windows: Sequence[int] = WINDOWS, **kwargs: Any):
        # Variances are differences of squares: float32 whatever the precision policy.
        super().__init__(**{**kwargs, "dtype": "float32"})
        if stride < 1:
            raise expected("a stride of 1 pixel or more", stride, "stride")
        if not windows or any(side < 1 or side % 2 == 0 for side in windows):
            raise expected("windows of odd sides", tuple(windows), "windows")
        self.stride, self.windows = stride, tuple(windows)

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """`[batch, height, width, bands]` in 0 to 1 → `[batch, ⌈h/stride⌉, ⌈w/stride⌉, features]`.

        Every feature is 0 or more.
        """
        x = tf.cast(x, tf.float32)
        edges = edge_strengths(x)
        found = [local_statistics(x, self.windows)]
        found += [box_means(edges, side) for side in self.windows]
        return tf.nn.avg_pool2d(tf.concat(found, -1), self.stride, self.stride, "SAME")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        sides = [None if s is None else -(-s // self.stride) for s in input_shape[1:3]]
        edges = len(SCALES) * DIRECTIONS * len(self.windows)
        return (
            input_shape[0],
            *sides,
            statistic_count(int(input_shape[-1] or 0), self.windows) + edges,
        )

    def get_config(self) -> Config:
        return {**super().get_config(), "stride": self.stride, "windows": list(self.windows)}


def edge_strengths(x: Tensor) -> Tensor:
    """Absolute differences of brightness between the neighbours of each pixel.

    Of each side s in `SCALES`, with b the mean of brightness over s × s pixels: |d|, |r|, |d + r|
    and |d − r|, d = b[y + 1, x] − b[y − 1, x] and r = b[y, x + 1] − b[y, x − 1]; outside of the
    image b is what it is at its border.

    Args:
        x: float32 `[batch, height, width, bands]`.

    Returns:
        float32 `[batch, height, width, 12]`, from 0 to 2.
    """
    brightness = ops.mean(x, axis=-1, keepdims=True)
    found = []
    for side in SCALES:
        b = box_means(brightness, side) if side > 1 else brightness
        down = ops.concatenate([b[:, 1:], b[:, -1:]], 1) - ops.concatenate([b[:, :1], b[:, :-1]], 1)
        right = ops.concatenate([b[:, :, 1:], b[:, :, -1:]], 2) - ops.concatenate(
            [b[:, :, :1], b[:, :, :-1]], 2
        )
        found += [ops.abs(one) for one in (down, right, down + right, down - right)]
    return ops.concatenate(found, -1)


def texture_network(channels: int, stride: int = 4, windows: Sequence[int] = WINDOWS) -> Network:
    """`Textures` as a `keras.Model`, for a `KerasTrunk`.

    Args:
        channels: bands of the images, 1 or more.
        stride: pixels to a cell.
        windows: odd sides of the windows, in pixels.

    Raises:
        InputError: fewer than one band.
    """
    if channels < 1:
        raise expected("at least 1 channel", channels, "channels")
    image = keras.Input((None, None, channels))
    return keras.Model(image, Textures(stride, windows, name="textures")(image), name="textures")
