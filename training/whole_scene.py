"""What the labels of any part of a scene depend on beside it: sums over the scene as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.scene import Scene, read_with_valid, with_nan
from iic_tf.data.windows import Window, windows

if TYPE_CHECKING:
    from iic_tf.models.served import ServedSegmenter

CORE = 512
"""Side of a window's core, in pixels of the scene, before rounding up."""

OwnSums = Callable[[NDArray[np.float32], NDArray[np.int32]], NDArray[np.float32]]
"""Pixels and core of a window in, what it adds to the sums of its scene out."""


def shows_all(window: Window, scene: Scene) -> bool:
    """Whether a window is its scene, which then needs no sums beside those of the window."""
    return window.outer == (0, 0, scene.height, scene.width)


def core_of(window: Window) -> NDArray[np.int32]:
    """A window's core within what is read of it: top, left, height and width, int32 `[4]`."""
    rows, columns = window.inner
    return np.asarray([rows.start, columns.start, window.height, window.width], np.int32)


def scene_summing(served: ServedSegmenter) -> Callable[[Scene], NDArray[np.float32]]:
    """A function that goes over a scene once and gives float32 `[1, scene_features]`.

    `ServedSegmenter.maps` takes this to label windows of the scene. Where labels depend on what
    lies around them alone there is nothing to sum up, and no scene is gone over: `[1, 0]`.
    """
    if not served.scene_features:
        return lambda scene: np.zeros((1, 0), np.float32)

    # Here, not above: predictions by other runtimes know how windows are summed up as well.
    import tensorflow as tf

    from iic_tf.graphs import as_graph

    specs = [
        tf.TensorSpec((1, None, None, served.model.channels), tf.float32),
        tf.TensorSpec((4,), tf.int32),
    ]
    graph = as_graph(served.scene_sums, input_signature=specs)

    def own(pixels: NDArray[np.float32], core: NDArray[np.int32]) -> NDArray[np.float32]:
        return np.asarray(graph(tf.constant(pixels), core))

    return lambda scene: summed(scene, own, served.scene_features, served.margin, served.align)


def summed(
    scene: Scene, own: OwnSums, features: int, margin: int, align: int
) -> NDArray[np.float32]:
    """Go over a scene once and add up what its windows' cores give, float32 `[1, features]`.

    Args:
        scene: what is gone over.
        own: the sums of windows `[1, height, width, channels]` and their cores.
        features: how many there are.
        margin: what windows show around their cores.
        align: they begin at multiples of it.
    """
    # Double precision: a scene may have millions of cells.
    total = np.zeros((1, features), np.float64)
    for window in windows(scene.height, scene.width, CORE, margin, align):
        seen = with_nan(*read_with_valid(scene, *window.outer))
        total += np.asarray(own(seen[None], core_of(window)), np.float64)
    return total.astype(np.float32)
