"""Labelling a scene of any size window by window, with a small rendering as a by-product."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.data.crops import box_mean, box_mean_of_valid
from iic_tf.data.scene import IGNORE, Scene, SceneSet, Valid, has_nodata, read_with_valid
from iic_tf.data.windows import Window, windows
from iic_tf.errors import InputError
from iic_tf.export.window_maps import NO_DATA as NO_DATA
from iic_tf.export.window_maps import ByModel, WindowMaps
from iic_tf.models.served import ServedSegmenter, holds_data
from iic_tf.pictures import to_rgb
from iic_tf.training.pace import Pace
from iic_tf.training.progress import progress
from iic_tf.training.whole_scene import CORE, scene_summing, shows_all

RENDERING = 2000
"""Longest side of a rendering."""

STRIP_BYTES = 1 << 28
"""Rows of windows that take no more are read in one piece: no strip of a TIFF is decoded twice."""

Taker = Callable[[Window, NDArray[np.uint8]], None]
"""Gets each window of a scene, and values of its core, `[height, width, bands]`."""


class Predictor:
    """Labels and confidence of a segmenter; labels go from 0 on, whatever numbers classes have.

    Args:
        served: the segmenter.
        probabilities: whether `maps` is to tell all probabilities.
    """

    def __init__(self, served: ServedSegmenter, probabilities: bool = False):
        self.served = served
        self.clusters: int = served.model.classes

        def segment(pixels: tf.Tensor, sums: tf.Tensor) -> tuple[tf.Tensor, ...]:
            one = served.probabilities(pixels, sums)[0]
            holds = holds_data(pixels)[0, ..., 0]
            labels = tf.where(holds, tf.argmax(one, -1, tf.int32), NO_DATA)
            best = tf.reduce_max(one, -1) * tf.cast(holds, one.dtype)
            found = (tf.cast(labels, tf.uint8), best)
            if not probabilities:
                return found
            percent = tf.where(holds[..., None], tf.round(100 * one), NO_DATA)
            return (*found, tf.cast(percent, tf.uint8))

        spec = tf.TensorSpec((1, None, None, served.model.channels), tf.float32)
        sums = tf.TensorSpec((1, served.scene_features), tf.float32)
        self._segment = tf.function(segment, input_signature=[spec, sums])
        self.sums = scene_summing(served)

    def __call__(
        self, pixels: NDArray[np.generic], sums: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Raw `[height, width, channels]` → labels uint8 and largest probability, at that size.

        Where a pixel has NaN the label is `NO_DATA` and the probability 0.

        Args:
            pixels: raw values of a window.
            sums: of the scene that it is a window of, by the attribute `sums`; None: it is all.
        """
        labels, confidence, _ = self.maps(pixels, sums)
        return labels, confidence

    def maps(
        self, pixels: NDArray[np.generic], sums: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint8] | None]:
        """Labels and largest probability, as from a call, and the probabilities of all labels.

        These are in percent, `[height, width, clusters]`, `NO_DATA` where a pixel has NaN; None
        unless they were asked for when this was made.
        """
        if sums is None:
            sums = np.zeros((1, self.served.scene_features), np.float32)
        seen = tf.constant(pixels[None].astype(np.float32))
        labels, confidence, *more = self._segment(seen, tf.constant(sums))
        return np.asarray(labels), np.asarray(confidence), np.asarray(more[0]) if more else None

    def percent(
        self, labels: NDArray[np.uint8], confidence: NDArray[np.float32]
    ) -> NDArray[np.uint8]:
        """The largest probability in percent, `NO_DATA` where there is none."""
        percent = np.rint(100 * confidence).astype(np.uint8)
        if self.clusters <= NO_DATA:
            percent[labels == NO_DATA] = NO_DATA
        return percent

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

    def require(self, scene: Scene) -> None:
        """Refuse what cannot be labelled.

        Raises:
            InputError: an image that may hold no data in parts, where all numbers of label files
                are taken.
        """
        if self.clusters > NO_DATA and has_nodata(scene):
            raise InputError(
                f"Expected at most {NO_DATA} clusters for images with pixels of no data, whose "
                f"label is {NO_DATA}; received {self.clusters} and '{scene.name}'."
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
        maps: where labels come from; None: from the model.

    Attributes:
        factor: each pixel of the rendering stands for factor × factor.
        labels: int16 `[h, w]`, the label in the middle of each, `IGNORE` where there is no data.
        confidence: float32 `[h, w]`, the mean largest probability.
        truth: int32 `[h, w]` or None.
        counts: int64 `[clusters]`, pixels of the scene.
        empty: how many pixels hold no data.
    """

    def __init__(
        self,
        predictor: Predictor,
        scenes: SceneSet,
        scene: Scene,
        with_mask: bool = False,
        maps: WindowMaps | None = None,
    ):
        predictor.require(scene)
        self.predictor = predictor
        self._maps = ByModel(predictor) if maps is None else maps
        self.scenes = scenes
        self.scene = scene
        self.factor = max(1, -(-max(scene.height, scene.width) // RENDERING))
        shape = (-(-scene.height // self.factor), -(-scene.width // self.factor))
        self._bands = np.empty((*shape, 3), np.float32)
        self.labels = np.empty(shape, np.int16)
        self.confidence = np.empty(shape, np.float32)
        self.truth = np.empty(shape, np.int32) if with_mask and scene.has_mask else None
        self.counts = np.zeros(predictor.clusters, np.int64)
        self.empty = 0

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The image in three bands, uint8 `[h, w, 3]`."""
        return to_rgb(self._bands, stretch=True)

    def strips(
        self, confidence: Taker | None = None, probabilities: Taker | None = None
    ) -> Iterator[NDArray[np.uint8]]:
        """Labels of some rows at a time, uint8 `[rows, width]`, from top to bottom.

        They are `NO_DATA` where a pixel holds none.

        Args:
            confidence: gets the largest probability at full size, in percent, of each window.
            probabilities: gets those of all labels, likewise; of a predictor that tells them.

        Raises:
            InputError: the image or the mask is damaged.
        """
        scene = self.scene
        steps = list(self.predictor.windows(scene, self.factor))
        sums = None if shows_all(steps[0], scene) else self._maps.sums(scene)
        pace = Pace(scene.height * scene.width)
        with progress(scene.name, len(steps)) as bar:
            before = time.monotonic()
            for _, group in itertools.groupby(steps, key=lambda window: window.top):
                row = list(group)
                strip = np.empty((row[0].height, scene.width), np.uint8)
                for window, (pixels, valid) in zip(row, _read(scene, row), strict=True):
                    labels, best, every = self._maps.core(window, pixels, valid, sums)
                    inner = window.inner
                    strip[:, window.left : window.left + window.width] = labels
                    valid = None if valid is None else valid[inner]
                    self._render(window, pixels[inner], valid, labels, best)
                    if confidence is not None:
                        percent = self.predictor.percent(labels, best)
                        confidence(window, percent[..., None])
                    if probabilities is not None and every is not None:
                        probabilities(window, every)
                    bar.advance()
                    now = time.monotonic()
                    pace.add(window.height * window.width, now - before)
                    bar.note(pace.speed)
                    before = now
                counts = np.bincount(strip.ravel(), minlength=NO_DATA + 1)
                self.counts += counts[: len(self.counts)]
                self.empty += int(counts[len(self.counts) :].sum())
                yield strip

    def _render(
        self,
        window: Window,
        pixels: NDArray[np.generic],
        valid: Valid,
        labels: NDArray[np.uint8],
        confidence: NDArray[np.float32],
    ) -> None:
        f = self.factor
        shown = self.scenes.normalise(pixels)[..., list(self.scenes.rgb)]
        nothing = np.full(3, np.nan, np.float32)
        place = tuple(
            slice(first // f, -(-(first + size) // f))
            for first, size in ((window.top, window.height), (window.left, window.width))
        )
        if valid is not None and f == 1:
            shown[~valid] = nothing
        self._bands[place], _ = box_mean_of_valid(shown, valid, f, nothing)
        middle = _middles(labels, f)
        found = middle.astype(np.int16)
        if self.predictor.clusters <= NO_DATA:
            found[middle == NO_DATA] = IGNORE
        self.labels[place] = found
        self.confidence[place] = box_mean(confidence, f)
        if self.truth is not None:
            core = (window.top, window.left, window.height, window.width)
            self.truth[place] = _middles(self.scene.read_mask(*core), f)


def _read(scene: Scene, row: list[Window]) -> Iterator[tuple[NDArray[np.generic], Valid]]:
    """What each window of a row is to see, and which pixels hold data."""
    top, _, height, _ = row[0].outer
    # Most images have no more than two bytes a value.
    if 2 * height * scene.width * scene.channels > STRIP_BYTES:
        for window in row:
            yield read_with_valid(scene, *window.outer)
        return
    whole, valid = read_with_valid(scene, top, 0, height, scene.width)
    for window in row:
        _, left, _, width = window.outer
        columns = slice(left, left + width)
        yield whole[:, columns], None if valid is None else valid[:, columns]


def _middles(values: NDArray[Any], factor: int) -> NDArray[Any]:
    """The value in the middle of each factor × factor box."""
    rows, columns = (
        np.minimum(np.arange(0, size, factor) + factor // 2, size - 1) for size in values.shape
    )
    return values[np.ix_(rows, columns)]
