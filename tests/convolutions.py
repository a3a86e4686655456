"""Ways to convolve beside each other: outputs, gradients, and those of Keras' layer."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from iic_tf.networks.conv import Conv


def rows(*shape: int, seed: int = 0, kind: Any = "float64") -> tf.Tensor:
    """Normal numbers."""
    return tf.constant(np.random.default_rng(seed).normal(size=shape), kind)


def slopes_of(way: Any, x: tf.Tensor, kernel: tf.Tensor) -> list[tf.Tensor]:
    """What comes of convolving, and gradients to image and kernel of a curved sum of it."""
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        out = way(x, kernel)
        loss = tf.reduce_sum(tf.sin(out) * rows(*out.shape, seed=2, kind=x.dtype))
    return [out, *tape.gradient(loss, [x, kernel])]


def farthest(found: list[tf.Tensor], exact: list[tf.Tensor]) -> float:
    """The largest difference of any of them, relative to the largest number there."""
    pairs = [(a.numpy(), b.numpy()) for a, b in zip(found, exact, strict=True)]
    # NumPy's maximum keeps NaN, Python's may pass it over.
    return float(np.max([np.abs(a - b).max() / np.abs(b).max() for a, b in pairs]))


def kernel_slopes(x: tf.Tensor, *arguments: Any, **options: Any) -> list[np.ndarray]:
    """Gradients to the kernels of our layer, training, and of Keras' own with the same values."""
    layer, own = (kind(*arguments, **options) for kind in (Conv, keras.layers.Conv2D))
    for one in (layer, own):
        one.build((None, None, None, x.shape[-1]))
    own.kernel.assign(layer.kernel)
    found = []
    for one, training in ((layer, {"training": True}), (own, {})):
        with tf.GradientTape() as tape:
            out = one(tf.cast(x, layer.compute_dtype), **training)
            loss = tf.reduce_sum(tf.sin(tf.cast(out, tf.float32)))
        assert out.dtype == layer.compute_dtype
        found.append(tape.gradient(loss, one.kernel.value).numpy())
    return found
