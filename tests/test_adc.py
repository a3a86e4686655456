"""ADC against plain NumPy: walks, visits, centroids, and the loss of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from made_up import clustering_batch

from iic_tf.errors import InputError
from iic_tf.losses.adc import association, transformation_loss, visit_loss, walker_loss
from iic_tf.models.adc import ADCClusterer
from iic_tf.training.methods.adc import ADCClustering

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def clusterer(**arguments: Any) -> ADCClusterer:
    small = {"classes": 3, "channels": 1, "size": 8, "network": "B", "width": 0.06}
    return ADCClusterer(**{**small, "inputs": "bands", "embedding": 5, **arguments})


def softmax(logits: Any) -> Any:
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    return exponents / exponents.sum(-1, keepdims=True)


def walker_and_visit(a: Any, b: Any, groups: Any) -> tuple[float, float]:
    """Both losses of embeddings, row by row."""
    there, back = softmax(a @ b.T), softmax(b @ a.T)
    walker = 0.0
    for i, group in enumerate(groups):
        own = [j for j, other in enumerate(groups) if other == group]
        walker -= sum(np.log((there[i] @ back)[j]) / len(own) for j in own) / len(groups)
    visit = -np.log(there.mean(0)).mean()
    return walker, float(visit)


def test_walks_between_two_centroids_and_three_images() -> None:
    c, z = np.eye(2), np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    there, round_trips = association(tf.constant(c), tf.constant(z))
    # Rows: the softmax of (2, 0, 1) and of (0, 2, 1).
    first = [0.66524096, 0.09003057, 0.24472847]
    np.testing.assert_allclose(there, [first, [first[1], first[0], first[2]]], rtol=1e-6)
    trips = [[0.71903843, 0.28096157], [0.28096157, 0.71903843]]
    np.testing.assert_allclose(round_trips, trips, rtol=1e-6)
    groups = np.array([0, 1])
    assert float(walker_loss(round_trips, groups)) == pytest.approx(0.3298404693957713)
    assert float(visit_loss(there)) == pytest.approx(1.1184187441223623)
    assert walker_and_visit(c, z, groups) == pytest.approx((0.3298404693957713, 1.1184187441223623))
    # Even visits are the least there can be: ln 3.
    assert float(visit_loss(np.full((2, 3), 1 / 3))) == pytest.approx(np.log(3))


def test_the_transformation_term_is_of_each_pair() -> None:
    """A reduction of all cross-entropies to their mean, as in released code, gives 0.5 here."""
    z, logits = np.eye(2), np.array([[2.0, 0.0], [1.0, 0.0]])
    p = softmax(logits)
    entropies = -(p[:, None] * np.log(p)[None]).sum(-1)
    np.testing.assert_allclose(
        entropies, [[0.36533386, 0.43246461], [0.66481085, 0.58220311]], rtol=1e-6
    )
    losses = np.asarray(transformation_loss(p[:, None], p[None], z[:, None], z[None]))
    np.testing.assert_allclose(
        losses, [[0.36533386, 0.56753539], [0.33518915, 0.58220311]], rtol=1e-6
    )
    assert losses.mean() == pytest.approx(0.46256537516303053)


@pytest.mark.parametrize("transformation", [0.0, 0.3])
def test_the_loss_of_a_batch(transformation: float) -> None:
    model = clusterer(transformation=transformation, centroids=2)
    batch = clustering_batch(3, 2)
    x = np.asarray(model.linear(model.features(batch["x"])), np.float64)
    copies = batch["gx"].numpy().reshape(6, 8, 8, 1)
    y = np.asarray(model.linear(model.features(copies)), np.float64)
    c = np.asarray(model.places.at(), np.float64)
    walker, visit = walker_and_visit(c, x, [0, 0, 1, 1, 2, 2])
    walker_2, visit_2 = walker_and_visit(y, x, [0, 0, 1, 1, 2, 2])

    def heads(z: Any) -> Any:
        linear = model.heads["main"].linear
        return softmax(z @ np.asarray(linear.kernel, np.float64) + np.asarray(linear.bias))

    logit = -np.log(heads(c)[np.arange(6), [0, 0, 1, 1, 2, 2]]).mean()
    total = walker + walker_2 + 0.5 * (visit + visit_2) + 0.5 * logit
    p, q = np.repeat(heads(x), 2, 0), heads(y)
    entropy = -(p * np.log(q)).sum(1)
    total += transformation * np.abs(1 - entropy - (np.repeat(x, 2, 0) * y).sum(1)).mean()
    np.testing.assert_allclose(model.objective(batch, "", False), [3 * total, 3], rtol=1e-4)


def test_centroids_of_a_class_begin_side_by_side() -> None:
    model = clusterer(embedding=200)
    places = np.asarray(model.places.at()).reshape(3, 4, 200)
    assert np.abs(places - places.mean(1, keepdims=True)).max() < 0.02
    assert places.mean(1).std() == pytest.approx(0.3, rel=0.15)


def test_the_rate_falls_every_5000_steps() -> None:
    rate = ADCClustering().scheduled_rate(100)
    assert [float(rate(step)) for step in (0, 4999, 5000)] == pytest.approx([2e-4, 2e-4, 6.6e-5])
    assert ADCClustering(decay=1.0).scheduled_rate(100) == 2e-4
    optimizer = ADCClustering().optimizer(100)
    assert (optimizer.beta_1, optimizer.beta_2) == (0.8, 0.9)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"embedding": 0}, "embedding of at least 1"),
        ({"centroids": 0}, "centroids of at least 1"),
        ({"visit": -1.0}, "visit of at least 0"),
        ({"classes": 1}, "at least 2 clusters in a head"),
    ],
)
def test_construction_messages(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        clusterer(**wrong)
