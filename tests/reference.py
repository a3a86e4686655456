"""The objectives as the papers write them: nested loops in plain NumPy and float64.

Slow and obvious, so that there is little to get wrong. Gradients are written out by hand, and by
central differences to check those.
"""

from __future__ import annotations

import numpy as np

TINY = 1.2e-38
"""Where the logarithm's argument is clamped, as in `iic_tf.losses.information`."""


def clamped_log(x):
    return np.log(np.maximum(x, TINY))


def joint(p, q):
    """P[c, c'] = Σ_n p[n, c] q[n, c']."""
    p, q = np.asarray(p, np.float64), np.asarray(q, np.float64)
    k = p.shape[1]
    total = np.zeros((k, k))
    for n in range(len(p)):
        for c in range(k):
            for other in range(k):
                total[c, other] += p[n, c] * q[n, other]
    return total


def normalised(raw):
    symmetric = (raw + raw.T) / 2
    return symmetric / symmetric.sum() if symmetric.sum() > 0 else symmetric


def information(raw, lamb=1.0):
    """I_λ = Σ P (ln P − λ ln P_row − λ ln P_col) of one joint `[k, k]`."""
    p = normalised(np.asarray(raw, np.float64))
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    total = 0.0
    for c in range(len(p)):
        for other in range(len(p)):
            total += p[c, other] * (
                clamped_log(p[c, other])
                - lamb * clamped_log(rows[c])
                - lamb * clamped_log(columns[other])
            )
    return total


def information_gradient(raw, lamb=1.0):
    """dI_λ / d raw, `[k, k]`: through the division by the sum and the symmetrisation."""
    raw = np.asarray(raw, np.float64)
    if raw.sum() <= 0:
        return np.zeros_like(raw)

    def slope(x):
        """d/dx of x ln max(x, TINY)."""
        return clamped_log(x) + (x > TINY)

    p = normalised(raw)
    by_p = slope(p) - lamb * slope(p.sum(axis=1))[:, None] - lamb * slope(p.sum(axis=0))[None, :]
    by_symmetric = (by_p - (by_p * p).sum()) / raw.sum()
    return (by_symmetric + by_symmetric.T) / 2


def clustering_loss(p, q, lamb=1.0):
    return -information(joint(p, q), lamb)


def clustering_gradients(p, q, lamb=1.0):
    """dL/dp and dL/dq, both `[batch, k]`."""
    p, q = np.asarray(p, np.float64), np.asarray(q, np.float64)
    slope = -information_gradient(joint(p, q), lamb)
    by_p = np.stack([slope @ q[n] for n in range(len(p))])
    by_q = np.stack([slope.T @ p[n] for n in range(len(p))])
    return by_p, by_q


def window(radius):
    """All displacements (dy, dx), in reading order."""
    steps = range(-radius, radius + 1)
    return [(dy, dx) for dy in steps for dx in steps]


def pixel_pairs(shape, displacement):
    """All (n, y, x), and where the displacement leads, of pairs that stay inside the image."""
    (batch, height, width), (dy, dx) = shape, displacement
    for n in range(batch):
        for y in range(height):
            if not 0 <= y + dy < height:
                continue
            for x in range(width):
                if 0 <= x + dx < width:
                    yield n, y, x, y + dy, x + dx


def masked(p, q, mask):
    p, q = np.asarray(p, np.float64), np.asarray(q, np.float64)
    weight = np.ones(p.shape[:3]) if mask is None else np.asarray(mask, np.float64)
    return p * weight[..., None], q * weight[..., None], weight


def displaced_joints(p, q, radius, mask=None):
    """P_t of every t of the whole (2T + 1)² window; zeros where no pair stays inside."""
    p, q, _ = masked(p, q, mask)
    k = p.shape[-1]
    joints = np.zeros(((2 * radius + 1) ** 2, k, k))
    for t, displacement in enumerate(window(radius)):
        for n, y, x, y_there, x_there in pixel_pairs(p.shape[:3], displacement):
            joints[t] += p[n, y, x][:, None] * q[n, y_there, x_there][None, :]
    return joints


def loss_of_joints(joints, lamb=1.0, collapsed=False):
    """−I_λ of the sum of joints, or the mean of −I_λ over those that have any pairs."""
    if collapsed:
        return -information(joints.sum(axis=0), lamb)
    values = [-information(raw, lamb) for raw in joints if raw.sum() > 0]
    return float(np.mean(values)) if values else 0.0


def segmentation_loss(p, q, radius, lamb=1.0, mask=None, collapsed=False):
    return loss_of_joints(displaced_joints(p, q, radius, mask), lamb, collapsed)


def segmentation_gradients(p, q, radius, lamb=1.0, mask=None, collapsed=False, joints=None):
    """dL/dp and dL/dq, both `[batch, height, width, k]`; `joints` spares computing them anew."""
    if joints is None:
        joints = displaced_joints(p, q, radius, mask)
    p, q, weight = masked(p, q, mask)
    if collapsed:
        slopes = np.broadcast_to(-information_gradient(joints.sum(axis=0), lamb), joints.shape)
    else:
        count = max(1, sum(raw.sum() > 0 for raw in joints))
        slopes = np.stack([-information_gradient(raw, lamb) / count for raw in joints])
    by_p, by_q = np.zeros_like(p), np.zeros_like(q)
    for slope, displacement in zip(slopes, window(radius), strict=True):
        for n, y, x, y_there, x_there in pixel_pairs(p.shape[:3], displacement):
            by_p[n, y, x] += slope @ q[n, y_there, x_there]
            by_q[n, y_there, x_there] += p[n, y, x] @ slope
    return by_p * weight[..., None], by_q * weight[..., None]


