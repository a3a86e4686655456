"""Convolutions with strides as products of patches, beside nested loops and TensorFlow's own."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from convolutions import farthest, kernel_slopes, rows, slopes_of

from iic_tf.networks.conv import Conv
from iic_tf.networks.network_a import NetworkA
from iic_tf.networks.patch_products import gains, patch_convolution

CASES = [
    ((6, 6), (3, 3), (2, 2)),  # network A's, padded
    ((5, 7), (3, 3), (2, 2)),
    ((4, 4), (1, 1), (2, 2)),  # a shortcut's: most cells are passed over
    ((7, 6), (3, 5), (2, 1)),
    ((9, 8), (2, 3), (3, 2)),
    ((3, 3), (3, 3), (2, 2)),
]


def by_loops(x, kernel, strides):
    """Output (i, j) is the sum of inputs (i · stride + a, j · stride + b) by tap (a, b)."""
    images, h, w, _ = x.shape
    kh, kw, _, filters = kernel.shape
    high, wide = (h - kh) // strides[0] + 1, (w - kw) // strides[1] + 1
    out = np.zeros((images, high, wide, filters))
    for i, j, a, b in itertools.product(range(high), range(wide), range(kh), range(kw)):
        out[:, i, j] += x[:, i * strides[0] + a, j * strides[1] + b] @ kernel[a, b]
    return out


@pytest.mark.parametrize(("size", "taps", "strides"), CASES)
def test_the_formula(size, taps, strides):
    x, kernel = rows(3, *size, 5), rows(*taps, 5, 4, seed=1)
    found = patch_convolution(x, kernel, strides)
    expected = by_loops(x.numpy(), kernel.numpy(), strides)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("size", "taps", "strides"), CASES)
def test_gradients_are_those_of_the_loops(size, taps, strides):
    """A convolution is linear in both: its gradients are what it does to unit inputs."""
    x, kernel = rows(2, *size, 2), rows(*taps, 2, 3, seed=1)
    out, to_x, to_kernel = slopes_of(lambda x, k: patch_convolution(x, k, strides), x, kernel)
    slope = np.cos(out) * rows(*out.shape, seed=2).numpy()
    for ours, others, change in (
        (to_x, x, lambda unit: by_loops(unit, kernel.numpy(), strides)),
        (to_kernel, kernel, lambda unit: by_loops(x.numpy(), unit, strides)),
    ):
        units = np.eye(int(tf.size(others))).reshape(-1, *others.shape)
        expected = [np.sum(change(unit) * slope) for unit in units]
        np.testing.assert_allclose(np.ravel(ours), expected, rtol=0, atol=1e-11)


def test_float32_with_the_channels_of_the_network():
    def library(x, kernel):
        return tf.nn.conv2d(x, kernel, 2, "VALID")

    x, kernel = rows(8, 6, 6, 256), rows(3, 3, 256, 512, seed=1) * 0.02
    exact = slopes_of(library, x, kernel)
    found = slopes_of(
        lambda x, k: patch_convolution(x, k, (2, 2)), *(tf.cast(v, "float32") for v in (x, kernel))
    )
    assert farthest(found, exact) < 2e-6


def test_an_empty_batch_adds_nothing():
    """One of several replicas may be left with no image."""
    kernel = rows(3, 3, 2, 4)
    found = slopes_of(lambda x, k: patch_convolution(x, k, (2, 2)), rows(0, 6, 6, 2), kernel)
    assert [v.shape for v in found] == [(0, 2, 2, 4), (0, 6, 6, 2), kernel.shape]
    np.testing.assert_array_equal(found[2], np.zeros_like(kernel))


@pytest.mark.parametrize("jit", [False, True])
def test_in_a_graph_with_unknown_batch(jit):
    kernel = rows(3, 3, 3, 2, seed=1)

    @tf.function(jit_compile=jit, input_signature=[tf.TensorSpec((None, 6, 6, 3), "float64")])
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.sin(patch_convolution(x, kernel, (2, 2))))
        return tape.gradient(loss, x)

    x = rows(6, 6, 6, 3)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(tf.sin(tf.nn.conv2d(x, kernel, 2, "VALID")))
    np.testing.assert_allclose(step(x), tape.gradient(loss, x), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("policy", "off"), [("float32", 2e-6), ("mixed_bfloat16", 0.01)])
def test_the_layer_trains_as_keras_own(policy, off):
    x = rows(2, 6, 6, 3, kind="float32")
    slopes = kernel_slopes(x, 4, 3, strides=2, use_bias=False, dtype=policy)
    np.testing.assert_allclose(*slopes, rtol=0, atol=off * np.abs(slopes[1]).max())


def test_half_precision_loses_no_more_than_its_own_digits():
    """Beside the convolution of the same rounded numbers in float32."""
    exact = [rows(8, 6, 6, 256), rows(3, 3, 256, 64, seed=1) * 0.02]
    halves = [tf.cast(v, "bfloat16") for v in exact]
    found = slopes_of(lambda x, k: patch_convolution(x, k, (2, 2)), *halves)
    single = [tf.cast(v, "float32") for v in halves]
    plain = slopes_of(lambda x, k: tf.nn.conv2d(x, k, 2, "VALID"), *single)
    assert [v.dtype for v in found] == ["bfloat16"] * 3
    assert farthest([tf.cast(v, "float32") for v in found], plain) < 0.01


def test_where_it_is_taken(monkeypatch):
    used = []
    monkeypatch.setattr(
        "iic_tf.networks.conv.patch_products.patch_convolution",
        lambda x, kernel, strides: (
            used.append((x.shape[1], kernel.shape[0])) or patch_convolution(x, kernel, strides)
        ),
    )
    network = NetworkA(width=1 / 16)
    network(tf.zeros((2, 32, 32, 3)), training=True)
    # Padded maps of 8×8 and 4×4, and those of their shortcuts; 16×16 leads to 8×8 cells, too many.
    assert used == [(10, 3), (8, 1), (6, 3), (4, 1)]
    used.clear()
    network(tf.zeros((2, 32, 32, 3)))
    unlike = [
        Conv(4, 3, strides=2),
        Conv(4, 3, strides=2, padding="same", use_bias=False),
        Conv(4, 3, padding="valid", use_bias=False),
    ]
    for other in unlike:
        other(tf.zeros((1, 6, 6, 4)), training=True)
    one = Conv(4, 3, strides=2, use_bias=False)
    one(keras.Input((None, None, 4)), training=True)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [kind])
    one(tf.zeros((1, 6, 6, 4)), training=True)
    assert not used


def test_which_sizes_gain():
    assert gains((10, 10), (3, 3), (2, 2))
    assert gains((3, 3), (3, 3), (2, 2))
    assert not gains((11, 10), (3, 3), (2, 2))  # five rows of four cells
    assert not gains((6, 6), (3, 3), (1, 1))
    assert not gains((2, 6), (3, 3), (2, 2))  # no output at all
