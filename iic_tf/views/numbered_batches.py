"""Batches by number: each is had from its epoch and step alone, in any order, any number of times.

That is what resuming, several devices and two readers at once need.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Batch, Size
from iic_tf.errors import InputError
from iic_tf.graphs import as_written

Part = tuple[int, int]
"""Part i of n of a batch, counted from 0."""

WHOLE: Part = (0, 1)

READERS = max(2, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4))
"""Batches that are read and augmented at the same time, by as many cores as there are."""


def rows_of(part: Part, count: int) -> slice:
    """The rows of a batch of `count` that are a part's; parts differ by a row at most."""
    i, n = part
    return slice(i * count // n, (i + 1) * count // n)


class NumberedBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """What all kinds of pairs share: epochs, `model.fit`, and tf.data.

    A subclass sets `steps` and provides `drawn`, `_signature` and `_views`.

    Args:
        epoch: number of the first epoch.

    Attributes:
        steps: batches in an epoch.
        epoch: number of the current epoch. `model.fit` goes on from it; with `initial_epoch`, or
            after `BackupAndRestore`, it follows Keras' epoch.
        first_epoch: number of the first epoch.
        failure: what was wrong with an image that `dataset` could not read.
    """

    steps: int

    def __init__(self, epoch: int = 0):
        super().__init__()
        self.failure: InputError | None = None
        self.epoch = self.first_epoch = epoch
        self._begun = False

    def __len__(self) -> int:
        return self.steps

    @property
    def num_batches(self) -> int:
        """Batches in an epoch."""
        return self.steps

    def on_epoch_begin(self) -> None:
        """Note that an epoch has begun; Keras calls it."""
        self._begun = True

    def on_epoch_end(self) -> None:
        """Go on to the draws of the next epoch; Keras calls it, and once before the first."""
        self.epoch += self._begun
        self._begun = False

    def __getitem__(self, step: int) -> Batch:
        if not 0 <= step < self.steps:
            raise IndexError(step)
        drawn = self.drawn(self.epoch, step)
        return self._views({k: tf.convert_to_tensor(v) for k, v in drawn.items()})

    def dataset(self, first: int, last: int, parts: Sequence[Part] = (WHOLE,)) -> tf.data.Dataset:
        """Batches number `first` to `last` − 1, counted from the first of epoch 0, as tf.data.

        Reading and augmenting run beside the training. It holds no state: the same numbers give
        the same batches, which is what resuming and several devices need.

        Args:
            first: number of the first batch.
            last: number of the batch before which to end.
            parts: (i, n) is part i of n, from 0. Of each batch in turn these parts alone are made,
                each an element of its own; all n parts are the batch, bit for bit. See
                `iic_tf.views.distributed`.
        """
        signature = self._signature()
        names = list(signature)
        whole = all(part == WHOLE for part in parts)

        def read(number: Size) -> tuple[NDArray[np.generic], ...]:
            batch, part = divmod(int(number), len(parts))
            try:
                drawn = self.drawn(batch // self.steps, batch % self.steps, parts[part])
            except InputError as error:
                # tf.data would wrap it in the trace of its own threads.
                self.failure = error
                raise
            return tuple(drawn[n] for n in names)

        def load(number: tf.Tensor) -> Batch:
            values = tf.numpy_function(read, [number], [signature[n].dtype for n in names])
            for name, value in zip(names, values, strict=True):
                shape = signature[name].shape
                value.set_shape(shape if whole else (None, *shape[1:]))
            return self._views(dict(zip(names, values, strict=True)))

        count = max(0, last - first) * len(parts)
        numbers = tf.data.Dataset.range(first * len(parts), last * len(parts))
        plain = as_written(load)
        batches = numbers.map(plain, num_parallel_calls=READERS, deterministic=True).prefetch(2)
        options = tf.data.Options()
        # There is nothing to tune, and a tuner that sleeps must wake before its data set can end.
        options.autotune.enabled = False
        batches = batches.apply(tf.data.experimental.assert_cardinality(count))
        return batches.with_options(options)

    def plain_views(self, epoch: int) -> Iterator[tuple[tf.Tensor, tf.Tensor | None]]:
        """What is learnt from in an epoch, seen plainly, float32 `[n, size, size, channels]` each.

        All together in the order of the numbers that batches carry, for methods that fit something
        to their features before an epoch. Beside them what is valid, float32 `[n, size, size]`, or
        None for all.
        """
        raise NotImplementedError

    def drawn(self, epoch: int, step: int, part: Part = WHOLE) -> Batch:
        """The images of (a part of) one batch as NumPy arrays beside the draws of their views."""
        raise NotImplementedError

    def _views(self, drawn: Batch) -> Batch:
        """Apply the draws; of tensors, in a graph or not."""
        raise NotImplementedError

    def _signature(self) -> dict[str, tf.TensorSpec]:
        """Names, shapes and types of what `drawn` returns."""
        raise NotImplementedError


@contextlib.contextmanager
def staying(data: object) -> Iterator[None]:
    """While Keras goes over data, of which pairs are at the same epoch behind it."""
    if not isinstance(data, NumberedBatches):
        yield
        return
    epoch = data.epoch
    try:
        yield
    finally:
        data.epoch = epoch
