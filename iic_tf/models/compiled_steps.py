"""Steps as Keras' loops call them: compiled once a phase, on all replicas, of batches by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from iic_tf.annotations import Batch, Tensors
from iic_tf.errors import expected
from iic_tf.graphs import as_graph
from iic_tf.replicas import share_of

if TYPE_CHECKING:
    from iic_tf.models.self_supervised import SelfSupervised

Step = Callable[[Batch], Any]


def over_batches(model: SelfSupervised, step: Step) -> Callable[[Iterator[Batch]], Tensors]:
    """Call a step on as many batches as `compile(steps_per_execution=...)` says; the last logs."""

    def batches(iterator: Iterator[Batch]) -> Tensors:
        logs: Tensors | None = None
        for _, batch in zip(range(model.steps_per_execution), iterator):  # noqa: B905
            data = unwrapped(batch)
            # Here, where sizes are known, which the compiled step may not see.
            model.check_batch(data)
            logs = step(data)
        if logs is None:
            raise StopIteration
        return logs

    return batches


def unwrapped(batch: Any) -> Any:
    """The dict of a batch that Keras may have put into a tuple, `(dict,)` or `(dict, None, None)`.

    Raises:
        InputError: there are targets or weights beside it.
    """
    if not isinstance(batch, list | tuple):
        return batch
    first, *others = batch or (None,)
    if any(other is not None and not _nothing(other) for other in others):
        raise expected(
            "batches of pairs alone: models learn without targets and sample weights",
            f"a tuple of {len(batch)}",
        )
    return first


def _nothing(value: object) -> bool:
    """Whether it is what tf.data makes of None."""
    return isinstance(value, tf.experimental.Optional)


def replicated(model: SelfSupervised, step: Step, beside: Step | None = None) -> Step:
    """Compile a step, run it on every replica, and return plain numbers.

    Keras' own leaves values of each replica, which its `fit` refuses on several machines.

    Args:
        model: whose step; it has been compiled.
        step: of a replica's share of a batch, the logs.
        beside: of the same share; what it returns is returned beside the logs, as it is.
    """
    strategy = model.distribute_strategy
    alone = strategy.num_replicas_in_sync == 1

    def both(share: Batch) -> Any:
        logs = step(share)
        return logs if beside is None else (logs, beside(share))

    if model.run_eagerly and alone:
        return both
    jit = model.jit_compile and not model.run_eagerly
    inner = as_graph(both, jit_compile=True) if jit else both

    def on_all(data: Batch) -> Any:
        found = strategy.run(lambda share: inner(share_of(share, model.micro_batches)), (data,))
        logs, rest = (found, None) if beside is None else found
        reduced = {
            name: strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None)
            for name, value in logs.items()
        }
        return reduced if beside is None else (reduced, rest)

    function: Step = inner if alone else on_all
    return function if model.run_eagerly else as_graph(function)
