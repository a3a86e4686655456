"""Trainings on one or several logical CPUs, for test_replicas.py to compare.

A script: logical devices must be named before TensorFlow starts, and TensorFlow takes groups of
one size only in a process. `python replica_runs.py REPLICAS FILE SCENARIO ...` writes an .npz.
"""

import functools
import sys
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from replica_models import (
    EPOCHS,
    TURNS,
    batches_of,
    clusterer,
    crop_pairs,
    dataset_of,
    freeze,
    image_pairs,
    segmenter,
    spread,
)


def strategy_of(replicas: int) -> Any:
    """One device, or that many logical CPUs; 0 for the machines that TF_CONFIG names."""
    if replicas == 0:
        return tf.distribute.MultiWorkerMirroredStrategy()
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * replicas
    )
    if replicas == 1:
        return tf.distribute.get_strategy()
    strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(replicas)])
    # Threads that fetch to devices sleep before they end, by the half minute.
    options = tf.distribute.InputOptions(experimental_fetch_to_device=False)
    whole = strategy.experimental_distribute_dataset
    strategy.experimental_distribute_dataset = functools.partial(whole, options=options)
    return strategy


class Losses(keras.callbacks.Callback):  # type: ignore[misc]
    """The logged loss of every step."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.values.append(float(logs["loss"]))


def trained(model: Any, data: Any, held_out: Any = None, **arguments: Any) -> dict[str, Any]:
    """What there is to compare: losses of steps and epochs, of an evaluation, all weights."""
    before = [np.array(v) for v in model.get_weights()]
    losses = Losses()
    history = model.fit(data, verbose=0, callbacks=[losses], **arguments).history
    found = {"losses": losses.values, "epochs": history["loss"]}
    if held_out is not None:
        evaluated = model.evaluate(held_out, verbose=0, return_dict=True)
        found["evaluated"] = [evaluated["loss"], evaluated["overclustering_loss"]]
    after = model.get_weights()
    found |= {f"weight{i}": np.array(v) for i, v in enumerate(after)}
    trained = [v.path for v in model.trainable_variables]
    found["moved"] = [
        np.abs(a - b).max()
        for a, b, v in zip(after, before, model.weights, strict=True)
        if v.path in trained
    ]
    model.set_weights(before)
    return found


# --- scenarios


def clustering(strategy: Any) -> dict[str, Any]:
    """Uneven batches of all turns; then as a user would, pairs themselves and as tf.data."""
    with strategy.scope():
        model = spread(clusterer())
        model.compile(keras.optimizers.SGD(0.05))
    runs = {"uneven": uneven_run(model)}
    pairs = image_pairs()
    runs["pairs"] = trained(model, pairs, image_pairs(), epochs=EPOCHS)
    runs["dataset"] = fitted(model, pairs, pairs.dataset)
    runs["distributed"] = fitted(model, pairs, parted(pairs, strategy))
    return runs


def fitted(model: Any, pairs: Any, dataset: Any, epochs: int = EPOCHS) -> dict[str, Any]:
    """As a user would, from tf.data of batches `dataset(first, last)`."""
    steps = len(pairs)
    data, held_out = dataset(0, epochs * steps), dataset(0, steps)
    return trained(model, data, held_out, epochs=epochs, steps_per_epoch=steps)


def parted(pairs: Any, strategy: Any) -> Any:
    """Each replica's part of a batch made by itself."""
    from iic_tf.views.distributed import distributed

    return functools.partial(distributed, pairs, strategy)


def machines(strategy: Any) -> dict[str, Any]:
    """Several machines on one data set, which they cut up, and each making its part alone."""
    with strategy.scope():
        model = spread(clusterer())
        model.compile(keras.optimizers.SGD(0.05))
        segments = spread(segmenter(("both",)), 1.5)
        segments.compile(keras.optimizers.SGD(0.05))
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    pairs = image_pairs()
    return {
        "dataset": fitted(model, pairs, lambda *n: pairs.dataset(*n).with_options(options)),
        "distributed": fitted(model, pairs, parted(pairs, strategy)),
        "crops": fitted(segments, crop_pairs(), parted(crop_pairs(), strategy), epochs=1),
    }


