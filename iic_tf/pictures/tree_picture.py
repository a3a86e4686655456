"""The tree of clusters as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.cluster.hierarchy import dendrogram

from iic_tf.errors import expected
from iic_tf.metrics.cluster_tree import ClusterTree
from iic_tf.pictures.colours import cycled
from iic_tf.pictures.figure import FAINT, GRID, INK, new_figure, tidy, to_image
from iic_tf.pictures.text import literal, shorten

_LEAVES = 80


def tree_picture(
    tree: ClusterTree, names: Sequence[str], colours: NDArray[np.uint8] | None = None
) -> Image.Image:
    """Which clusters are merged in which order, and how much information is lost until then.

    Of more than 80 clusters those that are merged first are drawn as one: a picture is less than
    2,000 pixels high.

    Args:
        tree: of k clusters.
        names: k of them.
        colours: uint8 `[k, 3]`; None: those of label maps.

    Raises:
        InputError: other numbers of names or colours.
    """
    k = len(tree)
    colours = cycled(k) if colours is None else colours
    if len(names) != k or colours.shape != (k, 3):
        raise expected(f"names and colours of {k} clusters", (len(names), colours.shape))
    lost = np.cumsum(tree.losses)
    sizes = [len(tree.members(k + step)) for step in range(k - 1)]
    links = np.column_stack([tree.merges.astype(float), lost, sizes])
    leaves = min(k, _LEAVES)
    figure = new_figure(9, max(2.5, 0.9 + 0.21 * leaves))
    axes = figure.subplots()
    drawn = dendrogram(
        links,
        orientation="right",
        ax=axes,
        color_threshold=0,
        no_labels=True,
        p=leaves,
        truncate_mode="lastp" if leaves < k else None,
    )
    for collection in axes.collections:
        collection.set_color(INK)
        collection.set_linewidth(1.0)
    below = [tree.members(int(node)) for node in drawn["leaves"]]
    largest = [max(members, key=lambda c: float(tree.shares[c])) for members in below]
    labels = [
        f"{_named(names[c], len(members))}   {tree.shares[members].sum():.1%}"
        for c, members in zip(largest, below, strict=True)
    ]
    places = 10 * np.arange(leaves) + 5
    axes.set_yticks(places, [literal(text) for text in labels])
    axes.yaxis.tick_left()
    tidy(axes)
    axes.tick_params(axis="y", length=0, labelsize=8, pad=14)
    # The first steps lose next to nothing: square roots show them.
    axes.set_xscale("function", functions=(_root, np.square))
    axes.set_xlim(0, max(float(lost[-1]) * 1.02, 1e-9))
    for place, cluster in zip(places, largest, strict=True):
        axes.plot(
            [-0.012],
            [place],
            "s",
            color=colours[cluster] / 255,
            markersize=7,
            clip_on=False,
            transform=axes.get_yaxis_transform(),
        )
    axes.grid(axis="x", color=GRID)
    axes.set_xlabel("information lost, nats, of what clusters tell of their neighbours", color=INK)
    axes.spines[["left"]].set_visible(False)
    axes.spines[["bottom"]].set_color(FAINT)
    return to_image(figure)


def _named(name: str, clusters: int) -> str:
    """A leaf's name; of several clusters that of the largest."""
    return shorten(name, 30) if clusters == 1 else f"{shorten(name, 20)} and {clusters - 1} more"


def _root(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Square roots; 0 below 0, where Matplotlib looks, too."""
    roots: NDArray[np.floating] = np.sqrt(np.maximum(values, 0))
    return roots
