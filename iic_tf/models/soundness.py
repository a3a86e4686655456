"""Whether steps are sound: numbers that are not finite end a training at their step.

The loss cannot tell. A NaN pixel may leave it finite and yet make all weights NaN: on a CPU
TensorFlow's graphs fuse a convolution, its bias (or evaluating BatchNormalization) and the ReLU
behind them into one kernel, whose maximum(x, 0) takes NaN for 0; so does pooling, eagerly too. On
the way back the gradient of the first kernel is Σ pixel · slope, NaN even where the slope is 0.
So the images, the loss and the gradients are looked at, on the device and within the step. A step
that is not sound changes nothing, and none behind it does; which one it was is read from time to
time only, for whoever reads a number waits for all the steps before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Tensor
from iic_tf.errors import InputError
from iic_tf.replicas import replica_count, sum_over_replicas
from iic_tf.views.feature_pairs import FEATURES

LOOK_SECONDS = 1.0
"""So often the device is waited for."""
LOOK_STEPS = 16
"""So often where machines must stop at the same step, and none may go by its own clock."""

VIEWS = ("x", "gx", *FEATURES)
"""What of a batch is looked at."""
NUMBERS = {"scene": "scenes", "image": "images"}
"""What of a batch says which images it is made of, and what these are called."""
_KINDS = ("the images", "the loss", "the gradients")


class UnsoundStepError(InputError):
    """A step met numbers that are not finite."""


@dataclass(frozen=True)
class UnsoundStep:
    """The first step of an epoch that was not sound.

    Attributes:
        epoch, step: which, counted from 0.
        what: where there were numbers that are not finite.
        rows: which images of the batch are not finite themselves, `[batch]`; of several machines
            those of this one.
        kind: what the images are called; None where the batch does not number them.
        numbers: their numbers, `[batch]`.
    """

    epoch: int
    step: int
    what: str
    rows: NDArray[np.bool_]
    kind: str | None = None
    numbers: NDArray[np.int64] | None = None

    def chosen(self, names: Sequence[Any]) -> list[Any]:
        """Of one name for each image of the batch those to blame, each once: all if none is."""
        if self.rows.any() and len(self.rows) == len(names):
            names = [name for name, blamed in zip(names, self.rows, strict=True) if blamed]
        return sorted(set(names))

    @property
    def received(self) -> str:
        """For messages."""
        return f"NaN or infinity in {self.what} at epoch {self.epoch + 1}, step {self.step + 1}"

    def error(self) -> InputError:
        """What is told where nobody knows the images by name."""
        said = f"Expected finite images, loss and gradients; received {self.received}"
        if self.kind is not None and self.numbers is not None:
            said += f" ({self.kind} {', '.join(map(str, self.chosen(self.numbers.tolist())))})"
        return UnsoundStepError(f"{said}. The model is as it was before that step.")


class Soundness:
    """Which of the steps since `begin` was the first that was not sound.

    Args:
        strategy: that of the model.

    Attributes:
        explain: makes the error of what was found.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        self.strategy = strategy
        with strategy.scope():
            # Steps taken; the first that was not sound, or −1; the kinds that were not finite.
            self.state = tf.Variable(
                tf.constant([0, -1, 0], tf.int64),
                trainable=False,
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            )
        count = strategy.num_replicas_in_sync
        self._several_machines = count > 1 and len(strategy.extended.worker_devices) < count
        self.explain: Callable[[UnsoundStep], InputError] = UnsoundStep.error
        self._held: list[tuple[str | None, tuple[Tensor, ...] | None, tuple[Tensor, ...]]] = []
        self._from = 0
        self._clear(0)

    # --- within a step

    def judge(
        self,
        data: Mapping[str, Tensor],
        loss: Tensor,
        gradients: Sequence[Tensor],
        loose: bool | Tensor,
    ) -> Tensor:
        """Whether a step may be taken, the same on all replicas; note it where it is the first not.

        Args:
            data: the batch, or nothing of it.
            loss: a scalar, or None.
            gradients: of the loss; some may be None.
            loose: whether gradients may be not finite, as those of scaled losses are at times.
        """
        values = [g.values if isinstance(g, tf.IndexedSlices) else g for g in gradients]
        checks = [
            _all_finite(views_of(data)),
            _all_finite([] if loss is None else [loss]),
            tf.logical_or(loose, _all_finite([g for g in values if g is not None])),
        ]
        broken = sum_over_replicas(1.0 - tf.cast(tf.stack(checks), tf.float32)) > 0
        kinds = tf.reduce_sum(tf.cast(broken, tf.int64) * tf.constant([1, 2, 4], tf.int64))
        taken, first, earlier = tf.unstack(self.state.read_value())
        before, now = first >= 0, kinds > 0
        noted = [
            taken + 1,
            tf.where(before, first, tf.where(now, taken, first)),
            tf.where(before, earlier, kinds),
        ]
        self.state.assign(tf.stack(noted))
        return tf.logical_not(tf.logical_or(before, now))

    # --- between steps

    def begin(self, epoch: int) -> None:
        """Count from 0 the steps of an epoch."""
        self.state.assign(tf.constant([0, -1, 0], tf.int64))
        self._clear(epoch)

    def took(self, data: Mapping[str, Tensor], rows: Tensor) -> None:
        """A step was begun on a batch, whose `finite_rows` these are; look where it is time to.

        Raises:
            InputError: as `look`.
        """
        local = self.strategy.experimental_local_results
        kind = next((name for name in NUMBERS if name in data), None)
        numbers = None if kind is None else local(data[kind])
        self._held.append((kind, numbers, local(rows)))
        if self._several_machines:
            due = len(self._held) >= LOOK_STEPS
        else:
            due = time.monotonic() - self._looked > LOOK_SECONDS
        if due:
            self.look()

    def look(self) -> None:
        """Wait for the steps that were begun.

        Raises:
            InputError: one of them was not sound. It, and all behind it, changed nothing.
        """
        taken, first, kinds = np.asarray(self.state.read_value()).tolist()
        held, begin = self._held, self._from
        self._held, self._from, self._looked = [], taken, time.monotonic()
        if first < 0:
            return
        kind, numbers, rows = held[first - begin] if first - begin < len(held) else (None, None, ())
        found = UnsoundStep(
            self.epoch,
            first,
            " and ".join(name for i, name in enumerate(_KINDS) if kinds >> i & 1),
            ~np.concatenate([np.zeros(0, bool), *map(np.asarray, rows)]).astype(bool),
            None if kind is None else NUMBERS[kind],
            None if numbers is None else np.concatenate([np.asarray(n) for n in numbers]),
        )
        self.begin(self.epoch)
        raise self.explain(found)

    def _clear(self, epoch: int) -> None:
        self.epoch = epoch
        self._from = 0
        self._held = []
        self._looked = time.monotonic()


