"""Names for what values are, for annotations.

TensorFlow and Keras are untyped for mypy: to it `Tensor` is anything, to whoever reads a signature
it is not. Nothing is imported when this file runs, so that files that do without TensorFlow may
name its types, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import keras
    import tensorflow as tf
    from numpy.typing import NDArray

    Tensor: TypeAlias = tf.Tensor
    Variable: TypeAlias = keras.Variable
    Layer: TypeAlias = keras.layers.Layer
    Network: TypeAlias = keras.Model
    Meter: TypeAlias = keras.metrics.Metric
    Callback: TypeAlias = keras.callbacks.Callback
    Optimizer: TypeAlias = keras.optimizers.Optimizer
    Rate: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule
    Arrays: TypeAlias = dict[str, NDArray[Any]]
    Trunk: TypeAlias = str | keras.layers.Layer | dict[str, Any]
else:
    Tensor = Variable = Layer = Network = Meter = Callback = Optimizer = Rate = Arrays = Trunk = Any
# Tensor: of TensorFlow, or of Keras while a graph is built; where functions of tensors take one,
# variables and NumPy arrays do as well. Meter: adds up an evaluation. Rate: of an optimiser.
# Arrays: by name, as an exported model answers. Trunk: a name, a network, or what
# `networks.trunks.trunk_config` made of one.

Tensors: TypeAlias = dict[str, Tensor]
"""Tensors by name: the sums or logs of a step, what a model answers."""

Batch: TypeAlias = dict[str, Tensor]
"""A batch by the names of what it holds: `x`, `gx`, `epoch`, ..."""

Size: TypeAlias = int | Tensor
"""A whole number that may be known only when a graph runs."""

Shape: TypeAlias = tuple[int | None, ...]
"""A static shape; None where a size is unknown."""

Parts: TypeAlias = dict[str, list[Variable]]
"""The variables of a model, by part."""

Config: TypeAlias = dict[str, Any]
"""Arguments by name, as `get_config` returns them."""

Json: TypeAlias = dict[str, Any]
"""A mapping as JSON and YAML files hold it: strings, numbers, lists and further mappings."""

Facts: TypeAlias = Mapping[str, Any]
"""The same, only read: a configuration, values of a data set, figures of an evaluation."""

Optimizers: TypeAlias = Optimizer | dict[str, Optimizer]
"""What takes the steps: one for all, or one for each part of a model by its name."""

Losses: TypeAlias = float | list[float] | dict[str, float]
"""What Keras returns of an evaluation, or of a batch: the loss, or several."""

Logs: TypeAlias = dict[str, Any]
"""What Keras tells callbacks: losses and metrics by name, numbers."""
