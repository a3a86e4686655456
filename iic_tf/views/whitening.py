"""ZCA whitening: bands, or patches, of images without correlation between them."""

from __future__ import annotations

from typing import Any, Final

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from iic_tf.annotations import Config, Tensor, Variable
from iic_tf.errors import expected
from iic_tf.networks.mirror import mirrored

NONE: Final = "none"
CHANNELS = "channels"
PATCHES = "patches"
WHITENINGS = (NONE, CHANNELS, PATCHES)
SIDE = 3
"""Of a patch, in pixels."""
EPSILON = 1e-3
"""Of variances of values in 0 to 1: what varies by less than 0.03, as noise does, stays small."""


def check_whitening(whitening: str) -> None:
    """One of `WHITENINGS`."""
    if whitening not in WHITENINGS:
        raise expected(f"one of {', '.join(WHITENINGS)}", whitening, "whitening")


def zca(
    rows: NDArray[np.floating], epsilon: float = EPSILON
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean `[d]` and W = (C + ε I)^(−1/2) `[d, d]` of rows `[n, d]`, C being their covariance / n.

    Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009, appendix A. Whitened
    rows are (rows − mean) W: W is symmetric, so that they stay as like the rows as can be.

    Raises:
        InputError: no rows, numbers that are not finite, or an ε that is not above 0.
    """
    rows = np.asarray(rows, np.float64)
    if rows.ndim != 2 or not len(rows) or not np.isfinite(rows).all():
        raise expected("finite rows [n, d], at least one", rows.shape, "rows.shape")
    if not 0 < epsilon < float("inf"):
        raise expected("epsilon > 0 and finite", epsilon, "epsilon")
    mean = rows.mean(axis=0)
    centred = rows - mean
    values, vectors = np.linalg.eigh(centred.T @ centred / len(rows))
    # Rounding may leave variances a little below 0.
    scale = 1.0 / np.sqrt(np.maximum(values, 0.0) + epsilon)
    return mean, (vectors * scale) @ vectors.T


@keras.saving.register_keras_serializable("iic_tf")
class Whitening(keras.layers.Layer):  # type: ignore[misc]
    """Whitening as a fixed convolution, with what is fitted as weights that no training moves.

    Of `channels` each pixel's bands are whitened. Of `patches` the bands of each pixel with those
    of the 8 around it, of which the pixel's own are kept. Before it is fitted it changes nothing.
    In float32 whatever the precision. Images are mirrored at their borders.

    Args:
        whitening: `channels` or `patches`.
        channels: bands of the images.

    Attributes:
        radius: how far a pixel sees, in pixels.
    """

    def __init__(self, whitening: str, channels: int, **kwargs: Any):
        super().__init__(**{"dtype": "float32", "trainable": False, **kwargs})
        check_whitening(whitening)
        self.whitening = whitening
        self.channels = channels
        self.side = SIDE if whitening == PATCHES else 1
        self.radius = self.side // 2
        centre = np.zeros((self.side, self.side, channels, channels), np.float32)
        centre[self.radius, self.radius] = np.eye(channels)
        # Not centre itself: of a layer that is made within a graph this must be NumPy's.
        self.kernel = self._weight("kernel", centre)
        self.offset = self._weight("offset", np.zeros(channels, np.float32))
        self.count = self._weight("count", np.zeros((), np.float32))
        self.built = True

    def _weight(self, name: str, value: Tensor) -> Variable:
        return self.add_weight(
            shape=value.shape,
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(value, dtype),
            trainable=False,
            name=name,
        )

    @property
    def fitted(self) -> bool:
        """Whether it has been fitted, by this process or one that saved it."""
        return float(ops.convert_to_numpy(self.count)) > 0

    def fit(self, rows: NDArray[np.floating], epsilon: float = EPSILON) -> None:
        """Take mean and W of patches, `[n, side · side · channels]`, row by row of each patch."""
        mean, w = zca(rows, epsilon)
        first = self.channels * (self.side * self.side // 2)
        own = w[:, first : first + self.channels]
        self.kernel.assign(own.reshape(self.kernel.shape).astype(np.float32))
        self.offset.assign((-mean @ own).astype(np.float32))
        self.count.assign(np.float32(len(rows)))

    def call(self, images: Tensor) -> Tensor:
        """`[batch, height, width, channels]` → the same shape, float32."""
        images = mirrored(images, self.radius) if self.radius else images
        return ops.conv(images, self.kernel, padding="valid") + self.offset

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "whitening": self.whitening,
            "channels": self.channels,
        }


def patches(
    image: NDArray[np.floating],
    side: int,
    valid: NDArray[np.floating] | None,
    most: int,
    rng: np.random.Generator,
) -> NDArray[np.floating]:
    """Patches of an image `[height, width, channels]` at places drawn evenly, all valid.

    Args:
        image: at least `side` pixels high and wide, else there are none.
        side: of a patch.
        valid: shares of pixels `[height, width]`; patches must be of whole ones. None: all are.
        most: how many.
        rng: what draws them.

    Returns:
        `[n, side · side · channels]`.
    """
    channels = image.shape[-1]
    if min(image.shape[:2]) < side:
        return np.zeros((0, side * side * channels), image.dtype)
    windows = np.lib.stride_tricks.sliding_window_view(image, (side, side), axis=(0, 1))
    if valid is None:
        places = np.arange(windows.shape[0] * windows.shape[1])
    else:
        whole = np.lib.stride_tricks.sliding_window_view(valid, (side, side)).min((2, 3)) >= 1
        places = np.flatnonzero(whole)
    if len(places) > most:
        places = np.sort(rng.choice(places, most, replace=False))
    rows, columns = np.divmod(places, windows.shape[1])
    # [n, channels, side, side] as they stand.
    found = windows[rows, columns].transpose(0, 2, 3, 1)
    return found.reshape(len(places), side * side * channels)
