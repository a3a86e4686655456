"""The fused batch normalisation against the Keras layer that it replaces."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from iic_tf.networks.batch_norm import BatchNorm


def both_norms(channels, policy="float32"):
    """The fused layer and Keras' own, with the same scales far from 1 and 0."""
    rng = np.random.default_rng(0)
    scales = [rng.uniform(0.5, 2, channels), rng.normal(size=channels)]
    layers = []
    for kind in (BatchNorm, keras.layers.BatchNormalization):
        layer = kind(momentum=0.9, epsilon=1e-5, synchronized=True, dtype=policy)
        layer.build((None, None, None, channels))
        layer.gamma.assign(scales[0])
        layer.beta.assign(scales[1])
        layers.append(layer)
    return layers


def trained(layer, x, dy):
    """Outputs and gradients of a training pass, and the moving statistics after it."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    gradients = tape.gradient(y, [x, layer.gamma.value, layer.beta.value], dy)
    found = [y, *gradients, layer.moving_mean.value, layer.moving_variance.value]
    return [tf.cast(f, tf.float32).numpy() for f in found]


@pytest.mark.parametrize("shape", [(4, 5, 6, 8), (3, 1, 2, 3), (7, 1, 1, 4)])
@pytest.mark.parametrize("traced", [False, True])
def test_training_equals_keras(shape, traced):
    rng = np.random.default_rng(1)
    x = tf.constant(rng.normal(1, 2, shape), tf.float32)
    dy = tf.constant(rng.normal(size=shape), tf.float32)
    results = []
    for layer in both_norms(shape[-1]):
        run = tf.function(trained_twice, jit_compile=False) if traced else trained_twice
        results.append([np.asarray(r) for r in run(layer, x, dy)])
        assert layer.moving_mean.numpy().any()
        results[-1] += [layer.moving_mean.numpy(), layer.moving_variance.numpy()]
    for fused, exact in zip(*results, strict=True):
        np.testing.assert_allclose(fused, exact, rtol=1e-4, atol=3e-5)


def trained_twice(layer, x, dy):
    """The second step's outputs and gradients: the moving statistics have moved twice."""
    for _ in range(2):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
    return [y, *tape.gradient(y, [x, layer.gamma.value, layer.beta.value], dy)]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_keeps_its_statistics_in_float32(policy):
    kind = tf.as_dtype(policy.removeprefix("mixed_"))
    rng = np.random.default_rng(1)
    x = tf.cast(rng.normal(1, 2, (4, 5, 6, 8)), kind)
    dy = tf.cast(rng.normal(size=x.shape), kind)
    fused, exact = both_norms(8, policy)
    assert fused(x, training=True).dtype == kind
    assert exact(x, training=True).dtype == kind
    for name, a, b in zip(
        ("y", "dx", "dgamma", "dbeta", "mean", "variance"),
        trained(fused, x, dy),
        trained(exact, x, dy),
        strict=True,
    ):
        loose = 0.06 if name in ("y", "dx", "dgamma", "dbeta") else 1e-5
        np.testing.assert_allclose(a, b, atol=loose, rtol=loose, err_msg=name)


def test_evaluation_and_frozen_layers_use_the_moving_statistics():
    x = np.random.default_rng(0).normal(1, 2, (2, 3, 3, 4)).astype(np.float32)
    for layer in both_norms(4):
        before = layer(x).numpy()
        layer.trainable = False
        np.testing.assert_array_equal(layer(x, training=True), before)
        assert not layer.moving_mean.numpy().any()


def test_the_layer_is_made_again_from_its_config():
    layer = both_norms(3)[0]
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(again) is BatchNorm
    assert again.get_config() == layer.get_config()


TWO_REPLICAS = """
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from iic_tf.networks.batch_norm import BatchNorm

halves = [np.full((1, 2, 2, 1), value, np.float32) for value in (1, 3)]
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    layer = BatchNorm(momentum=0.9, epsilon=0.0, synchronized=True)
    layer.build((None, 2, 2, 1))
values = strategy.experimental_distribute_values_from_function(
    lambda context: tf.constant(halves[context.replica_id_in_sync_group])
)
out = tf.function(lambda x: strategy.run(lambda v: layer(v, training=True), (x,)))(values)
print([float(np.mean(o)) for o in out.values], float(layer.moving_mean.numpy()[0]))
"""


def test_two_replicas_normalise_by_the_whole_batch():
    """There it is Keras' synchronised layer: the kernel would see a replica's own part only."""
    command = [sys.executable, "-c", TWO_REPLICAS]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert found.splitlines()[-1] == "[-1.0, 1.0] 0.2" or "0.2000000" in found
