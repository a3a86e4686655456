"""The objectives as Keras losses: equal to the functions, trained with and saved by Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from iic_tf.errors import InputError
from iic_tf.losses import (
    IICClusteringLoss,
    IICSegmentationLoss,
    iic_clustering_loss,
    iic_segmentation_loss,
)


def probabilities(*shape: int) -> Any:
    values = np.random.default_rng(sum(shape)).random(shape).astype(np.float32)
    return values / values.sum(-1, keepdims=True)


def test_they_are_the_functions() -> None:
    p, q = probabilities(6, 3), probabilities(6, 3)[::-1].copy()
    for lamb in (1.0, 1.5):
        own = float(IICClusteringLoss(lamb)(p, q))
        assert own == pytest.approx(float(iic_clustering_loss(p, q, lamb)), abs=1e-7)
    p, q = probabilities(2, 6, 5, 3), probabilities(2, 5, 6, 3).transpose(0, 2, 1, 3).copy()
    for options in ({"radius": 2}, {"radius": 1, "lamb": 1.5, "collapsed": True}):
        own = float(IICSegmentationLoss(**options)(p, q))
        assert own == pytest.approx(float(iic_segmentation_loss(p, q, **options)), abs=1e-7)
    # No mean over images: twice the batch is the same information.
    double = float(IICClusteringLoss()(np.tile(p[0, 0], (2, 1)), np.tile(q[0, 0], (2, 1))))
    assert double == pytest.approx(float(iic_clustering_loss(p[0, 0], q[0, 0])), abs=1e-6)


@pytest.mark.usefixtures("_same_weights_each_time")
def test_a_model_learns_under_fit_and_is_saved_with_them(tmp_path: Path) -> None:
    """Two kinds of vectors; the other view's probabilities come as y."""
    rng = np.random.default_rng(0)
    x = (np.repeat([[0.0, 1.0], [1.0, 0.0]], 32, 0) + rng.normal(0, 0.1, (64, 2))).astype("f4")
    kinds = np.repeat(np.eye(2, dtype="f4"), 32, 0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.1), IICClusteringLoss(lamb=1.0))
    losses = model.fit(x, kinds, batch_size=64, epochs=30, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * -np.log(2) < losses[0]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again.loss, IICClusteringLoss)
    assert again.evaluate(x, kinds, batch_size=64, verbose=0) == pytest.approx(losses[-1], abs=0.02)


def test_their_values_are_kept_and_wrong_ones_refused() -> None:
    loss = IICSegmentationLoss(radius=3, lamb=1.5, collapsed=True)
    again = IICSegmentationLoss.from_config(loss.get_config())
    assert (again.radius, again.lamb, again.collapsed) == (3, 1.5, True)
    with pytest.raises(InputError, match="lamb"):
        IICClusteringLoss(-1.0)
    with pytest.raises(InputError, match=r"\[batch, clusters\]"):
        IICClusteringLoss()(np.ones((2, 2, 2), "f4"), np.ones((2, 2, 2), "f4"))
