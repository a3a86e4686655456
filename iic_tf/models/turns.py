"""Training heads in turns: which head, by the epoch that the batch itself carries."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import tensorflow as tf

from iic_tf.errors import InputError, expected
from iic_tf.replicas import share_of

MAIN = "main"
OVERCLUSTERING = "overclustering"
BOTH = "both"
HEADS = (MAIN, OVERCLUSTERING)


class TurnTaking:
    """Mixed into a Keras model whose heads are trained in turns, an epoch each.

    A batch of pairs carries its epoch, so that whose turn it is follows from the data alone: no
    callback, no counter to save, and resuming needs nothing. Each turn is traced once, with the
    gradients of its own head only.

    The model provides `turns`, `train_turn(data, turn)` and what its batches must hold.
    """

    turns: tuple[str, ...]
    batch_source: ClassVar[str] = "iic_tf.ImagePairs"
    """Whose batches it takes, for messages."""
    geometries: ClassVar[tuple[str, ...]] = ()
    """Keys of which a batch must have at least one, beside x, gx and epoch."""

    @staticmethod
    def check_turns(turns: Sequence[str], heads: Sequence[str] = HEADS) -> tuple[str, ...]:
        """Validate a schedule such as `("overclustering", "main")` of a model with these heads."""
        allowed = (*heads, BOTH) if len(heads) > 1 else tuple(heads)
        if not turns or any(turn not in allowed for turn in turns):
            raise expected(f"turns made of {', '.join(allowed)}", tuple(turns), "turns")
        if not {MAIN, BOTH} & set(turns):
            raise expected("at least one turn that trains the main head", tuple(turns), "turns")
        return tuple(turns)

    def turn_of(self, epoch: int) -> str:
        """Whose turn it is in an epoch."""
        return self.turns[epoch % len(self.turns)]

    def train_turn(self, data: dict[str, Any], turn: str) -> dict[str, Any]:
        raise NotImplementedError

    def check_batch(self, data: Any) -> None:
        """A batch must be a dict as `batch_source` yields it."""
        fits = isinstance(data, dict) and {"x", "gx", "epoch"} <= set(data)
        if fits and (not self.geometries or set(self.geometries) & set(data)):
            return
        came = sorted(data) if isinstance(data, dict) else type(data).__name__
        keys = ", ".join(["x", "gx", "epoch"][: 3 if self.geometries else 2])
        last = " or ".join(self.geometries) or "epoch"
        raise InputError(
            f"Expected batches of pairs, dicts with {keys} and {last} "
            f"(see {self.batch_source}); received {came}."
        )

    def fit(self, *args: Any, shuffle: bool = False, **kwargs: Any) -> Any:
        """`keras.Model.fit`, but batches keep their order unless told else.

        Keras would shuffle them by an unseeded generator; pairs draw their order from their seed.
        """
        return super().fit(*args, shuffle=shuffle, **kwargs)  # type: ignore[misc]

    def train_step(self, data: dict[str, Any]) -> dict[str, Any]:
        """One eager step: looks up the turn of the batch's epoch and takes it."""
        self.check_batch(data)
        return self.train_turn(data, self.turn_of(int(data["epoch"][0])))

    def make_train_function(self, force: bool = False) -> Callable[[Iterator[Any]], Any]:
        """Compile one function a turn; the one called follows the batch's epoch."""
        if self.train_function is not None and not force:  # type: ignore[has-type]
            return self.train_function  # type: ignore[has-type, no-any-return]
        steps: dict[str, Callable[[Any], Any]] = {}
        turn = ""

        def train_function(iterator: Iterator[Any]) -> Any:
            nonlocal turn
            logs = None
            for _, data in zip(range(self.steps_per_execution), iterator):  # type: ignore[attr-defined]  # noqa: B905
                self.check_batch(data)
                # A last batch may leave this machine's replicas without images.
                turn = self._turn_of_batch(data) or turn
                if turn not in steps:
                    steps[turn] = self._replicated(functools.partial(self.train_turn, turn=turn))
                logs = steps[turn](data)
            if logs is None:
                raise StopIteration
            return logs

        self.train_function = train_function
        return train_function

    def make_test_function(self, force: bool = False) -> Callable[[Iterator[Any]], Any]:
        """Compile the evaluation of a batch."""
        if self.test_function is not None and not force:  # type: ignore[has-type]
            return self.test_function  # type: ignore[has-type, no-any-return]
        step = self._replicated(self.test_step)  # type: ignore[attr-defined]

        def test_function(iterator: Iterator[Any]) -> Any:
            logs = None
            for _, data in zip(range(self.steps_per_execution), iterator):  # type: ignore[attr-defined]  # noqa: B905
                # Here, where sizes are known, which the compiled step may not see.
                self.check_batch(data)
                logs = step(data)
            if logs is None:
                raise StopIteration
            return logs

        self.test_function = test_function
        return test_function

    def _turn_of_batch(self, data: Any) -> str:
        """Whose turn a batch is, which carries its epoch; empty where it holds no image here."""
        strategy = self.distribute_strategy  # type: ignore[attr-defined]
        for epoch in strategy.experimental_local_results(data["epoch"]):
            if len(epoch):
                return self.turn_of(int(epoch[0]))
        return ""

    def _replicated(self, step: Callable[[Any], dict[str, Any]]) -> Callable[[Any], Any]:
        """Compile a step, run it on every replica, and return plain numbers.

        Keras' own leaves values of each replica, which its `fit` refuses on several machines.
        """
        strategy = self.distribute_strategy  # type: ignore[attr-defined]
        alone = strategy.num_replicas_in_sync == 1
        if self.run_eagerly and alone:  # type: ignore[attr-defined]
            return step
        # autograph off, as in Keras: nothing to convert, and errors stay their own.
        compiled = functools.partial(tf.function, autograph=False, reduce_retracing=True)
        inner = compiled(step, jit_compile=True) if self.jit_compile else step  # type: ignore[attr-defined]

        least = getattr(self, "micro_batches", 1)

        def replicated(data: Any) -> Any:
            logs = strategy.run(lambda share: inner(share_of(share, least)), args=(data,))
            return {
                name: strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None)
                for name, value in logs.items()
            }

        function: Callable[[Any], Any] = compiled(inner if alone else replicated)
        return function
