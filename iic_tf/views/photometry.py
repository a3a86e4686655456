"""The photometry of g: colour jitter, drawn apart from being applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.views.ranges import check_number

GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in luma (ITU-R BT.601)."""


@dataclass(frozen=True)
class Photometry:
    """How far colours may move; the defaults are those of Potsdam (published runs).

    Attributes:
        brightness, contrast, saturation: a factor is drawn from 1 − v to 1 + v.
        hue: a shift is drawn from −v to v, in turns (0.5 is half the colour circle).

    Raises:
        InputError: a value of another kind, or outside its range.
    """

    # No other names where plain values are made into one.
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    brightness: float = 0.1
    contrast: float = 0.1
    saturation: float = 0.1
    hue: float = 0.1

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation"):
            check_number(getattr(self, name), "a jitter from 0 to 1", name, 0, 1)
        check_number(self.hue, "a hue jitter from 0 to 0.5", "hue", 0, 0.5)

    def draw(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """(brightness, contrast, saturation, hue) of one view, float32 `[4]`."""
        v = rng.uniform(-1.0, 1.0, 4)
        factors = 1 + v[:3] * [self.brightness, self.contrast, self.saturation]
        return np.asarray([*factors, v[3] * self.hue], np.float32)


def jitter(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Apply colour draws to images; bands after the third (infrared) stay untouched.

    Brightness scales, contrast blends with the image's mean luma, saturation blends with each
    pixel's luma, hue turns the colour circle (HSV); in this order, clipped to 0..1 after each.
    Images of one or two bands get brightness and contrast only, on all their bands.

    Args:
        images: float32 `[batch, height, width, channels]` in 0 to 1.
        draws: float32 `[batch, 4]` of `Photometry.draw`.

    Returns:
        Of the shape of `images`, in 0 to 1.
    """
    brightness, contrast, saturation, hue = (
        tf.reshape(draws[:, i], (-1, 1, 1, 1)) for i in range(4)
    )
    coloured = images.shape[-1] >= 3
    colours, rest = (images[..., :3], images[..., 3:]) if coloured else (images, None)
    colours = tf.clip_by_value(colours * brightness, 0.0, 1.0)
    mean = tf.reduce_mean(_luma(colours), axis=(1, 2), keepdims=True)
    colours = tf.clip_by_value(mean + (colours - mean) * contrast, 0.0, 1.0)
    if not coloured:
        return colours
    grey = _luma(colours)
    colours = tf.clip_by_value(grey + (colours - grey) * saturation, 0.0, 1.0)
    # rgb_to_hsv and back is by far the dearest part: leave it out where no hue is drawn.
    colours = tf.cond(tf.reduce_any(hue != 0.0), lambda: _turn(colours, hue), lambda: colours)
    return tf.concat([colours, rest], axis=-1)


def _luma(colours: tf.Tensor) -> tf.Tensor:
    if colours.shape[-1] < 3:
        return tf.reduce_mean(colours, axis=-1, keepdims=True)
    return tf.reduce_sum(colours * tf.constant(GREY, colours.dtype), axis=-1, keepdims=True)


def _turn(colours: tf.Tensor, hue: tf.Tensor) -> tf.Tensor:
    hsv = tf.image.rgb_to_hsv(colours)
    turned = tf.math.floormod(hsv[..., :1] + hue, 1.0)
    return tf.image.hsv_to_rgb(tf.concat([turned, hsv[..., 1:]], axis=-1))
