"""Labelling a scene of any size window by window, with a small rendering as a by-product."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.crops import box_mean, box_mean_of_valid
from iic_tf.data.scene import IGNORE, Scene, SceneSet, Valid, read_with_valid
from iic_tf.data.windows import Window
from iic_tf.export.predictor import NO_DATA as NO_DATA
from iic_tf.export.predictor import Predictor
from iic_tf.export.window_maps import ByModel, WindowMaps
from iic_tf.pictures.rgb import to_rgb
from iic_tf.training.pace import Pace
from iic_tf.training.progress import progress
from iic_tf.training.whole_scene import CORE, shows_all

RENDERING = 1999
"""Longest side of a rendering."""

STRIP_BYTES = 1 << 28
"""Rows of windows that take no more are read in one piece: no strip of a TIFF is decoded twice."""

Taker = Callable[[Window, NDArray[np.uint8]], None]
"""Gets each window of a scene, and values of its core, `[height, width, bands]`."""


class Labelling:
    """One scene, labelled once from top to bottom.

    Take all of `strips()`; then the rendering is complete: a reduced image of at most 1999 pixels
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
        steps = list(self.predictor.windows(scene, self.factor, CORE))
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
