"""What the objective is measured on: a grid of sizes, and made-up maps for each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.float32]

BLOCK = 16
"""Side in pixels of the patches of one label, so that displaced labels have something in common."""


@dataclass(frozen=True)
class Case:
    """Clusters, side of the square maps, radius of the window, pairs."""

    k: int
    size: int
    radius: int
    n: int

    @property
    def key(self) -> str:
        return f"n{self.n} {self.size} T{self.radius} k{self.k}"

    @property
    def cost(self) -> float:
        """Multiplications of the textbook's forward pass."""
        window = (2 * self.radius + 1) ** 2
        return float(self.n * self.size**2 * window * self.k**2)

    @property
    def map_mb(self) -> float:
        """One map, `[n, size, size, k]` in float32."""
        return self.n * self.size**2 * self.k * 4 / 1e6

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def grid(quick: bool) -> list[Case]:
    """All cases, cheap ones first, so that dear ones can be foreseen."""
    ks = (3, 15) if quick else (3, 6, 15, 24, 36, 45)
    sizes = (64, 128) if quick else (64, 128, 200)
    radii = (1, 10) if quick else (1, 5, 10)
    pairs = (2,) if quick else (2, 8)
    cases = [
        Case(k, size, radius, n) for n in pairs for size in sizes for radius in radii for k in ks
    ]
    return sorted(cases, key=lambda case: (case.n, case.cost))


def maps(case: Case) -> tuple[Maps, Maps]:
    """Two views' probabilities `[n, size, size, k]`: patches that agree, under noise that does not.

    Maps of plain noise would have next to no information, whose value is all rounding.
    """
    rng = np.random.default_rng([case.k, case.size, case.n])
    side = -(-case.size // BLOCK)
    patches = 3 * rng.standard_normal((case.n, side, side, case.k), np.float32)
    patches = patches.repeat(BLOCK, 1).repeat(BLOCK, 2)[:, : case.size, : case.size]
    first, second = (
        _softmax(patches + rng.standard_normal(patches.shape, np.float32)) for _ in range(2)
    )
    return first, second


def _softmax(logits: Maps) -> Maps:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True), np.float32)
