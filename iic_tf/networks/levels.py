"""What a network's feature maps are: their strides, how far they see, and where their cells lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from iic_tf.errors import InputError, expected

PROBE = 256
"""Side, in pixels, of the images that networks of any size are asked about."""

FARTHEST = 512
"""Side of the largest of them: what sees to its borders from its middle sees the whole window."""

DRAWS = 2
"""Images that are looked at: a cell that one of them leaves at rest sees nothing there."""


@dataclass(frozen=True)
class Level:
    """A feature map of a network.

    Attributes:
        stride: pixels to a cell.
        features: how many numbers a cell has.
        before, behind: how far, in pixels, a cell sees beyond its own pixels, towards the image's
            first rows and columns and towards its last ones; None: to the borders of any window.
    """

    stride: int
    features: int
    before: int | None = None
    behind: int | None = None

    @property
    def radius(self) -> int | None:
        """The larger of both."""
        if self.before is None or self.behind is None:
            return None
        return max(self.before, self.behind)

    @property
    def shift(self) -> float:
        """How far, in pixels, a cell's middle lies behind that of its pixels.

        Strides that are padded on one side, as TensorFlow's SAME does, move cells.
        """
        if self.before is None or self.behind is None:
            return 0.0
        return (self.behind - self.before) / 2


def maps_of(found: Any) -> list[Any]:
    """The outputs of a network in a list: of one, of several, of a dictionary."""
    flat: list[Any] = tf.nest.flatten(found)
    ranks = sorted({len(one.shape) for one in flat})
    if ranks not in ([2], [4]):
        raise expected(
            "a network that makes maps [batch, height, width, features], or vectors "
            "[batch, features] of images",
            ", ".join(str(tuple(one.shape)) for one in flat),
        )
    return flat


def input_side(network: Any) -> int | None:
    """The side of the images that a network takes; None for any.

    Raises:
        InputError: no images, or none that are square.
    """
    shape = network.input_shape
    if not isinstance(shape, tuple) or len(shape) != 4:
        raise expected("a network of images [batch, height, width, channels]", shape, "input_shape")
    if shape[-1] is None:
        raise expected("a network of a known number of channels", shape, "input_shape")
    height, width = shape[1:3]
    if height != width:
        raise expected("a network of images of any size, or of square ones", shape, "input_shape")
    return None if height is None else int(height)


def levels_of(network: Any) -> list[Level]:
    """The feature maps of a network of maps, without how far they see.

    Raises:
        InputError: maps that are no whole fractions of the image.
    """
    side = input_side(network) or PROBE
    shapes = network.compute_output_shape((1, side, side, network.input_shape[-1]))
    if isinstance(shapes, Mapping):
        shapes = list(shapes.values())
    every = shapes if isinstance(shapes, list) else [shapes]
    return [_level(tuple(shape), side) for shape in every]


def _level(shape: tuple[int, ...], side: int) -> Level:
    height, width, features = shape[1:]
    if height != width or side % height:
        raise InputError(
            f"Expected feature maps whose side is a whole fraction of an image of {side}×{side} "
            f"pixels; received {height}×{width}."
        )
    return Level(side // height, int(features))


def measured(network: Any, side: int | None = None) -> list[Level]:
    """The feature maps of a network, and how far each sees.

    Told by the gradient of a cell in the middle with respect to the pixels of random images: what
    a cell sees is where it is not 0. A network that sees as far as the borders from the middle of
    the largest image (attention, means over the whole map) sees its window as a whole.

    Args:
        network: a `keras.Model`.
        side: of the images looked at; None: `PROBE` pixels, and more where that is too few, or
            what the network takes.
    """
    levels = levels_of(network)
    if input_side(network) is not None:
        return levels
    sides = [side] if side else [PROBE, FARTHEST]
    deepest = max(level.stride for level in levels)
    for one in sides:
        one = -(-one // (2 * deepest)) * 2 * deepest
        levels = [_seen(network, levels, i, one) for i in range(len(levels))]
        if all(level.before is not None for level in levels):
            break
    return levels


def _seen(network: Any, levels: Sequence[Level], number: int, side: int) -> Level:
    level = levels[number]
    if level.before is not None:
        return level
    channels = network.input_shape[-1]
    rng = np.random.default_rng(0)
    rows = np.zeros(side, bool)
    middle = side // level.stride // 2
    for _ in range(DRAWS):
        x = tf.constant(rng.random((1, side, side, channels)), tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(x)
            cell = maps_of(network(x, training=False))[number][:, middle, middle]
            seen = tf.reduce_sum(tf.abs(tf.cast(cell, tf.float32)))
        gradient = tape.gradient(seen, x)
        if gradient is None:
            raise InputError(
                "Expected a network that is differentiable, to see how far it looks; received one "
                "whose features have no gradient with respect to the image."
            )
        used = np.abs(gradient.numpy()[0]).max(-1) > 0
        rows |= used.any(1) | used.any(0)
    if rows[0] or rows[-1]:
        return level
    places = np.flatnonzero(rows)
    first = middle * level.stride
    # A cell that sees less than its own pixels is taken to see them all.
    before = max(0, first - int(places[0]))
    behind = max(0, int(places[-1]) - (first + level.stride - 1))
    return Level(level.stride, level.features, before, behind)
