"""Keras' own methods, `fit` and its like, as models that learn from batches of pairs have them."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Batch, Losses, Tensor, Tensors
from iic_tf.models.compiled_steps import over_batches, replicated, unwrapped
from iic_tf.models.course import Course, Epochs
from iic_tf.models.keras_arguments import (
    check_data_arguments,
    check_executions,
    check_whole_epoch,
)
from iic_tf.models.soundness import Soundness, finite_rows
from iic_tf.models.trunk_fitting import fit_trunk
from iic_tf.views.numbered_batches import NumberedBatches, staying

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

_traced = threading.local()
"""`phase` that is being traced. Strategies trace each replica in a thread of its own."""


class KerasWays(keras.Model):  # type: ignore[misc]
    """`fit`, `evaluate`, `export`, single batches and the functions that Keras' loops call.

    What they are given is honoured or refused, never passed over. They call `train_phase`,
    `test_step`, `phase_of`, `check_batch` and `image_shape` of `SelfSupervised`.

    Attributes:
        soundness: of the steps since `compile`.
        epochs: those that the batches of a fit carry.
    """

    soundness: Soundness
    epochs: Epochs

    def fit(
        self,
        x: tf.data.Dataset | NumberedBatches | Iterator[Batch] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """`keras.Model.fit` on batches of pairs, which keep their order unless told else.

        Keras would shuffle them by an unseeded generator; pairs draw their order from their seed.
        Their epoch follows Keras' (see `models.course.Course`).

        Raises:
            InputError: targets, weights or a split; batches that are none of pairs; an epoch that
                is none of the pairs; a step that met numbers that are not finite, which and every
                one behind it changed nothing; a main head whose turn never came.
        """
        given = check_data_arguments(keras.Model.fit, x, *args, **kwargs)
        given.setdefault("shuffle", False)
        if isinstance(x, NumberedBatches):
            # Keras would begin to read the next epoch before it is told which one that is.
            check_whole_epoch(given.pop("steps_per_epoch", None), x.steps)
            fit_trunk(self, x)
        check_executions(given.get("steps_per_epoch"), self.steps_per_execution)
        callbacks = given.pop("callbacks", None)
        if isinstance(callbacks, keras.callbacks.CallbackList):
            # That of an earlier fit would set the epochs of this one.
            others = [one for one in callbacks.callbacks if not isinstance(one, Course)]
            callbacks.callbacks = [course := Course(x), *others]
            course.set_model(self)
        else:
            own = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
            callbacks = [Course(x), *(one for one in own if one is not None)]
        return super().fit(callbacks=callbacks, **given)

    def evaluate(
        self,
        x: tf.data.Dataset | NumberedBatches | Iterator[Batch] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Losses:
        """`keras.Model.evaluate` on batches of pairs: the losses.

        Pairs stay at their epoch, also as `fit(validation_data=pairs)`: losses are of the same ones
        each time.

        Raises:
            InputError: targets or weights, or batches that are none of pairs.
        """
        given = check_data_arguments(keras.Model.evaluate, x, *args, **kwargs)
        with staying(x):
            found: Losses = super().evaluate(**given)
            return found

    def predict(
        self, x: Tensor | tf.data.Dataset | NumberedBatches, *args: Any, **kwargs: Any
    ) -> NDArray[np.float32]:
        """`keras.Model.predict` of images, or of those of pairs, which stay at their epoch."""
        with staying(x):
            found: NDArray[np.float32] = super().predict(x, *args, **kwargs)
            return found

    def train_on_batch(self, x: Batch, *args: Any, **kwargs: Any) -> Losses:
        """`keras.Model.train_on_batch` of a batch of pairs.

        Raises:
            InputError: targets or weights, a batch that is none of pairs, or a step that met
                numbers that are not finite, which changed nothing.
        """
        given = check_data_arguments(keras.Model.train_on_batch, x, *args, **kwargs)
        self._assert_compile_called("train_on_batch")
        self.soundness.begin(0)
        self.epochs.least = 0
        found: Losses = super().train_on_batch(**given)
        self.soundness.look()
        return found

    def test_on_batch(self, x: Batch, *args: Any, **kwargs: Any) -> Losses:
        """`keras.Model.test_on_batch` of a batch of pairs.

        Raises:
            InputError: targets or weights, or a batch that is none of pairs.
        """
        given = check_data_arguments(keras.Model.test_on_batch, x, *args, **kwargs)
        found: Losses = super().test_on_batch(**given)
        return found

    def train_step(self, data: Batch) -> Tensors:
        """One step of what is trained in the batch's epoch; the logs.

        Called by hand, and eagerly, it looks whether the step was sound.

        Raises:
            InputError: a batch that is none of pairs, or such a step.
        """
        phase = getattr(_traced, "phase", None)
        if phase is not None:
            return dict(self.train_phase(data, phase))
        self.check_batch(data)
        logs = self.train_phase(data, self.phase_of(int(data["epoch"][0])))
        if tf.executing_eagerly():
            self.soundness.took(data, finite_rows(data))
            self.soundness.look()
        return dict(logs)

    def make_train_function(self, force: bool = False) -> Callable[[Iterator[Batch]], Tensors]:
        """Compile `train_step` once a phase; the one called follows the batch's epoch."""
        if self.train_function is not None and not force:  # type: ignore[has-type]
            return self.train_function  # type: ignore[has-type, no-any-return]
        steps: dict[str, Callable[[Batch], tuple[Tensors, Tensor]]] = {}
        phase = ""

        def step(data: Batch) -> Tensors:
            nonlocal phase
            # A last batch may leave this machine's replicas without images.
            phase = self._phase_of_batch(data) or phase
            if phase not in steps:
                own = functools.partial(self._step_in, phase)
                steps[phase] = replicated(self, own, finite_rows)
            logs, rows = steps[phase](data)
            self.soundness.took(data, rows)
            return logs

        self.train_function = over_batches(self, step)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Callable[[Iterator[Batch]], Tensors]:
        """Compile the evaluation of a batch."""
        if self.test_function is None or force:  # type: ignore[has-type]
            self.test_function = over_batches(self, replicated(self, self.test_step))
        return self.test_function

    def predict_step(self, data: Any) -> Tensor:
        """`model(x)` of images, or of the images of a batch of pairs."""
        found = unwrapped(data)
        return super().predict_step(found["x"] if isinstance(found, dict) else found)

    def export(
        self,
        filepath: str | os.PathLike[str],
        *args: Any,
        input_signature: Sequence[keras.InputSpec] | None = None,
        **kwargs: Any,
    ) -> None:
        """`keras.Model.export`, by default for images of every size that the model takes.

        Keras would ask for a call before, and then take its size for the only one.
        """
        if input_signature is None:
            input_signature = [keras.InputSpec(shape=self.image_shape(), dtype="float32")]
        super().export(filepath, *args, input_signature=input_signature, **kwargs)

    def _maybe_symbolic_build(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: all is built from the start.

        Under a strategy Keras would call the model on a batch, which here is a dict of views.
        """

    def _step_in(self, phase: str, data: Batch) -> Tensors:
        """`train_step`, also a subclass's own, in a phase."""
        _traced.phase = phase
        try:
            logs: Tensors = self.train_step(data)
            return logs
        finally:
            _traced.phase = None

    def _phase_of_batch(self, data: Batch) -> str:
        """The phase of a batch, which carries its epoch; empty where it holds no image here."""
        for epoch in self.distribute_strategy.experimental_local_results(data["epoch"]):
            if len(epoch):
                return str(self.phase_of(self.epochs.met(int(epoch[0]))))
        return ""
