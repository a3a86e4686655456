"""A run's best model as it is served: with its preprocessing inside and a named signature."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.errors import InputError

INPUT = "pixels"
LABELS = "labels"
PROBABILITIES = "probabilities"


class ExportError(InputError):
    """A model could not be exported, or the exported one does not compute the same."""


class Servable(Protocol):
    """What can be exported: `ServedSegmenter` and `ServedClusterer`.

    Attributes:
        model: the Keras model, float32, with `channels` and `classes`.
        low, high: raw values `[channels]` that become 0 and 1.
        axes: names of the labels' dimensions.
        tolerance: largest difference of two probabilities that is no mistake.
    """

    model: Any
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    axes: tuple[str, ...]
    tolerance: float

    @property
    def examples(self) -> tuple[tuple[int, int, int], ...]:
        """Batch, height and width of images by which exports are checked."""
        ...

    def __call__(self, pixels: Any) -> dict[str, Any]:
        """Labels int32 `[*axes]` and probabilities `[*axes, classes]` of raw pixels."""
        ...


def input_spec(served: Servable) -> tf.TensorSpec:
    """The one input: raw values, float32 `[batch, height, width, channels]`, any size."""
    return tf.TensorSpec((None, None, None, served.model.channels), tf.float32, name=INPUT)


def signature(served: Servable) -> Any:
    """The graph that every export holds, as a `tf.function`.

    Input `pixels`: raw values, float32 `[batch, height, width, channels]`. Outputs `labels`: int32
    `[*axes]`, and `probabilities`: float32 `[*axes, classes]`; axes are batch, height and width
    for a label of each pixel, batch for one of each image.
    """

    def serve(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        # Nobody compares what a SavedModel gets with its signature, and a convolution made for
        # one channel takes three for groups: without this, colours get wrong labels silently.
        found = served(tf.ensure_shape(pixels, input_spec(served).shape))
        return {
            LABELS: tf.identity(found["labels"], LABELS),
            PROBABILITIES: tf.identity(found["probabilities"], PROBABILITIES),
        }

    return tf.function(serve, input_signature=[input_spec(served)])
