"""DAC against plain NumPy: similarities, thresholds, and which pairs count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from made_up import clustering_batch

from iic_tf.errors import InputError
from iic_tf.losses.dac import label_features, pair_losses, thresholds
from iic_tf.models.dac import DACClusterer

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")

LOGITS = np.array([[4, 0, 0], [3, 0.5, 0], [0, 3, 0], [1, 1.2, 0]])
P = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)


def clusterer(**arguments: Any) -> DACClusterer:
    small = {"classes": 3, "channels": 1, "size": 8, "network": "B", "width": 0.06}
    return DACClusterer(**{**small, "inputs": "bands", **arguments})


def pairs_one_by_one(p: Any, u: float, l: float) -> tuple[float, list[Any], list[Any]]:  # noqa: E741
    """The sum of losses, the pairs alike and the pairs unlike, of probabilities `[n, k]`."""
    total, alike, unlike = 0.0, [], []
    for i in range(len(p)):
        for j in range(i + 1, len(p)):
            g = p[i] @ p[j] / np.linalg.norm(p[i]) / np.linalg.norm(p[j])
            if g > u:
                alike.append((i, j))
                total -= np.log(min(g, 1 - 1e-7))
            elif g < l:
                unlike.append((i, j))
                total -= np.log(1 - g)
    return total, alike, unlike


@pytest.mark.parametrize(
    ("lamb", "similar", "mean"),
    [(0.0, [(0, 1)], 0.07233277101492253), (0.2, [(0, 1), (2, 3)], 0.11204096507087523)],
)
def test_pairs_that_are_plain_count(lamb: float, similar: Any, mean: float) -> None:
    """At λ = 0.2 a pair of similarity 0.7936 has become alike: above 0.75."""
    u, l = 0.95 - lamb, 0.455 + 0.1 * lamb  # noqa: E741
    total, alike, unlike = pairs_one_by_one(P, u, l)
    assert (alike, unlike) == (similar, [(0, 2), (1, 2)])
    assert total / len(alike + unlike) == pytest.approx(mean, rel=1e-6)
    features = np.asarray(label_features(tf.constant(P)))
    assert features[2] @ features[3] == pytest.approx(0.79360808, rel=1e-6)
    losses, counted = (np.asarray(one) for one in pair_losses(features, u, l))
    assert losses.sum() / counted.sum() == pytest.approx(mean, rel=1e-6)
    # No image beside itself, no pair twice.
    assert {tuple(pair) for pair in np.argwhere(counted)} == {*alike, *unlike}


def test_thresholds_meet_behind_46_epochs() -> None:
    for epoch in (0, 10, 45):
        u, l = (float(v) for v in thresholds(epoch))  # noqa: E741
        assert (u, l) == pytest.approx((0.95 - 0.0099 * epoch, 0.455 + 0.00099 * epoch), abs=1e-6)
        assert u > l
    assert [float(v) for v in thresholds(46)] == pytest.approx([0.5, 0.5])
    assert [float(v) for v in thresholds(900)] == pytest.approx([0.5, 0.5])


def test_equal_images_give_no_infinities() -> None:
    same = np.float32([[1, 0], [1, 0], [0, 1]])
    with tf.GradientTape() as tape:
        p = tf.Variable(same)
        losses, counted = pair_losses(label_features(p), 0.5, 0.5)
        total = tf.reduce_sum(losses)
    assert np.isfinite(total)
    assert np.isfinite(tape.gradient(total, p)).all()
    assert np.sum(counted) == 3


def test_the_loss_of_a_batch_is_of_all_its_copies() -> None:
    model, batch = clusterer(eta=0.02), clustering_batch(3, 2, epoch=5)
    copies = np.asarray(batch["gx"]).reshape(6, 8, 8, 1)
    p = np.asarray(model.heads["main"](model.features(copies))[0], np.float64)
    lamb = 1.1 * 0.02 * 5
    total, alike, unlike = pairs_one_by_one(p, 0.95 - lamb, 0.455 + 0.1 * lamb)
    found = model.objective(batch, "", training=False)
    np.testing.assert_allclose(found, [total, len(alike + unlike)], rtol=1e-3, atol=1e-6)


def test_a_batch_begins_with_pairs_of_both_kinds() -> None:
    """Probabilities all near 1/k would make every pair alike, and one cluster of everything."""
    model = clusterer(classes=10)
    x = clustering_batch(64, 1)["x"]
    (p,) = model.heads["main"](model.features(x, training=True), training=True)
    features = label_features(p)
    _, counted = pair_losses(features, 0.95, 0.455)
    similarity = np.asarray(features) @ np.asarray(features).T
    plain = np.asarray(counted) > 0
    assert 0.01 < plain[similarity > 0.95].sum() / 2016 < 0.5
    assert (plain & (similarity < 0.455)).any()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"eta": 0.0}, "eta > 0"), ({"classes": 1}, "at least 2 clusters in a head")],
)
def test_construction_messages(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        clusterer(**wrong)
