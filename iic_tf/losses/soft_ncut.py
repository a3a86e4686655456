"""The soft normalised cut of W-Net: how much of each cluster's likeness leads out of it."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from iic_tf.annotations import Tensor
from iic_tf.errors import expected

SIGMA_INTENSITY = 10.0
SIGMA_DISTANCE = 4.0
RADIUS = 5.0
COLOURS = 255.0
"""What 1 in an image stands for: σ_I is of the scale 0 to 255. Without it all pixels are alike."""


def soft_ncut(
    p: Tensor,
    images: Tensor,
    mask: Tensor | None = None,
    sigma_intensity: float = SIGMA_INTENSITY,
    sigma_distance: float = SIGMA_DISTANCE,
    radius: float = RADIUS,
) -> Tensor:
    """K − Σ_k (p_kᵀ W p_k) / (p_kᵀ W 1) of each image.

    Xia & Kulis: W-Net, 2017, eq. 3 to 5, with

        w_ij = exp(−(I_i − I_j)² / σ_I²) · exp(−|x_i − x_j|² / σ_X²)    where |x_i − x_j| < radius

    and 0 elsewhere; w_ii = 1. I is the mean of the bands on a scale of 0 to 255. For hard maps it
    is the normalised cut of Shi & Malik. W, of pixels by pixels, never comes to be: the neighbours
    are gone through, each a shifted product. There are none outside the image.

    Args:
        p: probabilities `[batch, height, width, K]`, K ≥ 2.
        images: `[batch, height, width, bands]` in 0 to 1; no gradient goes there.
        mask: the share by which pixels count, `[batch, height, width]`, bool or 0 to 1: each w_ij
            is multiplied by those of both pixels. None means all.
        sigma_intensity: σ_I > 0, of 255.
        sigma_distance: σ_X > 0, in pixels.
        radius: > 0, in pixels; neighbours at just this distance are none.

    Returns:
        `[batch]`, float32 (float64 for float64 probabilities): between 0 and K; K − 1 for any p
        that is the same everywhere, and K where no pixel counts. Of first derivatives only.

    Raises:
        InputError: other ranks, fewer than 2 clusters, or a number not above 0.

    Examples:
        >>> even = np.full((1, 6, 6, 3), 1 / 3, "float32")
        >>> round(float(soft_ncut(even, np.zeros((1, 6, 6, 4), "float32"))[0]), 4)  # K − 1
        2.0
    """
    p, images, kind = _checked(p, images)
    for name, value in (
        ("sigma_intensity", sigma_intensity),
        ("sigma_distance", sigma_distance),
        ("radius", radius),
    ):
        if not 0 < value < float("inf"):
            raise expected(f"{name} > 0 and finite", value, name)
    intensity = COLOURS * ops.stop_gradient(ops.mean(ops.cast(images, kind), axis=-1))
    counted = ops.ones_like(intensity) if mask is None else ops.cast(mask, kind)
    likeness, degree = _through(
        *(ops.stop_gradient(p), intensity, counted, sigma_intensity, sigma_distance, radius)
    )
    # W is symmetric: the gradient of pᵀWp is 2Wp, for which W is not gone through again.
    within = 2.0 * ops.sum(p * likeness, axis=(1, 2))
    within = within - ops.stop_gradient(within) / 2.0
    every = ops.sum(p * degree[..., None], axis=(1, 2))
    least = float(np.finfo(kind).tiny)
    return float(p.shape[-1]) - ops.sum(within / ops.maximum(every, least), axis=-1)


def neighbours(radius: float) -> list[tuple[int, int]]:
    """The displacements, down and across, that are nearer than a radius; (0, 0) among them."""
    most = math.ceil(radius) - 1
    steps = range(-most, most + 1)
    return [(y, x) for y in steps for x in steps if y * y + x * x < radius * radius]


def _through(
    p: Tensor,
    intensity: Tensor,
    counted: Tensor,
    sigma_intensity: float,
    sigma_distance: float,
    radius: float,
) -> tuple[Tensor, Tensor]:
    """W p `[batch, height, width, K]` and W 1 `[batch, height, width]`."""
    height, width = ops.shape(p)[1], ops.shape(p)[2]
    most = math.ceil(radius) - 1
    around = ((0, 0), (most, most), (most, most))
    wide_p = ops.pad(p, (*around, (0, 0)))
    # What is beyond the border counts for nothing.
    wide_intensity, wide_counted = ops.pad(intensity, around), ops.pad(counted, around)
    likeness, degree = ops.zeros_like(p), ops.zeros_like(intensity)
    for down, across in neighbours(radius):
        rows = slice(most + down, most + down + height)
        columns = slice(most + across, most + across + width)
        there = (slice(None), rows, columns)
        near = math.exp(-(down * down + across * across) / sigma_distance**2)
        apart = (intensity - wide_intensity[there]) / sigma_intensity
        w = near * ops.exp(-apart * apart) * counted * wide_counted[there]
        likeness = likeness + w[..., None] * wide_p[there]
        degree = degree + w
    return likeness, degree


def _checked(p: Tensor, images: Tensor) -> tuple[Tensor, Tensor, str]:
    p, images = ops.convert_to_tensor(p), ops.convert_to_tensor(images)
    fits = len(p.shape) == len(images.shape) == 4 and all(
        a is None or b is None or a == b for a, b in zip(p.shape[:3], images.shape[:3], strict=True)
    )
    if not fits:
        raise expected(
            "p [batch, height, width, clusters] and images [batch, height, width, bands]",
            (tuple(p.shape), tuple(images.shape)),
            "(p.shape, images.shape)",
        )
    if p.shape[-1] is None or p.shape[-1] < 2:
        raise expected("at least 2 clusters in the last axis", p.shape[-1], "clusters")
    kind = "float64" if keras.backend.standardize_dtype(p.dtype) == "float64" else "float32"
    return ops.cast(p, kind), images, kind
