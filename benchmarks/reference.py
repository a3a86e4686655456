"""A slow check in NumPy of what no textbook version was run on: one product a displacement."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from cases import Case, maps


@functools.lru_cache(maxsize=1)
def reference(case: Case) -> dict[str, Any]:
    """The uncollapsed loss at λ = 1, and its gradients with respect to the first pair's maps.

    With P the joint of one displacement, Z its sum, S = (P + Pᵀ)/2Z and r the rows' sums of S:
    I = Σ S ln(S / r rᵀ) and dI/dP = (ln(S / r rᵀ) − I) / Z.
    """
    p, q = maps(case)
    reach = range(-case.radius, case.radius + 1)
    losses, dp, dq = [], np.zeros_like(p[:1]), np.zeros_like(q[:1])
    for dy in reach:
        for dx in reach:
            here, there = _window(case.size, dy, dx), _window(case.size, -dy, -dx)
            flat = p[here].reshape(-1, case.k), q[there].reshape(-1, case.k)
            joint = (flat[0].T @ flat[1]).astype(np.float64)
            s = (joint + joint.T) / 2 / joint.sum()
            rows = s.sum(1)
            inside = np.log(s / np.outer(rows, rows))
            losses.append(-(s * inside).sum())
            slope = -((inside + losses[-1]) / joint.sum() / len(reach) ** 2).astype(np.float32)
            dp[here] += q[there][:1] @ slope.T
            dq[there] += p[here][:1] @ slope
    return {"loss": np.mean(losses), "dp": dp, "dq": dq}


def _window(size: int, dy: int, dx: int) -> tuple[slice, slice, slice]:
    """Pixels u of an image for which u + (dy, dx) is inside it."""
    rows, columns = (slice(max(0, -d), size - max(0, d)) for d in (dy, dx))
    return slice(None), rows, columns
