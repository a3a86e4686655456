"""A batch that goes through the network in parts, one after another."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from iic_tf.annotations import Batch, Size, Tensor
from iic_tf.errors import expected
from iic_tf.networks.moving_statistics import one_part, resting
from iic_tf.replicas import replica_count


class MicroBatches:
    """A batch in `count` equal parts.

    Args:
        data: tensors `[m, ...]` by name, m a multiple of `count`; scalars go with every part.
        count: how many.

    Raises:
        InputError: a batch that is no multiple, or `tf.errors.InvalidArgumentError` where its size
            is not known before it comes.
    """

    def __init__(self, data: Batch, count: int):
        self.count = count
        first = next(iter(data.values()))
        wanted = f"a batch that is a multiple of {count} micro-batches"
        if first.shape[0] is None:
            check = tf.debugging.assert_equal(tf.shape(first)[0] % count, 0, f"Expected {wanted}.")
            # Nothing else in a graph waits for it.
            with tf.control_dependencies([check]):
                data = {name: tf.identity(value) for name, value in data.items()}
        elif first.shape[0] % count:
            raise expected(wanted, first.shape[0], "batch")
        self.parts = {
            name: tf.reshape(value, (count, -1, *value.shape[1:]))
            for name, value in data.items()
            if value.shape.rank
        }
        self.scalars = {name: value for name, value in data.items() if not value.shape.rank}

    def sum(self, of: Callable[[Batch], list[Tensor]], again: bool = False) -> list[Tensor]:
        """Sum over the parts of the tensors that `of` makes of each.

        Parts are taken strictly one after another, so that only one's activations are held.

        Args:
            of: what of a part.
            again: whether the parts have been through the network before: then moving statistics
                stay as they are.
        """

        def part(number: Size) -> list[Tensor]:
            parts = {name: parts[number] for name, parts in self.parts.items()}
            with resting() if again else one_part(number, self.count):
                return of({**parts, **self.scalars})

        def add(number: Size, *sums: Tensor) -> tuple[Tensor, ...]:
            found = part(number)
            return (number + 1, *(s + f for s, f in zip(sums, found, strict=True)))

        if replica_count() > 1:
            # Replicas cannot ask one another within a loop, as BatchNormalization does.
            sums: list[Tensor] = part(0)
            for number in range(1, self.count):
                with tf.control_dependencies(sums):
                    sums = list(add(number, *sums)[1:])
            return sums
        _, *looped = tf.while_loop(
            lambda number, *_: number < self.count,
            add,
            (tf.constant(1), *part(0)),
            parallel_iterations=1,
            maximum_iterations=self.count - 1,
        )
        return list(looped)
