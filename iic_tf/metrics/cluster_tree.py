"""Clusters merged two by two, by what this loses: any number of classes, chosen afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iic_tf.errors import InputError, expected


@dataclass(frozen=True)
class ClusterTree:
    """Which clusters were merged in which order.

    Clusters are nodes 0 to k − 1; step i merges two nodes into node k + i, as SciPy's hierarchies
    number them.

    Attributes:
        merges: int64 `[k − 1, 2]`, the two nodes of each step.
        losses: float64 `[k − 1]`, information in nats that each step loses.
        shares: float64 `[k]`, each cluster's share of everything.
    """

    merges: NDArray[np.int64]
    losses: NDArray[np.float64]
    shares: NDArray[np.float64]

    def __post_init__(self) -> None:
        steps = len(self.shares) - 1
        fits = self.merges.shape == (steps, 2) and self.losses.shape == (steps,)
        below = np.arange(steps)[:, None] + len(self.shares)
        if not fits or ((self.merges < 0) | (self.merges >= below)).any():
            raise InputError(
                f"Expected a tree of {len(self.shares)} clusters; received {len(self.merges)} "
                "merges that do not make one."
            )

    def __len__(self) -> int:
        return len(self.shares)

    def members(self, node: int) -> list[int]:
        """The clusters below a node, or a cluster itself, sorted."""
        if node < len(self):
            return [node]
        first, second = self.merges[node - len(self)]
        return sorted([*self.members(int(first)), *self.members(int(second))])

    def cut(self, groups: int) -> NDArray[np.int64]:
        """So many groups of clusters.

        Args:
            groups: 1 to k.

        Returns:
            int64 `[k]`, the group of each cluster, 0 to groups − 1 in the order of their smallest
            clusters.

        Raises:
            InputError: fewer than 1 or more than k groups.

        Examples:
            >>> tree = cluster_tree(np.diag([0.4, 0.3, 0.3]))
            >>> tree.cut(3).tolist()
            [0, 1, 2]
        """
        k = len(self)
        if not 1 <= groups <= k:
            raise expected(f"1 to {k} groups of {k} clusters", groups, "groups")
        group = np.arange(k)
        for step in range(k - groups):
            members = self.members(k + step)
            group[members] = members[0]
        numbers: NDArray[np.int64] = np.unique(group, return_inverse=True)[1].astype(np.int64)
        return numbers

    def nearest(self, classes: NDArray[np.integer], weights: NDArray[np.floating]) -> list[int]:
        """The class of every cluster: its own, or that of the nearest clusters that have one.

        Of a cluster without a class one goes up the tree to the first node below which some
        cluster has one; the class with the most weight there counts.

        Args:
            classes: `[k]`, the class of each cluster; negative: none.
            weights: `[k]`, what each cluster counts, its labelled pixels say.

        Raises:
            InputError: no cluster has a class.
        """
        if (np.asarray(classes) < 0).all():
            raise InputError("Expected a class for at least one cluster; received none.")
        found = [int(c) for c in classes]
        ways = self._ways_up()
        for cluster, own in enumerate(classes):
            if own >= 0:
                continue
            for node in ways[cluster]:
                near = [m for m in self.members(node) if classes[m] >= 0]
                if near:
                    among = sorted({int(classes[m]) for m in near})
                    sums = [sum(weights[m] for m in near if classes[m] == c) for c in among]
                    found[cluster] = among[int(np.argmax(sums))]
                    break
        return found

    def _ways_up(self) -> list[list[int]]:
        """Of each cluster the nodes above it, from the nearest to the root."""
        k = len(self)
        ways: list[list[int]] = [[] for _ in range(k)]
        for step in range(k - 1):
            for member in self.members(k + step):
                ways[member].append(k + step)
        return ways


def cluster_tree(joint: NDArray[np.floating]) -> ClusterTree:
    """Merge clusters two by two so that each step loses the least of what they tell of neighbours.

    Noam Slonim, Naftali Tishby: Agglomerative Information Bottleneck, 1999. With p(c, c') the joint
    of a pixel's cluster and its neighbour's, merging clusters i and j into one loses

        δI = (p_i + p_j) · JS(p(c'|i), p(c'|j)),  weights p_i / (p_i + p_j) and p_j / (p_i + p_j)

    of I(c; c'), the Jensen-Shannon divergence in nats. Neighbours keep their own clusters
    throughout.

    Args:
        joint: `[k, k]`, not negative, of any sum; it is symmetrised and divided by its sum.

    Raises:
        InputError: another shape, negative or non-finite values, or nothing but zeros.

    Examples:
        >>> joint = np.array([[4.0, 4, 1], [4, 4, 1], [1, 1, 9]])
        >>> cluster_tree(joint).merges.tolist()
        [[0, 1], [2, 3]]
    """
    p = np.asarray(joint, np.float64)
    if p.ndim != 2 or p.shape[0] != p.shape[1] or p.shape[0] < 2:
        raise expected("a joint [k, k] of at least 2 clusters", p.shape, "joint.shape")
    if not np.isfinite(p).all() or (p < 0).any() or p.sum() <= 0:
        raise InputError("Expected a joint of finite values from 0 on, not all 0; received others.")
    p = (p + p.T) / (2 * p.sum())
    k = len(p)
    rows = np.zeros((2 * k - 1, k))
    rows[:k] = p
    alive = list(range(k))
    costs = np.full((2 * k - 1, 2 * k - 1), np.inf)
    for node in range(1, k):
        costs[node, :node] = _losses(rows[node], rows[:node])
    merges, losses = np.empty((k - 1, 2), np.int64), np.empty(k - 1)
    for step in range(k - 1):
        among = costs[np.ix_(alive, alive)]
        i, j = np.unravel_index(int(among.argmin()), among.shape)
        first, second = sorted((alive[i], alive[j]))
        merges[step], losses[step] = (first, second), among[i, j]
        new = k + step
        rows[new] = rows[first] + rows[second]
        alive = [node for node in alive if node not in (first, second)]
        costs[new, alive] = _losses(rows[new], rows[alive])
        alive.append(new)
    return ClusterTree(merges, np.maximum(losses, 0.0), p.sum(1))


def _losses(one: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """δI of merging a row `[k]` of the joint with each of others `[n, k]`."""
    together = one + others
    return _plogp(one) + _plogp(others) - _plogp(together)


def _plogp(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Σ p ln(p / p_row) over each row: −H(c', c = row), but for the row's own weight."""
    total = rows.sum(-1)
    logs = np.log(rows, out=np.zeros_like(rows), where=rows > 0)
    own = np.log(total, out=np.zeros_like(total), where=total > 0)
    found: NDArray[np.float64] = (rows * logs).sum(-1) - total * own
    return found
