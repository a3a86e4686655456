"""Pairs for several devices and machines: each makes its own part of every batch, and no more."""

from __future__ import annotations

import tensorflow as tf

from iic_tf.errors import expected
from iic_tf.views.numbered_batches import NumberedBatches


def distributed(
    pairs: NumberedBatches, strategy: tf.distribute.Strategy, first: int, last: int
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """Batches number `first` to `last` − 1 for `model.fit` and `model.evaluate` under a strategy.

    What `pairs.dataset(first, last)` is on one device. Passed that, a strategy would cut each batch
    up as well, but every machine would first make all of it. Here part i of a batch is made where
    replica i is; the parts together are the batch, bit for bit.

    Args:
        pairs: whose batches; the same on every machine.
        strategy: a `tf.distribute` strategy, also the default one of a single device.
        first: number of the first batch, counted from the first of epoch 0.
        last: number of the batch before which to end.

    Returns:
        A `tf.data.Dataset` for one replica, otherwise a `tf.distribute.DistributedDataset`. Pass
        `steps_per_epoch=len(pairs)` to `fit`, and to `evaluate` `steps=last - first`: Keras counts
        the parts that a machine makes.

    Raises:
        InputError: fewer pairs in a batch than replicas.
    """
    count = int(strategy.num_replicas_in_sync)
    if count == 1:
        return pairs.dataset(first, last)
    batch = int(getattr(pairs, "batch", count))
    if batch < count:
        wanted = f"a batch of at least {count} images, one for each replica"
        raise expected(wanted, batch, "batch")

    def of_machine(context: tf.distribute.InputContext) -> tf.data.Dataset:
        here = count // context.num_input_pipelines
        begin = context.input_pipeline_id * here
        # A replica takes an element at a time, the machine's first replica the first.
        parts = [(i, count) for i in range(begin, begin + here)]
        return pairs.dataset(first, last, parts)

    # Between CPUs there is nowhere to fetch to, and the threads that would do it hold up the end.
    fetch = bool(tf.config.list_physical_devices("GPU"))
    options = tf.distribute.InputOptions(experimental_fetch_to_device=fetch)
    return strategy.distribute_datasets_from_function(of_machine, options)
