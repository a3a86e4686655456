"""About how much memory a training takes, told from its values before anything is built.

It is a lower bound, and rough: the weights, and each map of features once, as the way back needs
them; what libraries keep besides may be three times as much. So what is refused by it cannot work,
and what is not may still be too large.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from iic_tf.annotations import Facts
from iic_tf.errors import InputError

if TYPE_CHECKING:
    from iic_tf.models.self_supervised import SelfSupervised

TRUNKS = {
    **{"a": (21_300_000, 490), "b": (4_400_000, 120), "four": (1_600_000, 120)},
    **{"c": (4_600_000, 580), "vgg11": (9_200_000, 160), "patches": (4_600_000, 300)},
    # Of its first layer, which has a weight for each number of an image, nothing.
    **{"dense": (1_250_000, 0), "pixels": (0, 1), "hog": (0, 12)},
    # Those that are no networks of this package may be of any size.
    "keras": (0, 0),
}
"""Of each network at width 1: weights, and values of features for each pixel that comes in."""

_OF_MAPS = ("c", "vgg11", "patches", "keras")
"""Those whose heads answer for each pixel."""

_NUMBER = 4
"""Bytes of a float32."""

_COPIES = 4
"""Of each weight: itself, its gradient, and two moments of the optimiser."""

_BEYOND = 2.0
"""An estimate above so many times the machine's memory and swap is refused."""

_MOST = 10**12
"""Bytes; more is refused on any machine."""


@dataclass(frozen=True)
class Estimate:
    """Bytes, by what they are for; a name holds the values that they come from."""

    parts: Mapping[str, float]

    @property
    def total(self) -> float:
        """Bytes in all."""
        return sum(self.parts.values())

    @property
    def largest(self) -> str:
        """What takes most."""
        return max(self.parts, key=lambda name: self.parts[name])


def weights(
    network: str, width: float, channels: int, clusters: int, more: float = 0.0
) -> dict[str, float]:
    """Bytes of a model's weights.

    Args:
        network: a name of `TRUNKS`.
        width: factor of its channel counts.
        channels: bands of the images.
        clusters: outputs of all heads and sub-heads together.
        more: other weights.
    """
    trunk, _ = TRUNKS[network]
    count = trunk * width**2 + 600 * width * channels
    return {
        f"weights at width={width:g}": count * _NUMBER,
        f"heads of {clusters} clusters in all": 512 * width * clusters * _NUMBER,
        "the method's own weights": more * _NUMBER,
    }


def step(
    network: str, width: float, channels: int, clusters: int, images: int, side: int, parts: int
) -> dict[str, float]:
    """Bytes of a training step, besides the weights.

    Args:
        network: a name of `TRUNKS`.
        width: factor of its channel counts.
        channels: bands of the images.
        clusters: outputs of all heads and sub-heads together.
        images: in a step, all views of all.
        side: of each, in pixels.
        parts: micro-batches that they go through the network in.
    """
    pixels = float(images) * side * side
    _, features = TRUNKS[network]
    maps = pixels / parts * (features * width + (clusters if network in _OF_MAPS else 0))
    return {
        f"pixels of {images} views of {side}×{side}": pixels * channels * _NUMBER,
        f"features of {images} views of {side}×{side} at width={width:g}": maps * _NUMBER,
    }


def training(weights: Mapping[str, float], step: Mapping[str, float]) -> Estimate:
    """What a training takes: each weight's gradient and moments as well."""
    return Estimate({**{name: _COPIES * size for name, size in weights.items()}, **step})


def weights_in_training(model: SelfSupervised) -> Estimate:
    """What the weights of a model that is there take while it is trained."""
    trained = sum(math.prod(v.shape) for part in model.parts().values() for v in part)
    every = sum(math.prod(v.shape) for v in model.weights)
    sizes = {
        f"{trained} weights that are trained": _COPIES * trained,
        f"{every - trained} others": every - trained,
    }
    return Estimate({name: float(_NUMBER * size) for name, size in sizes.items()})


def check_memory(estimate: Estimate, what: str) -> None:
    """Refuse what is far beyond this machine.

    Args:
        estimate: of bytes.
        what: what would be done.

    Raises:
        InputError: names the estimate, and what takes most.
    """
    there = machine_memory()
    if estimate.total <= min(_BEYOND * there, _MOST):
        return
    raise InputError(
        f"Expected {what} that this machine has memory for, {_told(there)}; received one that "
        f"takes about {_told(estimate.total)}, most of it {estimate.largest}."
    )


def machine_memory() -> float:
    """Bytes that this process may have: memory and swap, or what its container is given."""
    try:
        there = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) + _swap()
    except (ValueError, OSError, AttributeError):
        return float(_MOST)
    return min([there, *_limits()])


def _swap() -> float:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        (line,) = [line for line in lines if line.startswith("SwapTotal:")]
        return float(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return 0.0


def _limits() -> list[float]:
    """Of the control group, version 2 and 1."""
    found = []
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            found.append(float(Path("/sys/fs/cgroup", file).read_text(encoding="ascii")))
        except (OSError, ValueError):
            # None there, or "max".
            continue
    return [limit for limit in found if limit > 0]


def _told(size: float) -> str:
    for unit in ("MB", "GB", "TB"):
        size /= 1000 if unit != "MB" else 10**6
        if size < 1000:
            return f"{size:.3g} {unit}"
    return f"{size:.3g} TB"


def joints(radius: float, clusters: Iterable[float], sub_heads: float = 1) -> float:
    """Numbers in the joints of heads of so many clusters, at all displacements of a window."""
    return (2.0 * radius + 1) ** 2 * sub_heads * sum(float(k) ** 2 for k in clusters)


def model_weights(config: Facts) -> Estimate:
    """The weights of a model of this package by the configuration in its file, and its joints.

    Raises:
        TypeError, ValueError: no numbers where there must be some.
    """
    heads = [float(config.get(name) or 0) for name in ("classes", "overclusters")]
    sub_heads = float(config.get("sub_heads", 1))
    names = (config.get("trunk"), config.get("network"), "c")
    network = next(n.lower() for n in names if isinstance(n, str) and n.lower() in TRUNKS)
    if isinstance(config.get("trunk"), dict):
        network = "keras"
    features = float(config.get("features", 0))
    more = features**2 * (heads[0] + 6) + 512 * float(config.get("components", 0))
    if config.get("objective", "iic") == "iic":
        more += joints(float(config.get("radius") or 0), heads, sub_heads)
    return Estimate(
        weights(
            network,
            float(config.get("width", 1)),
            int(float(config.get("channels", 1))),
            int(sum(heads) * sub_heads),
            more,
        )
    )