def numerical_gradient(function, x, step=1e-5):
    """Central differences of a scalar function at `x`, entry by entry."""
    x = np.array(x, np.float64)
    slope = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        kept = x[i]
        x[i] = kept + step
        above = function(x)
        x[i] = kept - step
        below = function(x)
        x[i] = kept
        slope[i] = (above - below) / (2 * step)
    return slope


def softmax(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def similar_maps(shape, seed=0, dtype=np.float32, contrast=4.0):
    """Two maps `[batch, height, width, k]` of patchy probabilities that have much in common."""
    rng = np.random.default_rng(seed)
    batch, height, width, k = shape
    coarse = rng.normal(size=(batch, -(-height // 6), -(-width // 6), k)) * contrast
    logits = np.repeat(np.repeat(coarse, 6, axis=1), 6, axis=2)[:, :height, :width]
    p, q = (softmax(logits + rng.normal(size=shape)) for _ in range(2))
    return p.astype(dtype), q.astype(dtype)


def similar_rows(shape, seed=0, dtype=np.float32):
    """Two sets of probabilities `[batch, k]` that have much in common."""
    p, q = similar_maps((shape[0], 1, 1, shape[1]), seed, dtype)
    return p[:, 0, 0], q[:, 0, 0]


def infoseg_probabilities(local, image, tau=0.8):
    """V[n, i, j, k] = softmax_k(τ ⟨L_nij, H_nk⟩)."""
    local, image = np.asarray(local, np.float64), np.asarray(image, np.float64)
    batch, height, width, _ = local.shape
    found = np.zeros((batch, height, width, image.shape[1]))
    for n, i, j in np.ndindex(batch, height, width):
        found[n, i, j] = softmax(tau * np.array([local[n, i, j] @ h for h in image[n]]))
    return found


def infoseg_scores(local, image, tau=0.8, assignment="soft", mask=None):
    """All (T, weight) of pairs of the same image, and of different ones: n and n + 1, around."""
    local, image = np.asarray(local, np.float64), np.asarray(image, np.float64)
    probabilities = infoseg_probabilities(local, image, tau)
    batch, height, width, k = probabilities.shape
    weight = np.ones((batch, height, width)) if mask is None else np.asarray(mask, np.float64)
    same, other = [], []
    for n, i, j in np.ndindex(batch, height, width):
        for found, partner in ((same, n), (other, (n + 1) % batch)):
            shares = probabilities[partner, i, j]
            if assignment == "hard":
                shares = np.eye(k)[np.argmax(shares)]
            assigned = sum(shares[c] * image[partner, c] for c in range(k))
            both = weight[n, i, j] * (1.0 if partner == n else weight[partner, i, j])
            found.append((local[n, i, j] @ assigned, both))
    return same, other


def infoseg_displaced_scores(
    local, image, probabilities, assignment="soft", mask=None, reach=0, elsewhere=False
):
    """(T, weight) of L with S of an image's own places, and of the next one's, up to a reach.

    `elsewhere`, the next one's place is half the inner map further on, going round.
    """
    images, height, width, _ = local.shape
    mask = np.ones((images, height, width)) if mask is None else mask
    if assignment == "hard":
        probabilities = np.eye(probabilities.shape[-1])[probabilities.argmax(-1)]
    same, other = [], []
    for n, i, j in np.ndindex(images, height, width):
        if min(i, j, height - 1 - i, width - 1 - j) < reach:
            continue
        for a in range(i - reach, i + reach + 1):
            for b in range(j - reach, j + reach + 1):
                for m, pairs in ((n, same), ((n + 1) % images, other)):
                    u, v = a, b
                    if elsewhere and m != n:
                        # Displaced inner maps are as large as the inner map, and begin elsewhere.
                        rows, columns = height - 2 * reach, width - 2 * reach
                        u = a - i + reach + (i - reach - rows // 2) % rows
                        v = b - j + reach + (j - reach - columns // 2) % columns
                    s = sum(p * h for p, h in zip(probabilities[m, u, v], image[m], strict=True))
                    itself = (m, a, b) == (n, i, j)
                    weight = mask[n, i, j] * (1 if itself else mask[m, u, v])
                    pairs.append((float(local[n, i, j] @ s), weight))
    return same, other


def infoseg_loss_of_scores(same, other, estimator="jsd"):
    """JSD: −E[−sp(−T)] + E[sp(T')] − 2 ln 2; DV: ln E[exp T'] − E[T]."""

    def mean(pairs, function):
        total = sum(weight for _, weight in pairs)
        return sum(weight * function(score) for score, weight in pairs) / total

    if not sum(weight for _, weight in same) or not sum(weight for _, weight in other):
        return 0.0
    if estimator == "dv":
        top = max(score for score, _ in other)
        log_mean = top + np.log(mean(other, lambda score: np.exp(score - top)))
        return log_mean - mean(same, lambda score: score)
    positive = mean(same, lambda score: -np.logaddexp(0, -score))
    negative = mean(other, lambda score: np.logaddexp(0, score))
    return -(positive - negative) - 2 * np.log(2)


def infoseg_loss(local, image, tau=0.8, estimator="jsd", assignment="soft", mask=None):
    pairs = infoseg_scores(local, image, tau, assignment, mask)
    return infoseg_loss_of_scores(*pairs, estimator)


def box_means(values, side):
    """Means of `[n, h, w]` over side × side boxes, of those at the border over the part inside."""
    n, height, width = values.shape
    found = np.zeros((n, -(-height // side), -(-width // side)))
    for m, i, j in np.ndindex(found.shape):
        found[m, i, j] = np.mean(
            values[m, i * side : (i + 1) * side, j * side : (j + 1) * side], dtype=np.float64
        )
    return found
