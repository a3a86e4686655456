"""Trainings on one or several logical CPUs, for test_replicas.py to compare.

A script: logical devices must be named before TensorFlow starts, and TensorFlow takes groups of
one size only in a process. `python replica_runs.py REPLICAS FILE SCENARIO ...` writes an .npz.
Other tests take its models and data.
"""

import functools
import sys
from typing import Any

import keras
import numpy as np
import tensorflow as tf

TURNS = ("overclustering", "both")
EPOCHS = len(TURNS)


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


# --- data with something to find, so that gradients are more than rounding


def patterns(count: int, copies: int, size: int, seed: int, channels: int = 1) -> Any:
    """Noisy images of four patterns, `[count, copies, size, size, channels]`."""
    shapes = np.zeros((4, size, size, channels), np.float32)
    shapes[0, ::2] = 1
    shapes[1, :, ::2] = 1
    shapes[2, size // 4 : -size // 4, size // 4 : -size // 4] = 1
    shapes[3, : size // 2] = 1
    rng = np.random.default_rng(seed)
    chosen = shapes[rng.integers(0, 4, count)][:, None]
    noise = rng.normal(0, 0.1, (count, copies, size, size, channels))
    return np.clip(0.15 + 0.7 * chosen + noise, 0, 1).astype(np.float32)


def batches_of(sizes: Any, epochs: int, size: int = 8) -> list[dict[str, Any]]:
    """Batches as ImagePairs yields them, of those numbers of images in each epoch."""
    found = []
    for epoch in range(epochs):
        for step, count in enumerate(sizes):
            views = patterns(count, 3, size, 10 * epoch + step)
            epochs_of = np.full(count, epoch, np.int32)
            image = np.arange(count, dtype=np.int32)
            found.append({"x": views[:, 0], "gx": views[:, 1:], "epoch": epochs_of, "image": image})
    return found


def dataset_of(batches: list[dict[str, Any]]) -> tf.data.Dataset:
    """Batches of several sizes as tf.data."""
    parts = [tf.data.Dataset.from_tensors(batch) for batch in batches]
    options = tf.data.Options()
    options.autotune.enabled = False  # as in NumberedBatches.dataset
    return functools.reduce(lambda a, b: a.concatenate(b), parts).with_options(options)


def image_pairs() -> Any:
    """Two batches of 5 images an epoch."""
    import iic_tf
    from iic_tf.data.image_set import ImageSet

    images = (patterns(10, 1, 12, 1)[:, 0] * 255).astype(np.uint8)
    x, gx = iic_tf.ImageView((8,), 8), iic_tf.ImageView((8,), 8, flip=0.5)
    return iic_tf.ImagePairs(ImageSet("some", images), 5, 2, x, gx, turns=TURNS)


def crop_pairs() -> Any:
    """13 crops an epoch: a batch of 8, and one of 5, which leaves a fourth replica none."""
    import iic_tf
    from iic_tf.data.array_scene import from_arrays

    images = [(image * 255).astype(np.uint8) for image in patterns(13, 1, 8, 2, 3)[:, 0]]
    mild = iic_tf.Photometry(0.05, 0.05, 0.05, 0)
    return iic_tf.Pairs(from_arrays(images), 8, 8, photometry=mild)


# --- models


def clusterer(network: str = "B", turns: Any = TURNS, width: float = 0.1, size: int = 8) -> Any:
    import iic_tf

    keras.utils.set_random_seed(0)
    return iic_tf.IICClusterer(3, 5, 1, size, network, width, sub_heads=2, turns=turns)


def segmenter(turns: Any = TURNS) -> Any:
    import iic_tf

    keras.utils.set_random_seed(0)
    return iic_tf.IICSegmenter(3, 4, 3, 0.05, radius=1, turns=turns)


def spread(model: Any, scale: float = 0.5) -> Any:
    """Heads away from uniform, where gradients are nothing but rounding."""
    rng = np.random.default_rng(3)
    for head in model.heads.values():
        for weight in head.weights:
            weight.assign(rng.normal(0, scale, weight.shape))
    return model


def freeze(model: Any, batch: dict[str, Any]) -> None:
    """BatchNormalization uses its moving statistics in training, too: those of the batch."""
    twin = type(model).from_config(model.get_config())
    twin.set_weights(model.get_weights())
    norms, own = (
        [layer for layer in each._flatten_layers() if hasattr(layer, "moving_mean")]
        for each in (twin, model)
    )
    for norm in norms:
        norm.momentum = 0.0
    twin.sums(batch, ("main",), training=True)
    model.set_weights(twin.get_weights())
    for norm in own:
        norm.trainable = False


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
