"""The tree of clusters as SVG."""

from __future__ import annotations

import numpy as np

from iic_tf.export.report.charts import colour
from iic_tf.export.report.markup import Html, tag
from iic_tf.metrics.cluster_tree import ClusterTree

MOST = 64
"""Clusters, or groups of those that are merged first, that are drawn."""

_LINE, _WIDTH, _WORDS = 20, 640, 250


def tree_chart(tree: ClusterTree, names: list[str]) -> Html:
    """Which clusters are alike: those joined far to the left are nearly the same.

    Args:
        tree: of k clusters.
        names: k of them.
    """
    k = len(tree)
    leaves = min(k, MOST)
    lost = np.sqrt(np.maximum(np.cumsum(tree.losses), 0.0))
    scale = (_WIDTH - _WORDS - 20) / max(float(lost[-1]), 1e-12)
    roots = _nodes(tree, k - leaves)
    order: list[int] = []
    _walk(tree, 2 * k - 2, roots, order)
    places = {node: (i + 0.5) * _LINE + 8 for i, node in enumerate(order)}
    ends = dict.fromkeys(order, float(_WORDS))
    parts: list[Html] = []
    for node in order:
        members = tree.members(node)
        largest = max(members, key=lambda c: float(tree.shares[c]))
        more = f" and {len(members) - 1} more" if len(members) > 1 else ""
        name = names[largest]
        name = (name if len(name) <= 24 else f"{name[:23]}…") + more
        share = f"{100 * float(tree.shares[members].sum()):.1f} %"
        y = places[node]
        parts.append(tag("text", f"{name}  {share}", x=_WORDS - 24, y=y + 4, text_anchor="end"))
        parts.append(tag("rect", x=_WORDS - 18, y=y - 6, width=12, height=12, fill=colour(largest)))
    for step in range(k - leaves, k - 1):
        a, b = (int(n) for n in tree.merges[step])
        x = _WORDS + float(lost[step]) * scale
        ya, yb = places.pop(a), places.pop(b)
        xa, xb = ends.pop(a), ends.pop(b)
        path = f"M{xa:.1f} {ya:.1f}H{x:.1f}V{yb:.1f}H{xb:.1f}"
        parts.append(tag("path", d=path, class_="branch"))
        places[k + step], ends[k + step] = (ya + yb) / 2, x
    height = leaves * _LINE + 16
    title = f"Tree of {k} clusters: the further to the right two meet, the less they are alike"
    return tag(
        "svg", tag("title", title), *parts,
        viewBox=f"0 0 {_WIDTH} {height}", role="img", aria_label=title, class_="chart tree",
    )  # fmt: skip


def _nodes(tree: ClusterTree, steps: int) -> set[int]:
    """Those that are left once so many steps are done."""
    nodes = set(range(len(tree)))
    for step in range(steps):
        nodes -= {int(n) for n in tree.merges[step]}
        nodes.add(len(tree) + step)
    return nodes


def _walk(tree: ClusterTree, node: int, leaves: set[int], order: list[int]) -> None:
    """Leaves in an order in which no branches cross; not recursive: trees may be deep."""
    stack = [node]
    while stack:
        node = stack.pop()
        if node in leaves:
            order.append(node)
            continue
        a, b = tree.merges[node - len(tree)]
        stack += [int(b), int(a)]
