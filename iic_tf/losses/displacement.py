"""The joints of all displacements in a window: a cross-correlation of two probability maps."""

from __future__ import annotations

from keras import ops

from iic_tf.annotations import Tensor
from iic_tf.errors import expected
from iic_tf.losses.block_correlation import correlation_by_blocks
from iic_tf.losses.direct_correlation import direct_correlation

DIRECT = 49
"""Displacements (those of radius 3) up to which the direct way is the cheaper one for nearly every
number of clusters and size; beyond, transforms are (benchmarks/RESULTS.md)."""


def displaced_joints(p: Tensor, q: Tensor, radius: int) -> Tensor:
    """P_t[c, c'] = Σ_n Σ_u p[n, u, c] q[n, u + t, c'] for all |t_y| ≤ T_y, |t_x| ≤ T_x.

    T_y = min(radius, height − 1), and T_x likewise: further displacements have no pairs. Both ways
    of getting there have the gradient written out: it is a correlation again, of one map with
    dL/dP, and costs what the joints themselves do.

    Args:
        p: float32 or float64 `[batch, height, width, k]`.
        q: of the same shape and type.
        radius: half the side of the window, in pixels.

    Returns:
        `[(2 T_y + 1)(2 T_x + 1), k, k]`, displacements in reading order.
    """
    height, width = p.shape[1:3]
    if height is None or width is None:
        raise expected("height and width known when the graph is built", (height, width), "shape")
    reach = (min(radius, height - 1), min(radius, width - 1))
    if (2 * reach[0] + 1) * (2 * reach[1] + 1) <= DIRECT:
        return direct_correlation(p, q, reach)
    # Rounding makes zeros slightly negative, which no joint of probabilities is.
    return ops.maximum(correlation_by_blocks(p, q, reach), 0.0)
