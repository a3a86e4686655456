"""A look at what a run's clusters are: windows from all over its scenes, labelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Tensor
from iic_tf.data.crops import box_mean_of_valid
from iic_tf.data.scene import Scene, SceneSet, read_with_valid, with_nan
from iic_tf.graphs import as_graph
from iic_tf.models.served import holds_data
from iic_tf.pictures import to_rgb
from iic_tf.training.progress import track
from iic_tf.training.whole_scene import scene_summing
from iic_tf.views.draws import generator

if TYPE_CHECKING:
    from iic_tf.models.served import ServedSegmenter

NOTHING = 255
"""The label of what holds no data."""

SIDE = 256
"""Of a window, in pixels as the network sees them."""

WINDOWS = 48
"""How many are looked at."""

SHOWN = 512
"""Largest side that is shown; larger windows are scaled down for it."""


@dataclass(frozen=True)
class View:
    """A window of a scene, small enough to be shown.

    Attributes:
        scene: its name.
        top, left: where it begins, in the scene's own pixels.
        factor: the scene's pixels in one of the window's.
        rgb: uint8 `[h, w, 3]`.
        labels: uint8 `[h, w]`, the likeliest cluster; 255: no data.
        confidence: float32 `[h, w]`, its probability.
        truth: `[h, w]`, classes of the scene's mask, `IGNORE` where none is known; None: not read.
    """

    scene: str
    top: int
    left: int
    factor: int
    rgb: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    truth: NDArray[np.int64] | None = None

    def place(self, row: int, column: int) -> tuple[int, int]:
        """The scene's pixel in the middle of one of the window's."""
        half = self.factor // 2
        return self.top + row * self.factor + half, self.left + column * self.factor + half


def survey_scenes(
    served: ServedSegmenter,
    scenes: SceneSet,
    seed: int,
    count: int = WINDOWS,
    side: int = SIDE,
    masks: bool = False,
) -> list[View]:
    """Label windows of scenes, one of each, evenly drawn from all; more where scenes are few.

    Args:
        served: answers with the clusters, at most 255.
        scenes: under the value range of the training.
        seed: of where windows lie.
        count: how many at most.
        side: of a window, in pixels as the network sees them.
        masks: whether masks are read, too.
    """
    rng = generator(seed, 0, 0, "survey")
    every = scenes.scenes
    picked = np.linspace(0, len(every) - 1, count).round().astype(int)
    side = side * served.downscale

    # One graph for windows of all sizes: drawing it takes longer than labelling them.
    @as_graph(  # type: ignore[untyped-decorator]
        input_signature=[
            tf.TensorSpec((1, None, None, scenes.channels), tf.float32),
            tf.TensorSpec((1, served.scene_features), tf.float32),
        ]
    )
    def label(pixels: tf.Tensor, sums: tf.Tensor) -> tuple[Tensor, Tensor]:
        found = served.probabilities(pixels, sums)[0]
        holds = holds_data(pixels)[0, ..., 0]
        labels = tf.where(holds, tf.argmax(found, -1, tf.int32), NOTHING)
        return tf.cast(labels, tf.uint8), tf.reduce_max(found, -1)

    summing = scene_summing(served)
    views: list[View] = []
    seen: set[tuple[str, int, int]] = set()
    for index in track(picked, "looking at the clusters"):
        scene: Scene = every[index]
        height, width = min(side, scene.height), min(side, scene.width)
        top = int(rng.integers(scene.height - height + 1)) // served.align * served.align
        left = int(rng.integers(scene.width - width + 1)) // served.align * served.align
        if (scene.name, top, left) in seen:
            continue
        seen.add((scene.name, top, left))
        raw, valid = read_with_valid(scene, top, left, height, width)
        labels, confidence = label(
            tf.constant(with_nan(raw, valid)[None], tf.float32), summing(scene)
        )
        f = -(-max(height, width) // SHOWN)
        shown = scenes.normalise(raw)[..., list(scenes.rgb)]
        small, _ = box_mean_of_valid(shown, valid, f, np.ones(3, np.float32))
        middle = slice(min(f // 2, height - 1), None, f), slice(min(f // 2, width - 1), None, f)
        found = np.asarray(labels)[middle], np.asarray(confidence)[middle]
        rows, columns = (min(a, b) for a, b in zip(found[0].shape, small.shape[:2], strict=True))
        found = found[0][:rows, :columns], found[1][:rows, :columns]
        rgb = to_rgb(small[:rows, :columns], stretch=True)
        truth = None
        if masks and scene.has_mask:
            mask = scene.read_mask(top, left, height, width).astype(np.int64)
            truth = mask[middle][:rows, :columns]
        views.append(View(scene.name, top, left, f, rgb, *found, truth))
    return views


def shares_of(views: list[View], clusters: int) -> NDArray[np.float64]:
    """Each cluster's share of the pixels that hold data, `[clusters]`."""
    counts = sum(
        (np.bincount(v.labels.ravel(), minlength=256)[:clusters] for v in views),
        np.zeros(clusters, np.int64),
    )
    return np.asarray(counts / max(1, counts.sum()))
