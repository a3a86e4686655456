"""A batch that goes through the network in parts, one after another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


class MicroBatches:
    """A batch in `count` equal parts.

    Args:
        data: tensors `[m, ...]` by name, m a multiple of `count`.
        count: how many.
    """

    def __init__(self, data: dict[str, Any], count: int):
        self.count = count
        self.parts = {
            name: tf.reshape(value, (count, -1, *value.shape[1:])) for name, value in data.items()
        }

    def sum(self, of: Callable[[dict[str, Any]], list[Any]]) -> list[Any]:
        """Sum over the parts of the tensors that `of` makes of each.

        Parts are taken strictly one after another, so that only one's activations are held.
        """

        def part(number: Any) -> list[Any]:
            return of({name: parts[number] for name, parts in self.parts.items()})

        def add(number: Any, *sums: Any) -> tuple[Any, ...]:
            found = part(number)
            return (number + 1, *(s + f for s, f in zip(sums, found, strict=True)))

        _, *sums = tf.while_loop(
            lambda number, *_: number < self.count,
            add,
            (tf.constant(1), *part(0)),
            parallel_iterations=1,
            maximum_iterations=self.count - 1,
        )
        return sums
