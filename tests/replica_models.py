"""Small data with something to find, and models of them, for runs on replicas and others."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

TURNS = ("overclustering", "both")
EPOCHS = len(TURNS)


# --- data: without something to find gradients are nothing but rounding


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
