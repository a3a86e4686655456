"""What several replicas (devices, machines) must agree on within a step."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from iic_tf.annotations import Batch, Tensor

PRESENT = "present"
"""Key of a replica's share of a batch: 1.0, or 0.0 where it is a stand-in for no images."""

_step = threading.local()


def replica_count() -> int:
    """How many replicas take this step together; 1 without a strategy."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else int(context.num_replicas_in_sync)


def local_shape(value: Tensor) -> tf.TensorShape:
    """The shape of a tensor, or of the first replica's share of it."""
    return getattr(value, "values", (value,))[0].shape


def sum_over_replicas(values: Any) -> Any:
    """Tensors, nested or not, summed over all replicas; as they are where there is but one.

    Information is no sum over images: that of a global batch is the information of the joints
    summed over replicas, not a mean of each one's.
    """
    if replica_count() == 1:
        return values
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values)


def propagate_nonfinite(gradients: list[Tensor], several: bool = False) -> list[Tensor]:
    """Gradients, all of them NaN on every replica where any replica's are not finite.

    Keras' loss scaling asks the first replica alone whether to skip a step, of gradients not yet
    summed: another's overflow would reach the weights. Where several optimisers take the step,
    each would ask for its own gradients alone.

    Args:
        gradients: of this replica.
        several: whether more than one optimiser gets them; else a single replica's stay as they
            are.
    """
    if replica_count() == 1 and not several:
        return gradients
    finite = [tf.reduce_all(tf.math.is_finite(g)) for g in gradients]
    broken = sum_over_replicas(1.0 - tf.cast(tf.reduce_all(finite), tf.float32))
    return [tf.where(broken > 0, tf.constant(float("nan"), g.dtype), g) for g in gradients]


def share_of(data: Batch, least: int = 1) -> Batch:
    """A replica's share of a batch, made fit to go through a network.

    Shares of a last batch differ in size, and one may be empty, which convolutions on a CPU take
    for something else: it becomes a stand-in, `least` images of zeros that count for nothing. All
    are of unknown size: replicas traced each for its own would not ask one another for the same
    sums.
    """
    share = {}
    for name, value in data.items():
        spare = least * tf.cast(tf.equal(tf.shape(value)[0], 0), tf.int32)
        padded = tf.pad(value, [[0, spare], *[[0, 0]] * (len(value.shape) - 1)])
        unsized = (None, *value.shape[1:])
        share[name] = tf.raw_ops.PlaceholderWithDefault(input=padded, shape=unsized)
    images = next(iter(data.values()))
    share[PRESENT] = tf.cast(tf.shape(images)[0] > 0, tf.float32)
    return share


@contextlib.contextmanager
def taking_part(data: Batch) -> Iterator[None]:
    """While this replica's share goes through the network, `present` says whether it counts."""
    # Strategies trace each replica in a thread of its own.
    _step.present = data.get(PRESENT)
    try:
        yield
    finally:
        _step.present = None


def present() -> float | Tensor:
    """1.0, or 0.0 where what goes through the network stands for no images."""
    found = getattr(_step, "present", None)
    return 1.0 if found is None else found
