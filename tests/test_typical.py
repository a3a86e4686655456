"""Typical places and suggestions, on views made by hand."""

from __future__ import annotations

import numpy as np

from iic_tf.training.survey import NOTHING, View, shares_of
from iic_tf.training.typical import crop_of, suggest, typical_spots


def view(name: str, sure: float, top: int = 0) -> View:
    labels = np.zeros((40, 60), np.uint8)
    labels[:, 30:] = 1
    labels[:4] = NOTHING
    confidence = np.full((40, 60), sure, np.float32)
    confidence[18:27, 41:50] = 1.0
    return View(name, top, 100, 2, np.zeros((40, 60, 3), np.uint8), labels, confidence)


def test_the_surest_place_of_each_view_comes_first() -> None:
    views = [view("a", 0.5), view("b", 0.8, top=10)]
    spots = typical_spots(views, 1, 5)
    assert [(s.view, s.row, s.column) for s in spots] == [(1, 22, 45), (0, 22, 45)]
    assert 0.5 < spots[0].score < 1.0
    assert typical_spots(views, 0, 1)[0].view == 1
    assert typical_spots(views, 7, 5) == []
    assert views[1].place(22, 45) == (10 + 44 + 1, 100 + 90 + 1)
    np.testing.assert_allclose(shares_of(views, 3), [0.5, 0.5, 0])


def test_large_and_undecided_clusters_are_suggested() -> None:
    views = [view("a", 0.5), view("b", 0.8)]
    found = suggest(views, np.array([0.2, 0.8]), 3)
    assert [(s.cluster, s.image) for s in found] == [(1, "b"), (1, "a"), (0, "b")]
    assert "without a label" in found[0].reason
    # Cluster 1 is decided by many images; of cluster 0 they disagree.
    votes = np.array([[2, 0], [2, 90]])
    found = suggest(views, np.array([0.4, 0.6]), 1, votes)
    assert found[0].cluster == 0
    assert "disagree" in found[0].reason
    # There are no more places than views.
    assert len(suggest(views, np.array([0.4, 0.6]), 100)) == 4


def test_a_crop_beyond_the_view_is_of_no_data() -> None:
    one = view("a", 0.5)
    spot = typical_spots([one], 0, 1)[0]
    rgb, labels = crop_of(one, type(spot)(0, 5, 3, 1.0), 16)
    assert labels.shape == (16, 16)
    assert (labels[:, :5] == NOTHING).all()
    assert (rgb[:, :5] == 255).all()
    assert (labels[8, 8:] == 0).all()
