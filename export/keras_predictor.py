"""Labelling windows of a scene by a run's own model."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.data.scene import Scene
from iic_tf.export.predictor import NO_DATA, Maps, Predictor
from iic_tf.graphs import as_graph
from iic_tf.models.served import ServedSegmenter, holds_data
from iic_tf.training.whole_scene import scene_summing


class KerasPredictor(Predictor):
    """Labels and confidence of a segmenter in Keras.

    Args:
        served: the segmenter.
        probabilities: whether `maps` is to tell all probabilities.
    """

    def __init__(self, served: ServedSegmenter, probabilities: bool = False):
        super().__init__(served.model.classes, served.margin, served.align)
        self.served = served

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
        self._segment = as_graph(segment, input_signature=[spec, sums])
        self._summing = scene_summing(served)

    def sums(self, scene: Scene) -> NDArray[np.float32]:
        return self._summing(scene)

    def maps(self, pixels: NDArray[np.generic], sums: NDArray[np.float32] | None = None) -> Maps:
        if sums is None:
            sums = np.zeros((1, self.served.scene_features), np.float32)
        seen = tf.constant(pixels[None].astype(np.float32))
        labels, confidence, *more = self._segment(seen, tf.constant(sums))
        return np.asarray(labels), np.asarray(confidence), np.asarray(more[0]) if more else None
