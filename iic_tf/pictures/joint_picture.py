"""The joint distribution of two views' clusters beside the product of its marginals."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import PowerNorm
from numpy.typing import NDArray
from PIL import Image

from iic_tf.errors import InputError, expected
from iic_tf.losses.information import information, most_information, normalised
from iic_tf.pictures.figure import FAINT, INK, new_figure, to_image
from iic_tf.pictures.text import literal, shorten


def joint_picture(joint: NDArray[np.floating], title: str = "") -> Image.Image:
    """Draw P(z, z') and P(z) P(z') as two maps on one scale (IID preprint 2018, figure 2).

    Clusters z of one view are rows, z' of the other columns, brighter is likelier. The more the
    two maps differ, the more one view tells of the other: their Kullback-Leibler divergence is the
    mutual information I (λ = 1), which stands above with its bound ln k. A bright, even diagonal
    is what training is after; two equal maps mean that nothing was learned. The scale is that of
    the square root, on which small probabilities can be seen.

    Args:
        joint: `[k, k]`, 0 or more, of any sum above 0: it is made symmetric and divided by it, as
            in the objective.
        title: the line above; I stands below it.

    Raises:
        InputError: not square, a value negative or not finite, or all zeros.
    """
    if joint.ndim != 2 or joint.shape[0] != joint.shape[1] or not joint.size:
        raise expected("a joint [k, k]", joint.shape, "joint.shape")
    known = joint.astype(np.float64)
    if not (np.isfinite(known).all() and (known >= 0).all() and known.sum() > 0):
        raise InputError("Expected a joint of finite values of 0 or more with a sum above 0.")
    p = np.asarray(normalised(known))
    marginal = p.sum(axis=1)
    product = np.outer(marginal, marginal)
    k = len(p)

    figure = new_figure(8.6, 4.9)
    both = figure.subplots(1, 2)
    scale = PowerNorm(0.5, vmin=0.0, vmax=float(max(p.max(), product.max())))
    names = ("joint  P(z, z′)", "product of marginals  P(z) P(z′)")
    step = max(1, -(-k // 20))
    for axes, values, name in zip(both, (p, product), names, strict=True):
        drawn = axes.imshow(values, cmap="viridis", norm=scale)
        axes.set_title(name, fontsize=10, color=INK)
        axes.set_xticks(range(0, k, step))
        axes.set_yticks(range(0, k, step))
        axes.tick_params(colors=INK, labelsize=8, length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("cluster z′ of the other view", fontsize=9, color=FAINT)
    both[0].set_ylabel("cluster z of one view", fontsize=9, color=FAINT)
    bar = figure.colorbar(drawn, ax=list(both), shrink=0.75, pad=0.02)
    bar.ax.tick_params(colors=INK, labelsize=8)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.set_label("probability (square-root scale)", fontsize=9, color=FAINT)
    # Rounding may make it −0.00 or a little more than the bound.
    found = min(max(float(information(known)), 0.0), most_information(k))
    told = f"I = {found:.2f} nats of at most ln {k} = {most_information(k):.2f}"
    head = literal(shorten(title, 70))
    figure.suptitle(f"{head}\n{told}" if head else told, fontsize=12, color=INK)
    return to_image(figure)
