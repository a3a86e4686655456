"""Convolutions of small maps by few products, beside nested loops and TensorFlow's own."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf
from convolutions import farthest, kernel_slopes, rows, slopes_of

from iic_tf.networks.conv import Conv
from iic_tf.networks.minimal_filtering import _sums_of_maps, gains, minimal_convolution

SIZES = [
    *(((h, w), (3, 3)) for h, w in [*itertools.product((2, 4), repeat=2), (8, 4), (8, 2), (12, 8)]),
    *(((3, 3), (5, 5)), ((3, 2), (5, 3)), ((4, 3), (3, 5))),
]


def by_loops(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Output (i, j) is the sum of inputs (i + a − kh // 2, j + b − kw // 2) by tap (a, b)."""
    images, h, w, _ = x.shape
    kh, kw, _, filters = kernel.shape
    out = np.zeros((images, h, w, filters))
    for i, j, a, b in itertools.product(range(h), range(w), range(kh), range(kw)):
        row, column = i + a - kh // 2, j + b - kw // 2
        if 0 <= row < h and 0 <= column < w:
            out[:, i, j] += x[:, row, column] @ kernel[a, b]
    return out


@pytest.mark.parametrize(("size", "taps"), SIZES)
def test_the_formula(size, taps):
    x, kernel = rows(3, *size, 5), rows(*taps, 5, 4, seed=1)
    found = minimal_convolution(x, kernel)
    np.testing.assert_allclose(found, by_loops(x.numpy(), kernel.numpy()), rtol=0, atol=1e-12)


def plain(x, kernel):
    return tf.nn.conv2d(x, kernel, 1, "SAME")


@pytest.mark.parametrize(("size", "taps"), SIZES)
def test_gradients_are_those_of_a_convolution(size, taps):
    x, kernel = rows(3, *size, 5), rows(*taps, 5, 4, seed=1)
    ours, theirs = (slopes_of(way, x, kernel) for way in (minimal_convolution, plain))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("side", "taps", "channels"), [(8, 3, 128), (4, 3, 256), (2, 3, 512), (3, 5, 256)]
)
def test_float32_with_the_channels_of_the_networks(side, taps, channels):
    x = rows(8, side, side, channels)
    kernel = rows(taps, taps, channels, channels, seed=1) * 0.02
    exact = slopes_of(plain, x, kernel)
    found = slopes_of(minimal_convolution, tf.cast(x, "float32"), tf.cast(kernel, "float32"))
    assert farthest(found, exact) < 4e-6


def test_how_few_products():
    for side, taps, products in ((2, 3, 9), (4, 3, 36), (8, 3, 144), (3, 5, 36)):
        of_inputs, of_taps, of_products = _sums_of_maps((side, taps), (side, taps))
        assert len(of_inputs) == of_products.shape[1] == products
        assert len(of_inputs) % len(of_taps) == 0
    for side in (3, 6):
        with pytest.raises(ValueError, match=f"rows of {side} under 3 taps"):
            minimal_convolution(rows(1, side, side, 1), rows(3, 3, 1, 1))


def test_an_empty_batch_adds_nothing():
    """One of several replicas may be left with no image."""
    kernel = rows(3, 3, 2, 4)
    out, to_x, to_kernel = slopes_of(minimal_convolution, rows(0, 4, 2, 2), kernel)
    assert (out.shape, to_x.shape) == ((0, 4, 2, 4), (0, 4, 2, 2))
    np.testing.assert_array_equal(to_kernel, np.zeros_like(kernel))


@pytest.mark.parametrize(
    ("side", "taps", "channels"), [(2, 3, 3), (4, 3, 64), (8, 3, 64), (3, 5, 3)]
)
def test_the_layer_trains_as_keras_own(side, taps, channels):
    assert gains((side, side), (taps, taps, channels, channels))
    x = rows(2, side, side, channels, kind="float32")
    slopes = kernel_slopes(x, channels, taps, padding="same", use_bias=False)
    np.testing.assert_allclose(*slopes, rtol=0, atol=4e-6 * np.abs(slopes[1]).max())


def test_where_it_is_taken(monkeypatch):
    used = []
    monkeypatch.setattr(
        "iic_tf.networks.conv.minimal_filtering.minimal_convolution",
        lambda x, kernel: used.append((x.shape[1], kernel.shape[0])) or plain(x, kernel),
    )
    for channels in (2, 64):
        for taps in (1, 3, 5):
            layer = Conv(channels, taps, padding="same", use_bias=False)
            for size in range(1, 9):
                layer(tf.zeros((1, size, size, channels)), training=True)
                layer(tf.zeros((1, size, size, channels)))
    assert used == [(2, 3), (3, 5), (2, 3), (4, 3), (8, 3), (3, 5)]
    unlike = [
        Conv(64, 3, padding="same", use_bias=False, dtype="mixed_bfloat16"),
        Conv(64, 3, padding="same"),
        Conv(64, 3, strides=2, padding="same", use_bias=False),
        Conv(64, 3, padding="valid", use_bias=False),
        Conv(64, 3, padding="same", use_bias=False, dilation_rate=2),
    ]
    for other in unlike:
        other(tf.zeros((1, 4, 4, 64)), training=True)
    assert len(used) == 6
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [kind])
    Conv(64, 3, padding="same", use_bias=False)(tf.zeros((1, 4, 4, 64)), training=True)
    assert len(used) == 6
