"""What all models have in common: they learn from batches of views, and say how it goes."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import keras
import tensorflow as tf

from iic_tf.errors import InputError, expected
from iic_tf.models.adam import Adam
from iic_tf.models.compiled_steps import over_batches, replicated, unwrapped
from iic_tf.models.course import Course, Epochs
from iic_tf.models.keras_arguments import (
    check_compiled,
    check_data_arguments,
    check_executions,
)
from iic_tf.models.phases import EVERYTHING, PartOptimizers
from iic_tf.models.soundness import Soundness, finite_rows

OPTIONS = ("run_eagerly", "steps_per_execution", "auto_scale_loss")
"""Of `compile`, kept in files beside the optimiser."""

_traced = threading.local()
"""`phase` that is being traced. Strategies trace each replica in a thread of its own."""


@dataclass(frozen=True)
class Monitor:
    """What an evaluation says of one of a model's answers.

    Attributes:
        losses: the unsupervised loss of each of its sub-heads, one or more.
        bound: the lowest that a loss can be; −∞ where there is none.
        shares: of each sub-head, each cluster's share of everything, `[clusters]`.
    """

    losses: list[float]
    bound: float
    shares: list[list[float]]

    @property
    def chosen(self) -> int:
        """The sub-head with the lowest loss."""
        return min(range(len(self.losses)), key=self.losses.__getitem__)


class SelfSupervised(keras.Model):  # type: ignore[misc]
    """A trunk and what learns on its features, without labels.

    A model sets the attributes below, provides `features`, `call`, `parts`, `train_phase`,
    `test_step` and `monitors`, and may have phases: what is trained in an epoch. A batch carries
    its epoch, so that the phase follows from the data alone: no callback, no counter to save, and
    resuming needs nothing. Each phase is traced once, with the gradients of its own parts only.

    Attributes:
        trunk: the network whose features all the rest goes by.
        meters: what adds up an evaluation, by the names of the monitors, the decisive one first.
        clusters: how many there are, by the names of the answers that the model can give.
        micro_batches: parts that a replica's batch goes through the network in; see `compile`.
    """

    arguments: ClassVar[tuple[str, ...]]
    """Names of the constructor's arguments, all of them attributes."""
    batch_source: ClassVar[str] = "iic_tf.ImagePairs"
    """Whose batches it takes, for messages."""
    keys: ClassVar[tuple[str, ...]] = ("x", "gx", "epoch")
    """What a batch must hold."""
    geometries: ClassVar[tuple[str, ...]] = ()
    """Keys of which a batch must have at least one, beside those."""
    channels: int
    classes: int
    trunk: Any
    meters: dict[str, Any]
    clusters: dict[str, int]
    micro_batches: int = 1

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        if policy.variable_dtype not in ("float32", "float64"):
            raise InputError(
                f"Expected the precision mixed_{policy.variable_dtype} (dtype=, or "
                "keras.config.set_dtype_policy), which computes so and keeps weights in float32: "
                f"steps vanish in the rounding of others; received {policy.name}."
            )

    @property
    def sub_head(self) -> int:
        """Which of the sub-heads of the main answer counts."""
        return 0

    # --- what a model provides

    def features(self, x: Any, training: bool = False) -> Any:
        """What the trunk makes of images."""
        raise NotImplementedError

    def parts(self) -> dict[str, list[Any]]:
        """The trained variables by part; the first part is trained in every phase."""
        raise NotImplementedError

    def phase_of(self, epoch: int) -> str:
        """What is trained in an epoch."""
        return EVERYTHING

    def check_turns_taken(self, epochs: int) -> None:
        """What a model wants of the batches of so many of Keras' epochs; nothing, as a rule."""

    def train_phase(self, data: dict[str, Any], phase: str) -> dict[str, Any]:
        """Take a step on what a phase trains; the logs."""
        raise NotImplementedError

    def monitors(self) -> dict[str, Monitor]:
        """What the last evaluation says, by name; the first one decides."""
        raise NotImplementedError

    def settle(self, monitors: Mapping[str, Monitor]) -> None:
        """Choose by an evaluation what the model answers with; nothing where there is no choice."""

    # --- compiling and saving

    def compile(self, optimizer: Any = None, micro_batches: int = 1, **kwargs: Any) -> None:
        """Compile with Adam at 1e-4 (epsilon 1e-8, as in the published runs) unless told else.

        Args:
            optimizer: a Keras optimiser, of which each part of the model gets one of its own
                (`models.phases`), which clip gradients by part, if at all; or one for each part by
                name; or None.
            micro_batches: parts that a batch goes through the network in, one after another, so
                that large batches fit into small memory. What the loss is made of is summed over
                all parts first: the gradient is that of the whole batch, but for
                BatchNormalization, which sees a part at a time and moves its statistics once by
                the mean of the parts'. Costs a second forward pass. The batch, on several devices
                each one's share of it, must be a multiple.
            kwargs: `run_eagerly`, `steps_per_execution`, `jit_compile` and `auto_scale_loss` of
                `keras.Model.compile`.

        Raises:
            InputError: fewer than one micro-batch, optimisers of other parts, or losses and
                metrics: the objective is the model's own.
        """
        check_compiled(micro_batches, kwargs)
        self.micro_batches = micro_batches
        others: Mapping[str, Any] | None = None
        if optimizer is None:
            optimizer = Adam(1e-4, epsilon=1e-8)
        if isinstance(optimizer, Mapping):
            first = next(iter(self.parts()))
            if first not in optimizer:
                wanted = f"an optimiser for each of {', '.join(self.parts())}"
                raise expected(wanted, sorted(optimizer))
            others = {name: one for name, one in optimizer.items() if name != first}
            optimizer = optimizer[first]
        super().compile(optimizer=optimizer, **kwargs)
        self._options = {name: kwargs[name] for name in OPTIONS if name in kwargs}
        self.soundness = Soundness(self.distribute_strategy)
        self.epochs = Epochs()
        self._by_part = PartOptimizers(self.optimizer, self.parts(), others)
        self._others_given = others is not None
        # Where Keras looks for what to save.
        self.other_optimizers = self._by_part.others

    def get_compile_config(self) -> dict[str, Any] | None:
        if not self.compiled:
            return None
        serialize = keras.saving.serialize_keras_object
        config = {
            "optimizer": serialize(self.optimizer),
            "jit_compile": self.jit_compile,
            "micro_batches": self.micro_batches,
            **self._options,
        }
        if self._others_given:
            config["other_optimizers"] = {n: serialize(o) for n, o in self._by_part.others.items()}
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        load = keras.saving.deserialize_keras_object
        optimizer = load(config["optimizer"])
        if "other_optimizers" in config:
            others = {name: load(one) for name, one in config["other_optimizers"].items()}
            optimizer = {next(iter(self.parts())): optimizer, **others}
        self.compile(
            optimizer=optimizer,
            jit_compile=config["jit_compile"],
            micro_batches=config.get("micro_batches", 1),
            **{name: config[name] for name in OPTIONS if name in config},
        )

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in self.arguments}
        return {**super().get_config(), **own}

    def image_shape(self) -> tuple[int | None, ...]:
        """Of the images that `call` takes, `(batch, height, width, channels)`; None for any."""
        return (None, None, None, self.channels)

    def export(self, filepath: Any, *args: Any, input_signature: Any = None, **kwargs: Any) -> None:
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

    # --- steps

    def step_on(
        self,
        gradients: Mapping[str, Sequence[Any]],
        loss: Any = None,
        data: Mapping[str, Any] = MappingProxyType({}),
        resting: Sequence[tuple[Any, Any]] = (),
    ) -> Any:
        """Let each part's optimiser take a step, if it is sound (`models.soundness`).

        Args:
            gradients: of the scaled loss, by part.
            loss: the loss itself.
            data: the batch.
            resting: what `resting` returned; put back where the step is not sound.

        Returns:
            Whether it was, a bool tensor.
        """
        every = [g for own in gradients.values() for g in own]
        sound = self.soundness.judge(data, loss, every, self._by_part.loose)

        def put_back(values: Sequence[Any]) -> None:
            for (variable, _), value in zip(resting, values, strict=True):
                variable.assign(value)

        before = [value for _, value in resting]
        self._by_part.apply(gradients, self.parts(), sound, put_back, before)
        return sound

    def resting(self) -> list[tuple[Any, Any]]:
        """The weights that no optimiser moves, and their values."""
        return [(v, tf.identity(v)) for v in self.non_trainable_weights]

    def check_batch(self, data: Any) -> None:
        """A batch must be a dict as `batch_source` yields it."""
        fits = isinstance(data, dict) and set(self.keys) <= set(data)
        if fits and (not self.geometries or set(self.geometries) & set(data)):
            return
        came = sorted(data) if isinstance(data, dict) else type(data).__name__
        keys = [*self.keys, " or ".join(self.geometries)] if self.geometries else [*self.keys]
        raise InputError(
            f"Expected batches of pairs, dicts with {', '.join(keys[:-1])} and {keys[-1]} "
            f"(see {self.batch_source}); received {came}."
        )

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.fit` on batches of pairs, which keep their order unless told else.

        Keras would shuffle them by an unseeded generator; pairs draw their order from their seed.
        Their epoch follows Keras' (see `models.course.Course`).

        Raises:
            InputError: targets, weights or a split; batches that are none of pairs; a step that met
                numbers that are not finite, which and every one behind it changed nothing; a main
                head whose turn never came.
        """
        given = check_data_arguments(keras.Model.fit, x, *args, **kwargs)
        given.setdefault("shuffle", False)
        check_executions(given.get("steps_per_epoch"), self.steps_per_execution)
        callbacks = given.pop("callbacks", None)
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks.callbacks.insert(0, course := Course(x))
            course.set_model(self)
        else:
            own = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
            callbacks = [Course(x), *(one for one in own if one is not None)]
        return super().fit(callbacks=callbacks, **given)

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.evaluate` on batches of pairs: the losses.

        Raises:
            InputError: targets or weights, or batches that are none of pairs.
        """
        return super().evaluate(**check_data_arguments(keras.Model.evaluate, x, *args, **kwargs))

    def train_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.train_on_batch` of a batch of pairs.

        Raises:
            InputError: targets or weights, a batch that is none of pairs, or a step that met
                numbers that are not finite, which changed nothing.
        """
        given = check_data_arguments(keras.Model.train_on_batch, x, *args, **kwargs)
        self.soundness.begin(0)
        found = super().train_on_batch(**given)
        self.soundness.look()
        return found

    def test_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.test_on_batch` of a batch of pairs.

        Raises:
            InputError: targets or weights, or a batch that is none of pairs.
        """
        given = check_data_arguments(keras.Model.test_on_batch, x, *args, **kwargs)
        return super().test_on_batch(**given)

    def train_step(self, data: dict[str, Any]) -> dict[str, Any]:
        """One step of what is trained in the batch's epoch; the logs.

        Called by hand, and eagerly, it looks whether the step was sound.

        Raises:
            InputError: a batch that is none of pairs, or such a step.
        """
        phase = getattr(_traced, "phase", None)
        if phase is not None:
            return self.train_phase(data, phase)
        self.check_batch(data)
        logs = self.train_phase(data, self.phase_of(int(data["epoch"][0])))
        if tf.executing_eagerly():
            self.soundness.took(data, finite_rows(data))
            self.soundness.look()
        return logs

    def make_train_function(self, force: bool = False) -> Callable[[Iterator[Any]], Any]:
        """Compile `train_step` once a phase; the one called follows the batch's epoch."""
        if self.train_function is not None and not force:  # type: ignore[has-type]
            return self.train_function  # type: ignore[has-type, no-any-return]
        steps: dict[str, Callable[[Any], Any]] = {}
        phase = ""

        def step(data: Any) -> Any:
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

    def make_test_function(self, force: bool = False) -> Callable[[Iterator[Any]], Any]:
        """Compile the evaluation of a batch."""
        if self.test_function is None or force:  # type: ignore[has-type]
            self.test_function = over_batches(self, replicated(self, self.test_step))
        return self.test_function

    def predict_step(self, data: Any) -> Any:
        """`model(x)` of images, or of the images of a batch of pairs."""
        found = unwrapped(data)
        return super().predict_step(found["x"] if isinstance(found, dict) else found)

    def _step_in(self, phase: str, data: Any) -> dict[str, Any]:
        """`train_step`, also a subclass's own, in a phase."""
        _traced.phase = phase
        try:
            logs: dict[str, Any] = self.train_step(data)
            return logs
        finally:
            _traced.phase = None

    def _phase_of_batch(self, data: Any) -> str:
        """The phase of a batch, which carries its epoch; empty where it holds no image here."""
        for epoch in self.distribute_strategy.experimental_local_results(data["epoch"]):
            if len(epoch):
                return self.phase_of(self.epochs.met(int(epoch[0])))
        return ""
