"""Labelling windows of a scene by an export, SavedModel or ONNX."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Arrays
from iic_tf.data.scene import Scene
from iic_tf.export.card_reading import ExportCard
from iic_tf.export.form import Form
from iic_tf.export.predictor import NO_DATA, Maps, Predictor
from iic_tf.export.signature import LABELS, OWN_SUMS, PROBABILITIES
from iic_tf.training.whole_scene import summed

if TYPE_CHECKING:
    from collections.abc import Callable


class ExportedPredictor(Predictor):
    """Labels and confidence of an exported segmenter.

    Args:
        card: what it says of itself.
        run: runs it: pixels in, arrays by name out.
        run_window: likewise of its graph for windows, where labels depend on the scene as a whole.
        features: how many numbers then sum up a scene.
        probabilities: whether `maps` is to tell all probabilities.
    """

    def __init__(
        self,
        card: ExportCard,
        run: Callable[..., Arrays],
        run_window: Any = None,
        features: int = 0,
        probabilities: bool = False,
    ):
        numbers = card.legend.numbers
        super().__init__(len(numbers), card.margin, card.align)
        self._form = Form(card.pixels)
        self._low = card.low
        self._run, self._run_window, self._features = run, run_window, features
        self._probabilities = probabilities
        # By the number of a class, one further, as no data have −1.
        self._index = np.full(int(numbers.max()) + 2, NO_DATA, np.uint8)
        self._index[numbers + 1] = np.arange(len(numbers))

    def sums(self, scene: Scene) -> NDArray[np.float32]:
        if not self._features:
            return np.zeros((1, 0), np.float32)
        none = np.zeros((1, self._features), np.float32)

        def own(pixels: NDArray[np.float32], core: NDArray[np.int32]) -> NDArray[np.float32]:
            sent = self._sent(pixels, _holding(pixels))
            found: NDArray[np.float32] = self._run_window(sent, none, core)[OWN_SUMS]
            return found

        return summed(scene, own, self._features, self.margin, self.align)

    def maps(self, pixels: NDArray[np.generic], sums: NDArray[np.float32] | None = None) -> Maps:
        seen = pixels[None].astype(np.float32, copy=False)
        holds = _holding(seen)
        sent = self._sent(seen, holds)
        if sums is None or not self._features:
            found = self._run(sent)
        else:
            # By the sums of the scene the labels are those of any core.
            core = np.asarray([0, 0, *seen.shape[1:3]], np.int32)
            found = self._run_window(sent, sums, core)
        empty = ~holds[0]
        labels = self._index[found[LABELS][0] + 1]
        labels[empty] = NO_DATA
        if PROBABILITIES not in found:
            return labels, np.zeros(labels.shape, np.float32), None
        every = found[PROBABILITIES][0]
        # Label by label: NumPy takes thirty times as long over a short last axis.
        best = functools.reduce(np.maximum, (every[..., k] for k in range(every.shape[-1]))).copy()
        best[empty] = 0
        if not self._probabilities:
            return labels, best, None
        percent = np.rint(100 * every).astype(np.uint8)
        percent[empty] = NO_DATA
        return labels, best, percent

    def _sent(self, seen: NDArray[np.float32], holds: NDArray[np.bool_]) -> NDArray[np.generic]:
        if self._form.integer:
            # Whole numbers have no NaN; the lowest value stands for it.
            seen = np.where(holds[..., None], seen, self._low)
        return self._form.sent(seen)


def _holding(pixels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which pixels hold data, `[batch, height, width]`."""
    # Band by band, for the same reason.
    bands = (np.isfinite(pixels[..., band]) for band in range(pixels.shape[-1]))
    return np.asarray(functools.reduce(np.logical_and, bands))
