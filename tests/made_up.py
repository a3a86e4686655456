"""Made-up images, small models, and what is asked of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from iic_tf.data.array_scene import from_arrays
from iic_tf.models.iic_clusterer import IICClusterer
from iic_tf.models.iic_segmenter import IICSegmenter
from iic_tf.models.infoseg import InfoSeg
from iic_tf.views.pairs import Pairs


def noise(*shape: int, seed: int = 0) -> Any:
    """Float32 numbers in 0 to 1."""
    return np.random.default_rng(seed).uniform(size=shape).astype(np.float32)


def noise_pairs(
    crop: int = 8,
    batch: int = 3,
    masks: bool = False,
    size: tuple[int, int] = (16, 24),
    **options: Any,
) -> Pairs:
    """Crops of two images of noise, half of their pixels labelled."""
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (*size, 3)).astype(np.uint8) for _ in range(2)]
    labels = [rng.integers(-1, 1, size) for _ in range(2)]
    return Pairs(from_arrays(images, labels), crop, batch, masks=masks, **options)


def two_textures(count: int = 6, size: int = 24, seed: int = 0, tinted: bool = False) -> Any:
    """Scenes of which one half is dark and even, the other bright and striped."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        image = rng.integers(20, 60, (size, size, 3))
        edge = int(rng.integers(size // 3, size - size // 3))
        image[:, edge:] = rng.integers(150, 190, (size, size - edge, 3))
        image[::2, edge:] += 40
        images.append((image * (rng.uniform(0.6, 1, 3) if tinted else 1)).astype(np.uint8))
    return from_arrays(images)


def small_infoseg(
    classes: int = 2, width: float = 0.05, features: int = 8, **arguments: Any
) -> InfoSeg:
    return InfoSeg(classes, 3, width, features, **arguments)


def small_segmenter(
    classes: int = 2, overclusters: int = 3, width: float = 0.05, radius: int = 1, **arguments: Any
) -> IICSegmenter:
    return IICSegmenter(classes, overclusters, channels=3, width=width, radius=radius, **arguments)


def small_clusterer(
    classes: int = 2,
    overclusters: int | None = 3,
    channels: int = 1,
    size: int = 8,
    network: str = "B",
    width: float = 0.06,
    sub_heads: int = 2,
    **arguments: Any,
) -> IICClusterer:
    return IICClusterer(
        classes, overclusters, channels, size, network, width, sub_heads=sub_heads, **arguments
    )


def decided(clusterer: IICClusterer) -> IICClusterer:
    """Heads far from uniform: at their beginning all probabilities are near 1/k."""
    rng = np.random.default_rng(3)
    for head in clusterer.heads.values():
        kernel = head.linear.kernel
        kernel.assign(rng.normal(size=kernel.shape))
        head.linear.bias.assign(rng.normal(size=head.linear.bias.shape))
    return clusterer


def clustering_batch(
    images: int = 4,
    copies: int = 1,
    epoch: int = 0,
    size: int = 8,
    channels: int = 1,
    seed: int = 0,
) -> dict[str, tf.Tensor]:
    """A batch as of `ImagePairs`: images of noise, and copies of each under more of it."""
    x = noise(images, size, size, channels, seed=seed)
    gx = noise(images, copies, size, size, channels, seed=seed + 100)
    batch = {
        "x": x,
        "gx": (x[:, None] + gx) / 2,
        "epoch": np.full(images, epoch, np.int32),
        "image": np.arange(images, dtype=np.int32),
    }
    return {name: tf.constant(value) for name, value in batch.items()}


def weights(layer: Any) -> list[Any]:
    return [np.copy(w) for w in layer.get_weights()]


def same(before: list[Any], after: list[Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
