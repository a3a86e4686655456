"""The optimiser that steps by one kernel: Keras' Adam within rounding."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import iic_tf
from iic_tf.models.adam import Adam

SHAPES = ((3, 3, 4, 8), (8,), (1,))


def stepped(optimizer: Any, steps: int, kind: str = "float32", compiled: bool = False) -> Any:
    """Variables and the optimiser's own after steps by the same gradients."""
    rng = np.random.default_rng(0)
    variables = [keras.Variable(rng.normal(size=s), dtype=kind) for s in SHAPES]
    optimizer.build(variables)

    def step(*gradients: Any) -> None:
        optimizer.apply(list(gradients), variables)

    step = tf.function(step, jit_compile=True) if compiled else step
    for n in range(steps):
        scale = 10.0 ** (n % 5 - 3)
        step(*(tf.constant(scale * rng.normal(size=s), kind) for s in SHAPES))
    return [keras.ops.convert_to_numpy(v) for v in (*variables, *optimizer.variables)]


@pytest.mark.parametrize(
    "options",
    [
        {"learning_rate": 1e-2},
        {"learning_rate": 1e-3, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-8},
        {"learning_rate": keras.optimizers.schedules.CosineDecay(1e-2, 20)},
        {"learning_rate": 1e-2, "weight_decay": 0.1, "clipnorm": 1.0},
        {"learning_rate": 1e-2, "amsgrad": True},
        {"learning_rate": 1e-2, "use_ema": True, "ema_overwrite_frequency": 5},
    ],
)
def test_equal_to_keras(options: dict[str, Any]) -> None:
    ours = stepped(Adam(**options), 20)
    kerass = stepped(keras.optimizers.Adam(**options), 20)
    for a, b in zip(ours, kerass, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def test_equal_to_the_formula() -> None:
    rate, beta_1, beta_2, epsilon = 0.01, 0.9, 0.999, 1e-8
    rng = np.random.default_rng(0)
    x = [rng.normal(size=s) for s in SHAPES]
    m, v = ([np.zeros(s) for s in SHAPES] for _ in range(2))
    for t in range(1, 21):
        scale = 10.0 ** ((t - 1) % 5 - 3)
        for i, shape in enumerate(SHAPES):
            g = scale * rng.normal(size=shape)
            m[i] = beta_1 * m[i] + (1 - beta_1) * g
            v[i] = beta_2 * v[i] + (1 - beta_2) * g * g
            scaled = rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
            x[i] = x[i] - scaled * m[i] / (np.sqrt(v[i]) + epsilon)
    # The rate is a float32 variable of Keras'.
    found = stepped(Adam(rate, epsilon=epsilon), 20, "float64")
    for a, b in zip(found[: len(SHAPES)], x, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


def test_under_xla() -> None:
    for a, b in zip(stepped(Adam(1e-2), 5, compiled=True), stepped(Adam(1e-2), 5), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_of_sparse_gradients() -> None:
    table = keras.Variable(np.ones((4, 2)), dtype="float32")
    optimizer = Adam(0.1)
    optimizer.build([table])
    row = tf.IndexedSlices(tf.ones((1, 2)), tf.constant([2]), tf.constant([4, 2]))
    optimizer.apply([row], [table])
    moved = np.ones((4, 2))
    moved[2] = 0.9
    np.testing.assert_allclose(table.numpy(), moved, atol=1e-6)


def test_configuration() -> None:
    optimizer = Adam(3e-4, beta_1=0.8, epsilon=1e-8)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert type(again) is Adam
    assert again.get_config() == optimizer.get_config()


def test_models_have_it_unless_told_else() -> None:
    model = iic_tf.IICClusterer(2, 4, channels=1, size=24, network="B", width=0.05)
    model.compile()
    assert type(model.optimizer) is Adam
    model.compile(keras.optimizers.Adam(1e-3))
    assert type(model.optimizer) is keras.optimizers.Adam
