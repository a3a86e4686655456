"""Convolutions of small maps by few products, beside nested loops and TensorFlow's own."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from iic_tf.networks.conv import Conv
from iic_tf.networks.minimal_filtering import SIDES, _sums_of_maps, minimal_convolution

SIZES = [*itertools.product(SIDES, SIDES), (6, 4), (8, 2)]


def rows(*shape: int, seed: int = 0, kind: str = "float64") -> tf.Tensor:
    return tf.constant(np.random.default_rng(seed).normal(size=shape), kind)


def by_loops(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Output (i, j) is the sum of inputs (i + a − 1, j + b − 1) by tap (a, b)."""
    images, h, w, _ = x.shape
    out = np.zeros((images, h, w, kernel.shape[-1]))
    for i, j, a, b in itertools.product(range(h), range(w), range(3), range(3)):
        if 0 <= i + a - 1 < h and 0 <= j + b - 1 < w:
            out[:, i, j] += x[:, i + a - 1, j + b - 1] @ kernel[a, b]
    return out


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_formula(height, width):
    x, kernel = rows(3, height, width, 5), rows(3, 3, 5, 4, seed=1)
    found = minimal_convolution(x, kernel)
    np.testing.assert_allclose(found, by_loops(x.numpy(), kernel.numpy()), rtol=0, atol=1e-12)


def slopes_of(way, x, kernel):
    weights = rows(*x.shape[:3], kernel.shape[-1], seed=2, kind=x.dtype)
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        out = way(x, kernel)
        loss = tf.reduce_sum(tf.sin(out) * weights)
    return [out, *tape.gradient(loss, [x, kernel])]


def plain(x, kernel):
    return tf.nn.conv2d(x, kernel, 1, "SAME")


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_gradients_are_those_of_a_convolution(height, width):
    x, kernel = rows(3, height, width, 5), rows(3, 3, 5, 4, seed=1)
    ours, theirs = (slopes_of(way, x, kernel) for way in (minimal_convolution, plain))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("side", SIDES)
def test_float32_with_the_channels_of_network_a(side):
    channels = 1024 // side
    x, kernel = rows(8, side, side, channels), rows(3, 3, channels, channels, seed=1) * 0.02
    exact = slopes_of(plain, x, kernel)
    found = slopes_of(minimal_convolution, tf.cast(x, "float32"), tf.cast(kernel, "float32"))
    for a, b in zip(found, exact, strict=True):
        off, largest = np.abs(a.numpy() - b.numpy()).max(), np.abs(b.numpy()).max()
        assert off < 3e-6 * largest


def test_how_few_products():
    for side, products in ((2, 9), (4, 64)):
        of_inputs, of_taps, of_products = _sums_of_maps(side, side)
        assert len(of_inputs) == of_products.shape[1] == products
        assert len(of_inputs) % len(of_taps) == 0


@pytest.mark.parametrize("jit", [False, True])
def test_in_a_graph_with_unknown_batch(jit):
    kernel = rows(3, 3, 3, 2, seed=1, kind="float32")

    @tf.function(jit_compile=jit, input_signature=[tf.TensorSpec((None, 4, 2, 3), tf.float32)])
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.sin(minimal_convolution(x, kernel)))
        return tape.gradient(loss, x)

    x = rows(6, 4, 2, 3, kind="float32")
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(tf.sin(plain(x, kernel)))
    np.testing.assert_allclose(step(x), tape.gradient(loss, x), rtol=1e-4, atol=1e-4)


def test_the_layer_trains_as_keras_own():
    layer = Conv(4, 3, padding="same", use_bias=False)
    layer.build((None, None, None, 3))
    own = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)
    own.build((None, None, None, 3))
    own.kernel.assign(layer.kernel)
    for size in (4, 5):  # by few products and not
        x = rows(2, size, size, 3, kind="float32")
        slopes = []
        for one, arguments in ((layer, {"training": True}), (own, {})):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(tf.sin(one(x, **arguments)))
            slopes.append(tape.gradient(loss, one.kernel.value))
        np.testing.assert_allclose(*slopes, rtol=1e-5, atol=1e-5)


def test_where_it_is_taken(monkeypatch):
    used = []
    monkeypatch.setattr(
        "iic_tf.networks.conv.minimal_convolution",
        lambda x, kernel: used.append(tuple(x.shape[1:3])) or plain(x, kernel),
    )
    layer = Conv(2, 3, padding="same", use_bias=False)
    for size in range(1, 9):
        layer(tf.zeros((1, size, size, 3)), training=True)
        layer(tf.zeros((1, size, size, 3)))
    assert used == [(2, 2), (4, 4)]
    half = Conv(2, 3, padding="same", use_bias=False, dtype="mixed_bfloat16")
    unlike = [
        Conv(2, 3, padding="same"),
        Conv(2, 3, strides=2, padding="same", use_bias=False),
        Conv(2, 3, padding="valid", use_bias=False),
        Conv(2, 5, padding="same", use_bias=False),
        Conv(2, 3, padding="same", use_bias=False, dilation_rate=2),
    ]
    for other in (half, *unlike):
        other(tf.zeros((1, 4, 4, 3)), training=True)
    assert used == [(2, 2), (4, 4)]
