"""A network that sees all of its window, taken over an image of any size."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from iic_tf.annotations import Size, Tensor
from iic_tf.errors import expected
from iic_tf.networks.covering import mirrored_to, steps_covering


def in_overlapping_windows(
    network: Callable[[Tensor], Tensor], x: Tensor, window: int, stride: int
) -> Tensor:
    """Features of an image from windows that overlap by half, blended where they do.

    Windows begin at multiples of half a window from the image's first pixel, so that a part of a
    scene that begins at such a multiple has the features of the whole scene wherever it shows a
    window's length around: they do not depend on how the scene is cut. Each window weighs most in
    its middle, and linearly less towards its sides. The last ones are mirrored beyond the image.

    Args:
        network: `[windows, window, window, channels]` → `[windows, window / stride, …, features]`.
        x: images `[batch, height, width, channels]`, any size from 1.
        window: side of a window in pixels, a multiple of 2 · stride.
        stride: pixels to a cell of the features.

    Returns:
        `[batch, ⌈height / stride⌉, ⌈width / stride⌉, features]`.

    Raises:
        InputError: a window that is no such multiple.
    """
    if window < 1 or window % (2 * stride):
        raise expected(f"a window that is a multiple of {2 * stride}", window, "window")
    half, cells = window // 2, window // (2 * stride)
    sides = [x.shape[i] if x.shape[i] is not None else tf.shape(x)[i] for i in (1, 2)]
    # Half windows that cover the image: two at least.
    rows, columns = (_at_least_two(steps_covering(side, half)) for side in sides)
    channels = x.shape[-1]
    wide = mirrored_to(mirrored_to(x, rows * half, 1), columns * half, 2)
    blocks = tf.reshape(wide, (-1, rows, half, columns, half, channels))
    blocks = tf.concat([blocks[:, :-1], blocks[:, 1:]], axis=2)
    blocks = tf.concat([blocks[:, :, :, :-1], blocks[:, :, :, 1:]], axis=4)
    parts = tf.reshape(tf.transpose(blocks, (0, 1, 3, 2, 4, 5)), (-1, window, window, channels))
    found = network(parts)
    features = found.shape[-1]
    found = tf.reshape(found, (-1, rows - 1, columns - 1, 2 * cells, 2 * cells, features))
    found = tf.transpose(found, (0, 1, 3, 2, 4, 5))
    # Rows first, then columns: weights are products.
    found = _blended(found, cells, axis=1)
    found = tf.transpose(found, (0, 2, 3, 1, 4))
    found = _blended(found, cells, axis=1)
    found = tf.transpose(found, (0, 2, 1, 3))
    return found[:, : steps_covering(sides[0], stride), : steps_covering(sides[1], stride)]


def _at_least_two(count: Size) -> Size:
    return max(count, 2) if isinstance(count, int) else tf.maximum(count, 2)


def _blended(found: Tensor, cells: int, axis: int) -> Tensor:
    """`[batch, windows, 2 · cells, …]` → `[batch, (windows + 1) · cells, …]`."""
    shape = tf.shape(found)
    count = found.shape[axis] if found.shape[axis] is not None else shape[axis]
    ramp = (tf.range(cells, dtype=found.dtype) + 0.5) / cells
    ramp = tf.reshape(ramp, (cells, *[1] * (len(found.shape) - 3)))
    number = tf.range(count)
    for_cells = (-1, *[1] * (len(found.shape) - 2))
    # Nothing overlaps the first window's first half, nor the last one's second.
    first = tf.reshape(tf.cast(tf.equal(number, 0), found.dtype), for_cells)
    last = tf.reshape(tf.cast(tf.equal(number, count - 1), found.dtype), for_cells)
    rising = ramp + (1 - ramp) * first
    falling = (1 - ramp) + ramp * last
    none = [[0, 0]] * len(found.shape)
    before = tf.pad(found[:, :, :cells] * rising, [none[0], [0, 1], *none[2:]])
    behind = tf.pad(found[:, :, cells:] * falling, [none[0], [1, 0], *none[2:]])
    total = before + behind
    merged = (-1, (count + 1) * cells, *total.shape[3:-1], total.shape[-1])
    if None in merged[2:-1]:
        merged = (*merged[:2], *[shape[i] for i in range(3, len(total.shape) - 1)], merged[-1])
    return tf.reshape(total, merged)
