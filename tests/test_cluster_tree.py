"""The tree of clusters, against the plain formula and worked cases."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from iic_tf.errors import InputError
from iic_tf.metrics.cluster_tree import ClusterTree, cluster_tree


def information(joint: NDArray[np.float64]) -> float:
    total = 0.0
    for i, j in itertools.product(*map(range, joint.shape)):
        if joint[i, j] > 0:
            total += joint[i, j] * np.log(joint[i, j] / joint[i].sum() / joint[:, j].sum())
    return total


def greedy(joint: NDArray[np.float64]) -> tuple[list[tuple[int, int]], list[float]]:
    """Every pair tried in every step, by the information itself."""
    joint = (joint + joint.T) / 2 / joint.sum()
    rows = {i: row for i, row in enumerate(joint)}
    merges, losses = [], []
    for step in range(len(joint) - 1):
        before = information(np.stack(list(rows.values())))
        best = None
        for i, j in itertools.combinations(sorted(rows), 2):
            kept = [row for node, row in rows.items() if node not in (i, j)]
            loss = before - information(np.stack([*kept, rows[i] + rows[j]]))
            if best is None or loss < best[0]:
                best = (loss, i, j)
        assert best is not None
        loss, i, j = best
        rows[len(joint) + step] = rows.pop(i) + rows.pop(j)
        merges.append((i, j))
        losses.append(loss)
    return merges, losses


@pytest.mark.parametrize("seed", range(4))
def test_equals_trying_every_pair(seed: int) -> None:
    joint = np.random.default_rng(seed).uniform(size=(7, 7)) ** 3
    tree = cluster_tree(joint)
    merges, losses = greedy(joint)
    assert tree.merges.tolist() == [list(m) for m in merges]
    np.testing.assert_allclose(tree.losses, losses, atol=1e-12)
    even = (joint + joint.T) / 2 / joint.sum()
    # All in one group: nothing is left to tell.
    np.testing.assert_allclose(tree.losses.sum(), information(even), atol=1e-12)
    np.testing.assert_allclose(tree.shares, even.sum(1))


def test_clusters_with_the_same_neighbours_are_merged_for_nothing() -> None:
    joint = np.array([[4.0, 4, 1], [4, 4, 1], [1, 1, 9]])
    tree = cluster_tree(joint)
    assert tree.merges.tolist() == [[0, 1], [2, 3]]
    assert tree.losses[0] == pytest.approx(0, abs=1e-15)
    assert tree.losses[1] > 0.1


def test_empty_clusters_cost_nothing() -> None:
    joint = np.zeros((4, 4))
    joint[0, 0], joint[2, 2] = 0.5, 0.5
    tree = cluster_tree(joint)
    assert np.isfinite(tree.losses).all()
    assert tree.losses[-1] == pytest.approx(np.log(2))
    assert tree.cut(2)[0] != tree.cut(2)[2]


def worked() -> ClusterTree:
    # ((0, 3), (1, 2)), 4 last.
    merges = np.array([[0, 3], [1, 2], [5, 6], [4, 7]])
    return ClusterTree(merges, np.arange(1.0, 5), np.full(5, 0.2))


def test_cut_numbers_groups_by_their_smallest_cluster() -> None:
    tree = worked()
    assert tree.cut(5).tolist() == [0, 1, 2, 3, 4]
    assert tree.cut(4).tolist() == [0, 1, 2, 0, 3]
    assert tree.cut(3).tolist() == [0, 1, 1, 0, 2]
    assert tree.cut(2).tolist() == [0, 0, 0, 0, 1]
    assert tree.cut(1).tolist() == [0] * 5


def test_clusters_without_a_class_take_that_of_the_nearest() -> None:
    tree = worked()
    weights = np.array([1.0, 5, 2, 0, 0])
    assert tree.nearest(np.array([0, 1, -1, -1, -1]), weights) == [0, 1, 1, 0, 1]
    assert tree.nearest(np.array([2, 1, 1, -1, -1]), np.array([9.0, 5, 3, 0, 0])) == [2, 1, 1, 2, 2]
    with pytest.raises(InputError, match="at least one cluster"):
        tree.nearest(np.full(5, -1), weights)


@pytest.mark.parametrize(
    "joint",
    [np.ones((2, 3)), np.ones((1, 1)), np.zeros((3, 3)), -np.eye(3), np.full((2, 2), np.nan)],
)
def test_refuses_what_is_no_joint(joint: NDArray[np.float64]) -> None:
    with pytest.raises(InputError, match="Expected a joint"):
        cluster_tree(joint)


def test_refuses_groups_beyond_the_clusters() -> None:
    for groups in (0, 6):
        with pytest.raises(InputError, match="1 to 5 groups"):
            worked().cut(groups)
    with pytest.raises(InputError, match="a tree of 5"):
        ClusterTree(worked().merges[:3], worked().losses, worked().shares)
