"""What the labels of any part of a scene depend on beside it: sums over the scene as a whole."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.data.scene import Scene, read_with_valid, with_nan
from iic_tf.data.windows import Window, windows
from iic_tf.models.served import ServedSegmenter

CORE = 512
"""Side of a window's core, in pixels of the scene, before rounding up."""


def shows_all(window: Window, scene: Scene) -> bool:
    """Whether a window is its scene, which then needs no sums beside those of the window."""
    return window.outer == (0, 0, scene.height, scene.width)


def core_of(window: Window) -> NDArray[np.int32]:
    """A window's core within what is read of it: top, left, height and width, int32 `[4]`."""
    rows, columns = window.inner
    return np.asarray([rows.start, columns.start, window.height, window.width], np.int32)


def scene_summing(
    served: ServedSegmenter,
) -> Callable[[Scene], NDArray[np.float32]]:
    """A function that goes over a scene once and gives float32 `[1, scene_features]`.

    `ServedSegmenter.maps` takes this to label windows of the scene. Where labels depend on what
    lies around them alone there is nothing to sum up, and no scene is gone over: `[1, 0]`.
    """
    if not served.scene_features:
        return lambda scene: np.zeros((1, 0), np.float32)

    specs = [
        tf.TensorSpec((1, None, None, served.model.channels), tf.float32),
        tf.TensorSpec((4,), tf.int32),
    ]
    graph = tf.function(served.scene_sums, input_signature=specs)

    def of_scene(scene: Scene) -> NDArray[np.float32]:
        # Double precision: a scene may have millions of cells.
        total = np.zeros((1, served.scene_features), np.float64)
        for window in windows(scene.height, scene.width, CORE, served.margin, served.align):
            seen = with_nan(*read_with_valid(scene, *window.outer))
            total += np.asarray(graph(tf.constant(seen[None]), core_of(window)), np.float64)
        return total.astype(np.float32)

    return of_scene