def views_of(data: Mapping[str, Tensor]) -> list[Tensor]:
    """The images of a batch that may hold numbers that are not finite."""
    found = [tf.convert_to_tensor(data[name]) for name in VIEWS if name in data]
    return [view for view in found if view.dtype.is_floating]


def finite_rows(data: Mapping[str, Tensor]) -> Tensor:
    """Which images of a batch are finite in all their views, bool `[batch]`."""
    found = [
        tf.reduce_all(tf.math.is_finite(v), list(range(1, v.shape.rank))) for v in views_of(data)
    ]
    return tf.reduce_all(tf.stack(found), 0) if found else tf.zeros((0,), bool)


def where_sound(
    sound: Tensor,
    take: Callable[[Sequence[Tensor]], None],
    taken: Sequence[Tensor],
    leave: Callable[[Sequence[Tensor]], None],
    left: Sequence[Tensor],
) -> None:
    """Call `take(taken)` of a sound step, else `leave(left)`; within a replica.

    What optimisers do may ask all replicas, which must not be done within a condition of one of
    them, but of all together.
    """

    def alike(
        of: Callable[[Sequence[Tensor]], None], given: Sequence[Tensor]
    ) -> Callable[[], Tensor]:
        def branch() -> Tensor:
            of(given)
            return tf.constant(0)

        return branch

    apart = tf.__internal__.distribute.strategy_supports_no_merge_call()
    if replica_count() == 1 or apart:
        tf.cond(sound, alike(take, taken), alike(leave, left))
        return

    def together(
        strategy: tf.distribute.Strategy,
        sound: Tensor,
        taken: Sequence[Tensor],
        left: Sequence[Tensor],
    ) -> None:
        each = strategy.extended.call_for_each_replica
        first = strategy.experimental_local_results(sound)[0]
        tf.cond(
            first,
            alike(lambda given: each(take, args=(given,)), taken),
            alike(lambda given: each(leave, args=(given,)), left),
        )

    tf.distribute.get_replica_context().merge_call(together, args=(sound, taken, left))


def _all_finite(values: Sequence[Tensor]) -> Tensor:
    if not values:
        return tf.constant(True)
    return tf.reduce_all(tf.stack([tf.reduce_all(tf.math.is_finite(v)) for v in values]))
