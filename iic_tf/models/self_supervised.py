"""What all models have in common: they learn from batches of views, and say how it goes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import tensorflow as tf

from iic_tf.errors import InputError, expected
from iic_tf.models.adam import Adam
from iic_tf.models.phases import EVERYTHING, PartOptimizers
from iic_tf.replicas import share_of


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
            kwargs: as `keras.Model.compile`'s.

        Raises:
            InputError: fewer than one micro-batch, or optimisers of other parts.
        """
        if micro_batches < 1:
            raise expected("at least 1 micro-batch", micro_batches, "micro_batches")
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
        )

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in self.arguments}
        return {**super().get_config(), **own}

    def _maybe_symbolic_build(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: all is built from the start.

        Under a strategy Keras would call the model on a batch, which here is a dict of views.
        """

    # --- steps

    def step_on(self, gradients: Mapping[str, Sequence[Any]]) -> None:
        """Let each part's optimiser take a step, by gradients of the scaled loss."""
        self._by_part.apply(gradients, self.parts())

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

    def fit(self, *args: Any, shuffle: bool = False, **kwargs: Any) -> Any:
        """`keras.Model.fit`, but batches keep their order unless told else.

        Keras would shuffle them by an unseeded generator; pairs draw their order from their seed.
        """
        return super().fit(*args, shuffle=shuffle, **kwargs)

    def train_step(self, data: dict[str, Any]) -> dict[str, Any]:
        """One eager step: looks up the phase of the batch's epoch and takes it."""
        self.check_batch(data)
        return self.train_phase(data, self.phase_of(int(data["epoch"][0])))

    def make_train_function(self, force: bool = False) -> Callable[[Iterator[Any]], Any]:
        """Compile one function a phase; the one called follows the batch's epoch."""
        if self.train_function is not None and not force:  # type: ignore[has-type]
            return self.train_function  # type: ignore[has-type, no-any-return]
        steps: dict[str, Callable[[Any], Any]] = {}
        phase = ""

        def step(data: Any) -> Any:
            nonlocal phase
            # A last batch may leave this machine's replicas without images.
            phase = self._phase_of_batch(data) or phase
            if phase not in steps:
                steps[phase] = self._replicated(functools.partial(self.train_phase, phase=phase))
            return steps[phase](data)

        self.train_function = self._over_batches(step)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Callable[[Iterator[Any]], Any]:
        """Compile the evaluation of a batch."""
        if self.test_function is None or force:  # type: ignore[has-type]
            self.test_function = self._over_batches(self._replicated(self.test_step))
        return self.test_function

    def _over_batches(self, step: Callable[[Any], Any]) -> Callable[[Iterator[Any]], Any]:
        def over_batches(iterator: Iterator[Any]) -> Any:
            logs = None
            for _, data in zip(range(self.steps_per_execution), iterator):  # noqa: B905
                # Here, where sizes are known, which the compiled step may not see.
                self.check_batch(data)
                logs = step(data)
            if logs is None:
                raise StopIteration
            return logs

        return over_batches

    def _phase_of_batch(self, data: Any) -> str:
        """The phase of a batch, which carries its epoch; empty where it holds no image here."""
        for epoch in self.distribute_strategy.experimental_local_results(data["epoch"]):
            if len(epoch):
                return self.phase_of(int(epoch[0]))
        return ""

    def _replicated(self, step: Callable[[Any], dict[str, Any]]) -> Callable[[Any], Any]:
        """Compile a step, run it on every replica, and return plain numbers.

        Keras' own leaves values of each replica, which its `fit` refuses on several machines.
        """
        strategy = self.distribute_strategy
        alone = strategy.num_replicas_in_sync == 1
        if self.run_eagerly and alone:
            return step
        # autograph off, as in Keras: nothing to convert, and errors stay their own.
        compiled = functools.partial(tf.function, autograph=False, reduce_retracing=True)
        inner = compiled(step, jit_compile=True) if self.jit_compile else step

        def replicated(data: Any) -> Any:
            logs = strategy.run(lambda share: inner(share_of(share, self.micro_batches)), (data,))
            return {
                name: strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None)
                for name, value in logs.items()
            }

        function: Callable[[Any], Any] = compiled(inner if alone else replicated)
        return function