def uneven_run(model: Any) -> dict[str, Any]:
    data = dataset_of(batches_of((8, 5), EPOCHS))
    return trained(model, data, data, epochs=EPOCHS, steps_per_epoch=2)


def uneven(strategy: Any) -> dict[str, Any]:
    with strategy.scope():
        model = spread(clusterer())
        model.compile(keras.optimizers.SGD(0.05))
    return {"": uneven_run(model)}


def in_parts(strategy: Any) -> dict[str, Any]:
    """Each replica's share in micro-batches; BatchNormalization frozen, and not."""
    found = {}
    for name, turns in (("", TURNS), ("statistics", ("both",))):
        with strategy.scope():
            model = spread(clusterer(turns=turns))
        if not name:
            freeze(model, batches_of((8,), 1)[0])
        with strategy.scope():
            model.compile(keras.optimizers.SGD(0.05), micro_batches=2)
        data = dataset_of(batches_of((8,), EPOCHS))
        found[name] = trained(model, data)
    return found


def adam(strategy: Any) -> dict[str, Any]:
    with strategy.scope():
        model = spread(clusterer(turns=("both",)))
        model.compile(keras.optimizers.Adam(1e-3, epsilon=1e-3))
    return {"": trained(model, dataset_of(batches_of((5,) * 4, 1)))}


def segmenting(strategy: Any) -> dict[str, Any]:
    with strategy.scope():
        model = spread(segmenter(("both",)), 1.5)
        model.compile(keras.optimizers.SGD(0.05))
    pairs = crop_pairs()
    assert [len(pairs[i]["x"]) for i in range(len(pairs))] == [8, 5]
    runs = {"pairs": trained(model, pairs, crop_pairs(), epochs=1)}
    runs["dataset"] = fitted(model, pairs, pairs.dataset, epochs=1)
    return runs


def crops(strategy: Any) -> dict[str, Any]:
    with strategy.scope():
        model = spread(segmenter(("both",)), 1.5)
        model.compile(keras.optimizers.SGD(0.05))
    pairs = crop_pairs()
    return {"": fitted(model, pairs, pairs.dataset, epochs=1)}


def on_trunk(strategy: Any) -> dict[str, Any]:
    """On somebody else's network, which rests at first; cells, features left out of views."""
    from tiny_trunks import drawn, pyramid

    from iic_tf.models.iic_segmenter import IICSegmenter
    from iic_tf.networks.keras_trunk import KerasTrunk

    with strategy.scope():
        keras.utils.set_random_seed(0)
        trunk = KerasTrunk(pyramid(normalised=True), stride=4, frozen=False)
        own = {"radius": 1, "cells": True, "dropout": 0.5, "trunk_from": 1}
        model = drawn(IICSegmenter(2, 3, 3, trunk=trunk, **own))
        model.compile(keras.optimizers.SGD(0.05))
    pairs = crop_pairs()
    data = parted(pairs, strategy)(0, 2 * len(pairs))
    model.before_epoch(pairs, 0)
    return {"": trained(model, data, epochs=2, steps_per_epoch=len(pairs))}


def half(strategy: Any) -> dict[str, Any]:
    """float16, with its loss scaled and not; on one device float32, too."""
    runs = {}
    for name, policy, scaled in (
        ("scaled", "mixed_float16", True),
        ("plain", "mixed_float16", False),
        ("float32", "float32", False),
    )[: 3 if strategy.num_replicas_in_sync == 1 else 2]:
        keras.config.set_dtype_policy(policy)
        with strategy.scope():
            model = spread(clusterer(turns=("both",)))
            model.compile(keras.optimizers.SGD(0.05), auto_scale_loss=scaled)
        assert hasattr(model.optimizer, "dynamic_scale") == scaled
        before = model.get_weights()
        found = trained(model, dataset_of(batches_of((5,) * 2, 1)))
        steps = [found[f"weight{i}"] - b for i, b in enumerate(before) if b.ndim]
        found["step"] = np.concatenate([s.ravel() for s in steps])
        if scaled:
            found |= overflowing(strategy, model)
        runs[name] = found
    keras.config.set_dtype_policy("float32")
    return runs


