"""Training heads in turns: which head, by the epoch that the batch itself carries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import tensorflow as tf

from iic_tf.errors import InputError, expected

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
        compiled: dict[str, Callable[[Any], Any]] = {}

        def step_of(turn: str) -> Callable[[Any], Any]:
            def step(data: dict[str, Any]) -> dict[str, Any]:
                return self.train_turn(data, turn)

            if self.run_eagerly:  # type: ignore[attr-defined]
                return step
            function: Callable[[Any], Any] = tf.function(
                step,
                autograph=False,  # as Keras does: nothing to convert, and errors stay their own
                jit_compile=bool(self.jit_compile),  # type: ignore[attr-defined]
                reduce_retracing=True,
            )
            return function

        def train_function(iterator: Iterator[Any]) -> Any:
            logs = None
            for _, data in zip(range(self.steps_per_execution), iterator):  # type: ignore[attr-defined]  # noqa: B905
                self.check_batch(data)
                turn = self.turn_of(int(data["epoch"][0]))
                if turn not in compiled:
                    compiled[turn] = step_of(turn)
                logs = compiled[turn](data)
            if logs is None:
                raise StopIteration
            return logs

        self.train_function = train_function
        return train_function
