"""A run's best model as it is served: with its preprocessing inside and a named signature."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Tensor, Tensors
from iic_tf.export.form import Form
from iic_tf.export.signature import CORE as CORE
from iic_tf.export.signature import INPUT as INPUT
from iic_tf.export.signature import LABELS as LABELS
from iic_tf.export.signature import OWN_SUMS as OWN_SUMS
from iic_tf.export.signature import PROBABILITIES as PROBABILITIES
from iic_tf.export.signature import SUMS as SUMS
from iic_tf.export.signature import ExportError as ExportError
from iic_tf.graphs import as_graph

PLAIN = Form()
"""Floats in, labels and probabilities out."""


class Servable(Protocol):
    """What can be exported: `ServedSegmenter` and `ServedClusterer`.

    Attributes:
        model: the Keras model, float32, with `channels` and `classes`.
        low, high: raw values `[channels]` that become 0 and 1.
        axes: names of the labels' dimensions.
        tolerance: largest difference of two probabilities that is no mistake.
        scene_features: how many numbers sum up a scene as a whole; where this is not 0 there are
            `align`, `margin` and `window`, see `ServedSegmenter`.
    """

    model: Any
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    axes: tuple[str, ...]
    tolerance: float
    scene_features: int

    @property
    def align(self) -> int: ...
    @property
    def margin(self) -> int: ...

    @property
    def examples(self) -> tuple[tuple[int, int, int], ...]:
        """Batch, height and width of images by which exports are checked."""
        ...

    def __call__(self, pixels: Tensor) -> Tensors:
        """Labels int32 `[*axes]` and probabilities `[*axes, classes]` of raw pixels."""
        ...


def outputs(form: Form, *more: str) -> tuple[str, ...]:
    """Names of what an export of this form answers, and of what else its graph has."""
    return (LABELS, *(() if form.labels_only else (PROBABILITIES,)), *more)


def input_spec(served: Servable, form: Form = PLAIN) -> tf.TensorSpec:
    """The one input: raw values `[batch, height, width, channels]`, any size."""
    return tf.TensorSpec((None, None, None, served.model.channels), form.pixels, name=INPUT)


def signature(served: Servable, form: Form = PLAIN) -> tf.types.experimental.PolymorphicFunction:
    """The graph that every export holds, as a `tf.function`.

    Input `pixels`: raw values, `[batch, height, width, channels]` of the form's type. Outputs
    `labels`: int32 `[*axes]`, and `probabilities`: float32 `[*axes, classes]`; or labels alone, as
    int16. Axes are batch, height and width for a label of each pixel, batch for one of each image.
    """
    spec = input_spec(served, form)

    def serve(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        return _named(served(_floats(pixels, spec)), form, outputs(form))

    return as_graph(serve, input_signature=[spec])


def window_specs(served: Servable, form: Form = PLAIN) -> list[tf.TensorSpec]:
    """The three inputs of the graph for windows of a scene, see `window_signature`."""
    return [
        input_spec(served, form),
        tf.TensorSpec((None, served.scene_features), tf.float32, name=SUMS),
        tf.TensorSpec((4,), tf.int32, name=CORE),
    ]


def window_signature(served: Any, form: Form = PLAIN) -> tf.types.experimental.PolymorphicFunction:
    """The graph by which a client labels a scene that it cuts into windows itself.

    Inputs `pixels`, as of `signature`; `sums`: float32 `[batch or 1, scene_features]`, and `core`:
    int32 `[4]`. Outputs `labels` and `probabilities`, likewise, and `own_sums`:
    float32 `[batch, scene_features]`; see `ServedSegmenter.window`.
    """
    specs = window_specs(served, form)

    def window(pixels: tf.Tensor, sums: tf.Tensor, core: tf.Tensor) -> dict[str, tf.Tensor]:
        found = served.window(_floats(pixels, specs[0]), sums, core)
        return _named(found, form, outputs(form, OWN_SUMS))

    return as_graph(window, input_signature=specs)


def _floats(pixels: tf.Tensor, spec: tf.TensorSpec) -> tf.Tensor:
    # Nobody compares what a SavedModel gets with its signature, and a convolution made for
    # one channel takes three for groups: without this, colours get wrong labels silently.
    return tf.cast(tf.ensure_shape(pixels, spec.shape), tf.float32)


def _named(found: Tensors, form: Form, names: tuple[str, ...]) -> dict[str, tf.Tensor]:
    given = {**found, LABELS: tf.cast(found[LABELS], form.labels)}
    return {name: tf.identity(given[name], name) for name in names}