def overflowing(strategy: Any, model: Any) -> dict[str, Any]:
    """What loss scaling does about gradients that are not finite on the last replica alone."""
    from iic_tf.replicas import propagate_nonfinite

    variables = [v for own in model.parts().values() for v in own]

    def step() -> None:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        last = replica == strategy.num_replicas_in_sync - 1
        value = tf.where(last, np.inf, 1.0)
        gradients = [tf.fill(v.shape, value) for v in variables]
        gradients = iter(propagate_nonfinite(gradients))
        model.step_on({part: [next(gradients) for _ in own] for part, own in model.parts().items()})

    def scale() -> float:
        return float(strategy.experimental_local_results(model.optimizer.dynamic_scale.value)[0])

    before, scale_before = model.get_weights(), scale()
    tf.function(lambda: strategy.run(step), autograph=False)()
    kept = all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    return {"kept": kept, "scales": [scale_before, scale()]}


def normalising(strategy: Any) -> dict[str, Any]:
    """BatchNorm on the replicas' unequal shares; on one device, Keras' own on the whole."""
    from iic_tf.networks.batch_norm import BatchNorm

    rng = np.random.default_rng(0)
    shape = (5, 3, 4, 6)
    x = rng.normal(2, 3, shape).astype(np.float32)
    slope = rng.normal(size=shape).astype(np.float32)
    count = strategy.num_replicas_in_sync
    kind = keras.layers.BatchNormalization if count == 1 else BatchNorm
    with strategy.scope():
        layer = kind(momentum=0.9, epsilon=1e-3, synchronized=count > 1)
        layer.build((None, None, None, 6))
        layer.gamma.assign(rng.uniform(0.5, 2, 6))
        layer.beta.assign(rng.normal(size=6))
    cuts = [0, 4, 5] if count == 2 else [0, 5]

    def share(values: Any) -> Any:
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(
                values[cuts[context.replica_id_in_sync_group] :][
                    : np.diff(cuts)[context.replica_id_in_sync_group]
                ]
            )
        )

    def step(x: Any, slope: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        sources = [x, layer.gamma.value, layer.beta.value]
        return [y, *tape.gradient(y, sources, slope)]

    @tf.function(autograph=False)  # type: ignore[misc]
    def run(x: Any, slope: Any) -> Any:
        return strategy.run(step, (x, slope))

    y, dx, dgamma, dbeta = map(strategy.experimental_local_results, run(share(x), share(slope)))
    return {
        "": {
            "y": np.concatenate(y),
            "dx": np.concatenate(dx),
            "dgamma": np.sum(dgamma, 0),
            "dbeta": np.sum(dbeta, 0),
            "mean": layer.moving_mean.numpy(),
            "variance": layer.moving_variance.numpy(),
        }
    }


def halves(strategy: Any) -> dict[str, Any]:
    """The first loss of a batch, of its joints together and as a mean of its halves'."""
    del strategy
    model = spread(clusterer())
    whole = batches_of((8,), 1)[0]

    def loss(part: slice) -> float:
        found = model.sums({k: v[part] for k, v in whole.items()}, ("overclustering",), True)
        return float(model.loss_of(found["overclustering"], "overclustering"))

    apart = (loss(slice(0, 4)) + loss(slice(4, 8))) / 2
    return {"": {"together": loss(slice(0, 8)), "apart": apart}}


if __name__ == "__main__":
    strategy = strategy_of(int(sys.argv[1]))
    results = {}
    for name in sys.argv[3:]:
        for run, values in globals()[name](strategy).items():
            results |= {f"{name}/{run}/{key}": value for key, value in values.items()}
    np.savez(sys.argv[2], **results)
