"""About how many weights a network has, told from its configuration before anything is built.

Rough: of a layer, its width times that of the one before it; of a backbone that is one class with
sizes, the square of its largest width for each of its layers. So it may be some times too large or
too small, and tells absurd sizes from those of real networks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from iic_tf.annotations import Facts

WIDTHS = ("filters", "units", "dim", "width", "channels", "embed")
"""Parts of the names of values that say how many features there are."""

COUNTS = ("num_layers", "num_blocks", "num_repeats", "depths", "num_heads")
"""And of those that say how often a layer is repeated."""

KERNELS = ("kernel_size", "patch_size", "pool_size")


def network_weights(config: Any) -> float:
    """Weights in all layers of a serialised network, at any depth; 0 of what holds none.

    Args:
        config: what Keras wrote: dictionaries with `class_name` and `config`.

    Raises:
        RecursionError: nested too deep.
    """
    total, before = 0.0, 1.0
    for layer in _layers(config):
        widths = list(_numbers(layer, WIDTHS))
        if not widths:
            continue
        width = max(widths)
        layers = sum(_numbers(layer, COUNTS))
        kernel = math.prod(_numbers(layer, KERNELS) or [1.0])
        groups = max([1.0, *_numbers(layer, ("groups",))])
        total += layers * width**2 if layers else before * width * kernel / groups
        before = width
    return total


def _layers(config: Any) -> Iterator[Facts]:
    """The configurations of all objects, outer ones before what they hold."""
    if isinstance(config, Mapping):
        inner = config.get("config")
        if "class_name" in config and isinstance(inner, Mapping):
            yield inner
        for value in config.values():
            yield from _layers(value)
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from _layers(value)


def _numbers(layer: Facts, parts: tuple[str, ...]) -> list[float]:
    found: list[float] = []
    for name, value in layer.items():
        if any(part in name for part in parts):
            values = value if isinstance(value, (list, tuple)) else [value]
            found += [abs(float(v)) for v in values if type(v) in (int, float)]
    return [v for v in found if math.isfinite(v)]
