"""The training steps that are measured, and a ready batch for each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

STEPS: dict[str, dict[str, Any]] = {
    "128², 5 channels, 2 pairs, T 10, k 15": {
        "size": 128,
        "channels": 5,
        "n": 2,
        "radius": 10,
        "k": 15,
    },
    "200², 4 channels, 2 pairs, T 10, k 24": {
        "size": 200,
        "channels": 4,
        "n": 2,
        "radius": 10,
        "k": 24,
    },
}


def images(case: dict[str, Any]) -> list[NDArray[np.uint8]]:
    """Four images, somewhat larger than a crop, to make pairs of."""
    rng = np.random.default_rng(case["size"])
    side = case["size"] + 56
    coarse = rng.integers(0, 256, (4, side // 8, side // 8, case["channels"]), np.uint8)
    return list(coarse.repeat(8, 1).repeat(8, 2))


def batch_of(case: dict[str, Any]) -> tuple[Any, Any, Any]:
    """X and gx, float32 `[n, size, size, channels]`, and which of them are mirrored."""
    size, n = case["size"], case["n"]
    x = np.stack([image[:size, :size] for image in images(case)[:n]]).astype(np.float32) / 255
    flipped = np.arange(n) % 2 == 1
    gx = np.where(flipped[:, None, None, None], x[:, :, ::-1], x) * np.float32(0.9)
    return x, gx, flipped


def small_images(case: dict[str, Any]) -> tuple[Any, Any]:
    """X and gx of a clustering step, float32 `[n, size, size, channels]`."""
    rng = np.random.default_rng(case["size"])
    shape = (case["n"], case["size"], case["size"], case["channels"])
    x = rng.uniform(size=shape).astype(np.float32)
    return x, np.clip(x + rng.normal(0, 0.1, shape), 0, 1).astype(np.float32)
