"""Labelling a scene of any size window by window, with a small rendering as a by-product."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.data.crops import box_mean
from iic_tf.data.scene import Scene, SceneSet
from iic_tf.data.windows import Window, windows
from iic_tf.errors import InputError
from iic_tf.models.served import ServedSegmenter
from iic_tf.pictures import to_rgb
from iic_tf.training.progress import progress
from iic_tf.training.whole_scene import CORE, scene_summing, shows_all
from iic_tf.turns import MAIN
from iic_tf.views.inputs import BANDS

RENDERING = 2000
"""Longest side of a rendering."""

STRIP_BYTES = 1 << 28
"""Rows of windows that take no more are read in one piece: no strip of a TIFF is decoded twice."""


class Predictor:
    """Labels and confidence of one head of a segmenter.

    Args:
        served: the segmenter.
        head: `main` or `overclustering`.
        sub_head: which of the overclustering head's sub-heads; the main head's is chosen in it.
    """

    def __init__(self, served: ServedSegmenter, head: str = MAIN, sub_head: int = 0):
        self.served = served
        self.clusters: int = served.model.clusters[head]

        def segment(pixels: tf.Tensor, sums: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            if head == MAIN:
                one = served.probabilities(pixels, sums)[0]
            else:
                one = served.maps(pixels, head, sums)[sub_head][0]
            labels = tf.cast(tf.argmax(one, -1, tf.int32), tf.uint8)
            return labels, tf.reduce_max(one, -1)

        spec = tf.TensorSpec((1, None, None, served.model.channels), tf.float32)
        sums = tf.TensorSpec((1, served.scene_features), tf.float32)
        self._segment = tf.function(segment, input_signature=[spec, sums])
        self.sums = scene_summing(served)

    def __call__(
        self, pixels: NDArray[np.generic], sums: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Raw `[height, width, channels]` → labels uint8 and largest probability, at that size.

        Args:
            pixels: raw values of a window.
            sums: of the scene that it is a window of, by the attribute `sums`; None: it is all.
        """
        if sums is None:
            sums = np.zeros((1, self.served.scene_features), np.float32)
        seen = tf.constant(pixels[None].astype(np.float32))
        labels, confidence = self._segment(seen, tf.constant(sums))
        return np.asarray(labels), np.asarray(confidence)

    def windows(self, scene: Scene, factor: int = 1) -> Iterator[Window]:
        """Windows whose labels are those of the whole scene, given its sums.

        Args:
            scene: what is gone over.
            factor: cores begin at multiples of it, besides those that pooling asks for.
        """
        align = self.served.align
        step = math.lcm(align, factor)
        core = -(-CORE // step) * step
        return windows(scene.height, scene.width, core, self.served.margin, align)

    def require_size(self, scene: Scene) -> None:
        """Refuse what is too small for Sobel gradients, which mirror the image at its border."""
        least = 1 if self.served.model.inputs == BANDS else self.served.downscale + 1
        if min(scene.height, scene.width) < least:
            raise InputError(
                f"Expected an image of {least} x {least} pixels or more; received "
                f"{scene.height} x {scene.width} in '{scene.name}'."
            )


class Labelling:
    """One scene, labelled once from top to bottom.

    Take all of `strips()`; then the rendering is complete: a reduced image of at most 2000 pixels
    a side, so that memory stays the same for a scene of any size.

    Args:
        predictor: makes the labels.
        scenes: the set, under the value range of the run.
        scene: one of it.
        with_mask: whether the mask is rendered too.

    Attributes:
        factor: each pixel of the rendering stands for factor × factor.
        labels: uint8 `[h, w]`, the label in the middle of each.
        confidence: float32 `[h, w]`, the mean largest probability.
        truth: int32 `[h, w]` or None.
        counts: int64 `[clusters]`, pixels of the scene.
    """

    def __init__(
        self, predictor: Predictor, scenes: SceneSet, scene: Scene, with_mask: bool = False
    ):
        predictor.require_size(scene)
        self.predictor = predictor
        self.scenes = scenes
        self.scene = scene
        self.factor = max(1, -(-max(scene.height, scene.width) // RENDERING))
        shape = (-(-scene.height // self.factor), -(-scene.width // self.factor))
        self._bands = np.empty((*shape, 3), np.float32)
        self.labels = np.empty(shape, np.uint8)
        self.confidence = np.empty(shape, np.float32)
        self.truth = np.empty(shape, np.int32) if with_mask and scene.has_mask else None
        self.counts = np.zeros(predictor.clusters, np.int64)

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The image in three bands, uint8 `[h, w, 3]`."""
        return to_rgb(self._bands, stretch=True)

    def strips(self) -> Iterator[NDArray[np.uint8]]:
        """Labels of some rows at a time, uint8 `[rows, width]`, from top to bottom.

        Raises:
            InputError: the image or the mask is damaged.
        """
        scene = self.scene
        steps = list(self.predictor.windows(scene, self.factor))
        sums = None if shows_all(steps[0], scene) else self.predictor.sums(scene)
        with progress(scene.name, len(steps)) as bar:
            for _, group in itertools.groupby(steps, key=lambda window: window.top):
                row = list(group)
                strip = np.empty((row[0].height, scene.width), np.uint8)
                for window, pixels in zip(row, _read(scene, row), strict=True):
                    labels, confidence = self.predictor(pixels, sums)
                    inner = window.inner
                    strip[:, window.left : window.left + window.width] = labels[inner]
                    self._render(window, pixels[inner], labels[inner], confidence[inner])
                    bar.advance()
                self.counts += np.bincount(strip.ravel(), minlength=len(self.counts))
                yield strip

    def _render(
        self,
        window: Window,
        pixels: NDArray[np.generic],
        labels: NDArray[np.uint8],
        confidence: NDArray[np.float32],
    ) -> None:
        f = self.factor
        shown = self.scenes.normalise(pixels)[..., list(self.scenes.rgb)]
        place = tuple(
            slice(first // f, -(-(first + size) // f))
            for first, size in ((window.top, window.height), (window.left, window.width))
        )
        self._bands[place] = box_mean(shown, f)
        self.labels[place] = _middles(labels, f)
        self.confidence[place] = box_mean(confidence, f)
        if self.truth is not None:
            core = (window.top, window.left, window.height, window.width)
            self.truth[place] = _middles(self.scene.read_mask(*core), f)


def _read(scene: Scene, row: list[Window]) -> Iterator[NDArray[np.generic]]:
    """What each window of a row is to see."""
    top, _, height, _ = row[0].outer
    # Two bytes a value is the most that is read.
    if 2 * height * scene.width * scene.channels > STRIP_BYTES:
        for window in row:
            yield scene.read(*window.outer)
        return
    whole = scene.read(top, 0, height, scene.width)
    for window in row:
        _, left, _, width = window.outer
        yield whole[:, left : left + width]


def _middles(values: NDArray[np.integer], factor: int) -> NDArray[np.integer]:
    """The value in the middle of each factor × factor box."""
    rows, columns = (
        np.minimum(np.arange(0, size, factor) + factor // 2, size - 1) for size in values.shape
    )
    return values[np.ix_(rows, columns)]
