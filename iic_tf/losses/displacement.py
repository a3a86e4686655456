"""The joints of all displacements in a window: a cross-correlation of two probability maps."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from iic_tf.errors import expected


def displaced_joints(p: Any, q: Any, radius: int) -> Any:
    """P_t[c, c'] = Σ_n Σ_u p[n, u, c] q[n, u + t, c'] for all |t_y| ≤ T_y, |t_x| ≤ T_x.

    T_y = min(radius, height − 1), and T_x likewise: further displacements have no pairs.

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
    if (2 * reach[0] + 1) * (2 * reach[1] + 1) <= 25:
        return _direct(p, q, reach)
    # Rounding makes zeros slightly negative, which no joint of probabilities is.
    return ops.maximum(_by_blocks(p, q, reach), 0.0)


def _direct(p: Any, q: Any, reach: tuple[int, int]) -> Any:
    """One matrix product a displacement: cheapest for tiny windows."""
    height, width, k = p.shape[1:]
    joints = []
    for dy in range(-reach[0], reach[0] + 1):
        for dx in range(-reach[1], reach[1] + 1):
            top, bottom = max(0, -dy), height - max(0, dy)
            left, right = max(0, -dx), width - max(0, dx)
            here = p[:, top:bottom, left:right]
            there = q[:, top + dy : bottom + dy, left + dx : right + dx]
            joints.append(
                ops.matmul(ops.transpose(ops.reshape(here, (-1, k))), ops.reshape(there, (-1, k)))
            )
    return ops.stack(joints)


def _by_blocks(p: Any, q: Any, reach: tuple[int, int]) -> Any:
    """By discrete Fourier transforms of small blocks, all of them written as matrix products.

    Both maps are cut into blocks of B×B pixels; those of q are wider by the window, L = B + 2T, so
    that circular correlation of length L is exact for all |t| ≤ T. The products of the spectra are
    summed over blocks and images before anything is transformed back, and only the (2T + 1)² wanted
    displacements are. As matrix products the transforms run at the speed of the network's own.
    """
    height, width, k = p.shape[1:]
    (rows, block_y), (columns, block_x) = _cut(height, reach[0]), _cut(width, reach[1])
    long_y, long_x = block_y + 2 * reach[0], block_x + 2 * reach[1]
    dtype = p.dtype
    p = ops.transpose(p, (0, 3, 1, 2))
    q = ops.transpose(q, (0, 3, 1, 2))
    p = ops.pad(p, ((0, 0), (0, 0), (0, rows * block_y - height), (0, columns * block_x - width)))
    q = ops.pad(
        q,
        (
            (0, 0),
            (0, 0),
            (reach[0], rows * block_y - height + reach[0]),
            (reach[1], columns * block_x - width + reach[1]),
        ),
    )
    p = ops.reshape(p, (-1, k, rows, block_y, columns, block_x))
    q = _overlapping(_overlapping(q, 2, rows, block_y, long_y), 4, columns, block_x, long_x)
    spectrum_p = _spectrum(p, long_y, long_x, dtype)
    spectrum_q = _spectrum(q, long_y, long_x, dtype)
    # [fx, fy, m, 2k]: m runs over images and blocks, 2k over (real, imaginary) × clusters.
    both = ops.matmul(ops.swapaxes(spectrum_p, -1, -2), spectrum_q)
    real = both[..., :k, :k] + both[..., k:, k:]
    imaginary = both[..., :k, k:] - both[..., k:, :k]
    return _back(ops.stack([real, imaginary]), long_y, long_x, reach, dtype)


def _cut(size: int, reach: int) -> tuple[int, int]:
    """How many blocks of how many pixels: near the cheapest B, evenly spread, at least 2T."""
    count = max(1, round(size / max(32, 2 * reach)))
    return count, -(-size // count)


def _overlapping(x: Any, axis: int, count: int, block: int, length: int) -> Any:
    """Cut `axis` (of count·block + length − block entries) into windows `length` long."""
    windows = []
    for start in range(0, count * block, block):
        index = [slice(None)] * len(x.shape)
        index[axis] = slice(start, start + length)
        windows.append(x[tuple(index)])
    return ops.stack(windows, axis=axis)


def _angles(positions: int, length: int, frequencies: int) -> Any:
    return 2 * np.pi / length * np.outer(np.arange(positions), np.arange(frequencies))


def _spectrum(x: Any, long_y: int, long_x: int, dtype: Any) -> Any:
    """Spectra of blocks `[n, k, rows, y, columns, x]` → `[fx, fy, n·rows·columns, 2k]`."""
    k, rows, y, columns, width = x.shape[1:]
    half = long_x // 2 + 1
    angle = _angles(width, long_x, half)
    along_x = np.stack([np.cos(angle), -np.sin(angle)], axis=1).reshape(width, 2 * half)
    x = ops.matmul(x, ops.convert_to_tensor(along_x, dtype))
    x = ops.reshape(x, (-1, k, rows, y, columns, 2, half))
    x = ops.reshape(ops.transpose(x, (0, 1, 2, 4, 6, 5, 3)), (-1, k, rows, columns, half, 2 * y))
    angle = _angles(y, long_y, long_y)
    cosine, sine = np.cos(angle), np.sin(angle)
    # (a + ib)(cos − i sin), real and imaginary parts side by side.
    along_y = np.block([[cosine, -sine], [sine, cosine]])
    x = ops.matmul(x, ops.convert_to_tensor(along_y, dtype))
    x = ops.reshape(x, (-1, k, rows, columns, half, 2, long_y))
    x = ops.transpose(x, (4, 6, 0, 2, 3, 5, 1))
    return ops.reshape(x, (half, long_y, -1, 2 * k))


def _back(s: Any, long_y: int, long_x: int, reach: tuple[int, int], dtype: Any) -> Any:
    """The wanted displacements of the cross spectrum `[2, fx, fy, k, k]`."""
    half, k = s.shape[1], s.shape[-1]
    out_y, out_x = 2 * reach[0] + 1, 2 * reach[1] + 1
    angle = _angles(long_y, long_y, out_y)
    cosine, sine = np.cos(angle), np.sin(angle)
    along_y = np.block([[cosine, sine], [-sine, cosine]]) / long_y
    s = ops.reshape(ops.transpose(s, (1, 3, 4, 0, 2)), (half, k * k, 2 * long_y))
    s = ops.reshape(ops.matmul(s, ops.convert_to_tensor(along_y, dtype)), (half, k * k, 2, out_y))
    angle = _angles(half, long_x, out_x)
    # A real signal's spectrum is symmetric: all but the first and, for even lengths, the last of
    # the kept frequencies stand for two.
    twice = np.full((half, 1), 2.0)
    twice[0] = 1.0
    if long_x % 2 == 0:
        twice[-1] = 1.0
    along_x = np.stack([twice * np.cos(angle), -twice * np.sin(angle)], axis=1) / long_x
    s = ops.reshape(ops.transpose(s, (3, 1, 0, 2)), (out_y, k * k, half * 2))
    s = ops.matmul(s, ops.convert_to_tensor(along_x.reshape(half * 2, out_x), dtype))
    return ops.reshape(ops.transpose(s, (0, 2, 1)), (out_y * out_x, k, k))
