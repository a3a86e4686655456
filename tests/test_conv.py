"""The convolution that trains small maps by matrix products, beside Keras' own."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from convolutions import kernel_slopes, rows, slopes_of

from iic_tf.networks.conv import Conv, covering_convolution
from iic_tf.networks.minimal_filtering import minimal_convolution

SIZES = [(3, 3, 5), (2, 3, 5), (3, 1, 5), (2, 2, 3), (2, 2, 5), (3, 3, 7)]


@pytest.mark.parametrize(("height", "width", "side"), SIZES)
def test_values_and_gradients_are_those_of_a_convolution(height, width, side):
    x, kernel = rows(4, height, width, 3), rows(side, side, 3, 2, seed=1)
    ours, theirs = (
        slopes_of(way, x, kernel)
        for way in (covering_convolution, lambda x, k: tf.nn.conv2d(x, k, 1, "SAME"))
    )
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(
    ("way", "size", "taps"), [(covering_convolution, (3, 3), 5), (minimal_convolution, (4, 2), 3)]
)
def test_in_a_graph_with_unknown_batch(way, size, taps, jit):
    kernel = tf.cast(rows(taps, taps, 3, 2, seed=1), tf.float32)

    @tf.function(jit_compile=jit, input_signature=[tf.TensorSpec((None, *size, 3), tf.float32)])
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.sin(way(x, kernel)))
        return tape.gradient(loss, x)

    x = tf.cast(rows(6, *size, 3), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(tf.sin(tf.nn.conv2d(x, kernel, 1, "SAME")))
    np.testing.assert_allclose(step(x), tape.gradient(loss, x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_the_layer_trains_as_keras_own(policy):
    for size in (3, 4):  # covered and not
        slopes = kernel_slopes(
            rows(2, size, size, 3), 4, 5, padding="same", use_bias=False, dtype=policy
        )
        off = 1e-5 if policy == "float32" else 0.1
        np.testing.assert_allclose(*slopes, rtol=off, atol=off)


def test_only_what_is_covered_goes_by_products(monkeypatch):
    """In float32 there are fewer products yet (tests/test_minimal_filtering.py)."""
    used = []
    monkeypatch.setattr(
        "iic_tf.networks.conv.covering_convolution",
        lambda x, kernel: used.append(x.shape[1:3]) or tf.nn.conv2d(x, kernel, 1, "SAME"),
    )
    layer = Conv(2, 5, padding="same", use_bias=False, dtype="mixed_bfloat16")
    for size in (1, 2, 3, 4):
        layer(tf.zeros((1, size, size, 3)), training=True)
        layer(tf.zeros((1, size, size, 3)))
    assert used == [(2, 2), (3, 3)]
    biased = Conv(2, 5, padding="same", dtype="mixed_bfloat16")
    strided = Conv(2, 5, strides=2, padding="same", use_bias=False, dtype="mixed_bfloat16")
    for other in (biased, strided):
        other(tf.zeros((1, 3, 3, 3)), training=True)
    assert used == [(2, 2), (3, 3)]
