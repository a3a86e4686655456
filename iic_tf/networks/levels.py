"""What a network's feature maps are: their strides, how far they see, and where their cells lie."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Network, Tensor
from iic_tf.errors import InputError, expected
from iic_tf.graphs import as_graph

PROBE = 256
"""Side, in pixels, of the images that networks of any size are asked about."""

FARTHEST = 512
"""Side of the largest of them: what sees to its borders from its middle sees the whole window."""

LEAST = 1e-6
"""The change of a cell, as a share of the largest number of its map, that shows what it sees."""


@dataclass(frozen=True)
class Level:
    """A feature map of a network.

    Attributes:
        stride: pixels to a cell.
        features: how many numbers a cell has.
        before, behind: how far, in pixels, the cells of a period see beyond their own pixels,
            towards the image's first rows and columns and towards its last ones; None: to the
            borders of any window.
        period: an image moved by so many pixels has a moved map: the stride, or a multiple of it
            where maps of larger strides were enlarged on the way; 0: the stride.
    """

    stride: int
    features: int
    before: int | None = None
    behind: int | None = None
    period: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "period", self.period or self.stride)

    @property
    def radius(self) -> int | None:
        """How far a cell sees at most, in pixels."""
        if self.before is None or self.behind is None:
            return None
        return max(self.before, self.behind) + self.period - self.stride

    @property
    def shift(self) -> float:
        """How far, in pixels, the middle of what cells see lies behind that of their pixels.

        Strides that are padded on one side, as TensorFlow's SAME does, move cells. Not where maps
        are enlarged again inside: there, finer ones that have not moved are laid beside.
        """
        if self.before is None or self.behind is None or self.period != self.stride:
            return 0.0
        return (self.behind - self.before) / 2


def maps_of(found: Any) -> list[Tensor]:
    """The outputs of a network in a list: of one, of several, of a dictionary."""
    flat: list[Tensor] = tf.nest.flatten(found)
    ranks = sorted({len(one.shape) for one in flat})
    if ranks not in ([2], [4]):
        raise expected(
            "a network that makes maps [batch, height, width, features], or vectors "
            "[batch, features] of images",
            ", ".join(str(tuple(one.shape)) for one in flat),
        )
    return flat


def input_side(network: Network) -> int | None:
    """The side of the images that a network takes; None for any.

    Raises:
        InputError: no images, or none that are square.
    """
    if not getattr(network, "outputs", None):
        raise InputError(
            "Expected a network that knows its own inputs and outputs, a Functional or Sequential "
            f"keras.Model that is built; received {type(network).__name__}."
        )
    shape = network.input_shape
    if not isinstance(shape, tuple) or len(shape) != 4:
        raise expected("a network of images [batch, height, width, channels]", shape, "input_shape")
    if shape[-1] is None:
        raise expected("a network of a known number of channels", shape, "input_shape")
    height, width = shape[1:3]
    if height != width:
        raise expected("a network of images of any size, or of square ones", shape, "input_shape")
    return None if height is None else int(height)


def levels_of(network: Network) -> list[Level]:
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


def measured(network: Network, side: int | None = None) -> list[Level]:
    """The feature maps of a network, and how far each sees.

    Told by what the cells in the middle make of images of noise that are changed from a row on,
    or up to one: what they see is where that changes them. (Not by gradients, which cost more, and
    of which TensorFlow 2.21 on CPUs makes a wreck where a 1×1 convolution has a stride.) A network
    that sees as far as the borders from the middle of the largest image (attention, means over the
    whole map) sees its window as a whole, and so, for all that can be told, does one whose map does
    not move along with the image.

    Args:
        network: a `keras.Model`.
        side: of the images looked at; None: `PROBE` pixels, and more where that is too few, or
            what the network takes.

    Raises:
        InputError: no feature maps.
    """
    levels = levels_of(network)
    if input_side(network) is not None:
        return levels
    deepest = max(level.stride for level in levels)
    shape = (1, None, None, network.input_shape[-1])

    @as_graph(input_signature=[tf.TensorSpec(shape)])  # type: ignore[untyped-decorator]
    def graph(image: Tensor) -> Tensor:
        return maps_of(network(image, training=False))

    for wanted in [side] if side else [PROBE, FARTHEST]:
        one = -(-wanted // (2 * deepest)) * 2 * deepest
        levels = [
            _seen(network, graph, level, number, one) if level.before is None else level
            for number, level in enumerate(levels)
        ]
        if all(level.before is not None for level in levels):
            break
    return levels


def _seen(
    network: Network, graph: Callable[[Tensor], Tensor], level: Level, number: int, side: int
) -> Level:
    """A level with how far it sees, if that is less far than to the borders of such an image."""

    def of(image: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(tf.cast(graph(image)[number], tf.float32))

    rng = np.random.default_rng(0)
    image, other = (_drawn(rng, side, network.input_shape[-1]) for _ in range(2))
    begin, period = side // 2, level.stride
    half = keras.backend.standardize_dtype(network.compute_dtype) in ("float16", "bfloat16")
    while (rows := _rows_seen(of, image, other, level.stride, period)) is not None:
        before, behind = begin - rows[0], rows[1] - (begin + period)
        # Cells that are compared must not see the borders, and so not what is rolled around them.
        if begin - period - before < 0 or begin + 2 * period + behind > side:
            break
        if _moves(of, image, level.stride, period, 0.05 if half else 1e-3):
            return Level(level.stride, level.features, before, behind, period)
        period *= 2
    return level


def _drawn(rng: np.random.Generator, side: int, channels: int) -> NDArray[np.float32]:
    """Noise of several scales: of the finest alone, means of larger fields are all alike."""
    found = np.zeros((side, side, channels))
    for size in (1, 4, 16):
        coarse = rng.random((side // size + 1, side // size + 1, channels))
        found += coarse.repeat(size, 0).repeat(size, 1)[:side, :side] / 3
    return found[None].astype(np.float32)


def _rows_seen(
    of: Callable[[Tensor], NDArray[np.float32]],
    image: NDArray[np.float32],
    other: NDArray[np.float32],
    stride: int,
    period: int,
) -> tuple[int, int] | None:
    """The rows, and columns, from and to which the cells of a period in the middle see.

    All cells of those rows are asked, not one: of some, rectifiers may hide what they see. None:
    from the first to the last.
    """
    side = image.shape[1]
    begin, end = side // 2, side // 2 + period
    own = of(image)
    cells = slice(begin // stride, end // stride)
    least = LEAST * np.abs(own).max()

    def seen(axis: int, first: int, last: int) -> bool:
        place = (slice(None), slice(first, last)) if axis == 1 else np.s_[:, :, first:last]
        changed = image.copy()
        changed[place] = other[place]
        block = np.s_[:, cells] if axis == 1 else np.s_[:, :, cells]
        return bool((np.abs(of(changed)[block] - own[block]) > least).any())

    found = begin, end
    for axis in (1, 2):
        if seen(axis, 0, 1) or seen(axis, side - 1, side):
            return None
        # Columns as a rule like rows: then that is all that has to be asked.
        first, last = found
        if axis == 1 or seen(axis, 0, first):
            first = bisect.bisect_left(range(first), True, key=lambda n: seen(axis, 0, n + 1))
        if axis == 1 or seen(axis, last, side):
            beyond = range(side - last)
            last = side - bisect.bisect_left(
                beyond, True, key=lambda n: seen(axis, side - n - 1, side)
            )
        found = first, last
    return found


def _moves(
    of: Callable[[Tensor], NDArray[np.float32]],
    image: NDArray[np.float32],
    stride: int,
    step: int,
    tolerance: float,
) -> bool:
    """Whether the map moves by a step of pixels as the image does."""
    moved, cells = of(np.roll(image, step, axis=1)), step // stride
    own, middle = of(image), image.shape[1] // 2 // stride
    here = own[:, middle - cells : middle + cells]
    there = moved[:, middle : middle + 2 * cells]
    return bool(np.abs(here - there).max() <= tolerance * np.abs(here).max())
