"""Which values of arrays count as black and as white, and whether they fit the images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from iic_tf.errors import InputError, expected

PERCENTILES = (1.0, 99.0)
LITTLE = 0.25
"""A set whose values use less than this part of the range is noted."""
BEYOND = 0.01
"""So is one of whose values more than this part lie beyond the range."""

_IMAGES = 512
_PIXELS = 500_000

_FULL = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}

Limits = NDArray[np.float32]


class Pixels(Protocol):
    """An image in memory, `[height, width, channels]`, and which of its pixels hold data."""

    @property
    def image(self) -> NDArray[Any]: ...
    @property
    def valid(self) -> NDArray[np.bool_] | None: ...


def array_range(
    scenes: Sequence[Pixels],
    low: float | Sequence[float] | None = None,
    high: float | Sequence[float] | None = None,
) -> tuple[Limits, Limits, tuple[str, ...]]:
    """The range of images in memory, from a sample of their pixels; see `from_arrays`.

    Returns:
        low and high, float32 `[channels]`, and notes.

    Raises:
        InputError: number types of several ranges, no pixel that holds data, or not low < high.
    """
    channels = scenes[0].image.shape[2]
    sample, _ = _sample(scenes)
    notes = []
    if low is None or high is None:
        found_low, found_high, note = _by_type(scenes, sample)
        if low is None:
            # As ever: who says what is white means 0 to be black.
            low = found_low.tolist() if high is None else [0.0] * channels
        if high is None:
            high = found_high.tolist()
        notes += [note] if note else []
    lowest, highest = (_limits(v, channels, n) for v, n in ((low, "low"), (high, "high")))
    if not (lowest < highest).all():  # NaN is not below anything.
        raise InputError(
            f"Expected numbers low < high; received low={lowest.tolist()}, high={highest.tolist()}."
        )
    # What percentiles leave beyond the range was meant to be.
    return lowest, highest, (*notes, *([] if notes else _fit(sample, lowest, highest)))


def array_fill(
    scenes: Sequence[Pixels], low: Limits, high: Limits
) -> tuple[NDArray[np.float32] | None, float]:
    """What is seen where images in memory hold no data, and how much that is, from a sample.

    Returns:
        The mean of the pixels that hold data, float32 `[channels]` in 0 to 1 (None without any),
        and the share of the others.
    """
    sample, looked_at = _sample(scenes)
    share = 1 - len(sample) / looked_at
    if not len(sample):
        return None, share
    seen = np.clip((sample.astype(np.float32) - low) / (high - low), 0, 1)
    return seen.mean(axis=0, dtype=np.float64).astype(np.float32), share


def _limits(given: float | Sequence[float], channels: int, name: str) -> Limits:
    try:
        limits = np.broadcast_to(np.asarray(given, np.float32), (channels,)).copy()
    except (ValueError, TypeError) as error:
        raise expected(f"a number, or {channels}, for '{name}'", given, name) from error
    if not np.isfinite(limits).all():
        raise expected(f"finite numbers for '{name}'", given, name)
    return limits


def _sample(scenes: Sequence[Pixels]) -> tuple[NDArray[Any], int]:
    """Pixels `[n, channels]` that hold data, from a grid over some images; and of how many."""
    chosen = scenes[:: math.ceil(len(scenes) / _IMAGES)]
    parts, looked_at = [], 0
    for scene in chosen:
        height, width = scene.image.shape[:2]
        step = max(1, math.ceil(math.sqrt(height * width * len(chosen) / _PIXELS)))
        # From the middle of each cell, so that one row or column of a border says little.
        grid = (slice(min(step, height) // 2, None, step), slice(min(step, width) // 2, None, step))
        pixels = scene.image[grid].reshape(-1, scene.image.shape[2])
        looked_at += len(pixels)
        good = np.ones(len(pixels), np.bool_)
        if scene.valid is not None:
            good &= scene.valid[grid].ravel()
        if pixels.dtype.kind == "f":
            good &= np.isfinite(pixels).all(axis=-1)
        parts.append(pixels[good])
    return np.concatenate(parts), looked_at


def _by_type(scenes: Sequence[Pixels], sample: NDArray[Any]) -> tuple[Limits, Limits, str | None]:
    types = {s.image.dtype.newbyteorder("=") for s in scenes}
    ones = np.ones(sample.shape[1], np.float32)
    if len(types) == 1 and next(iter(types)) in _FULL:
        return 0 * ones, _FULL[next(iter(types))] * ones, None
    if len({t if t in _FULL else t.kind for t in types}) > 1:
        raise InputError(
            "Expected images of one number type, or low and high; received "
            f"{' and '.join(sorted(map(str, types)))}."
        )
    if not len(sample):
        raise InputError("Expected pixels that hold data; received none in a sample of all images.")
    usual = 1.0 if next(iter(types)).kind == "f" else 255.0
    if sample.min() >= 0 and sample.max() <= usual:
        return 0 * ones, usual * ones, None
    limits = np.percentile(sample.astype(np.float64), PERCENTILES, axis=0).astype(np.float32)
    low, high = limits
    # A band of one value has no range: it becomes a plain 0.
    high = np.where(high > low, high, np.maximum(low + 1, np.nextafter(low, np.float32(np.inf))))
    return (
        low,
        high,
        (
            f"values of {next(iter(types))} from {sample.min():g} to {sample.max():g}: the "
            f"percentiles {PERCENTILES[0]:g} and {PERCENTILES[1]:g} of each channel, {_texts(low)} "
            f"and {_texts(high)}, become black and white; low= and high= say otherwise"
        ),
    )


def _fit(sample: NDArray[Any], low: Limits, high: Limits) -> list[str]:
    if not len(sample):
        return []
    values = sample.astype(np.float32)
    beyond = float(((values < low) | (values > high)).mean())
    ends = np.percentile(values, (0.5, 99.5), axis=0)
    used = float((np.diff(np.clip(ends, low, high), axis=0)[0] / (high - low)).max())
    notes = []
    span = f"range {_texts(low)} to {_texts(high)}"
    if beyond > BEYOND:
        notes.append(f"{100 * beyond:.1f} % of the values lie beyond the {span}, and are cut off")
    if used < LITTLE:
        notes.append(
            f"the values use {100 * used:.1f} % of the {span}: give low= and high= that fit them"
        )
    return notes


def _texts(values: Limits) -> str:
    texts = [f"{v:g}" for v in values]
    return texts[0] if len(set(texts)) == 1 else f"[{', '.join(texts)}]"
