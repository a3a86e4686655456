"""DEC against plain NumPy: assignments, targets of the whole set, and what is trained when."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import clustering_batch, same, weights
from small_images import image_pairs

from iic_tf.errors import InputError
from iic_tf.losses.dec import soft_assignment, target_distribution, target_divergence
from iic_tf.models.dec import DECClusterer
from iic_tf.models.fitting import Fit
from iic_tf.networks.fully_connected import FullyConnected
from iic_tf.training.methods.dec import DECClustering

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def clusterer(**arguments: Any) -> DECClusterer:
    small = {"classes": 3, "channels": 1, "size": 8, "network": "B", "width": 0.06}
    return DECClusterer(**{**small, "inputs": "bands", "embedding": 4, "starts": 2, **arguments})


def assigned(z: Any, centres: Any, alpha: float = 1.0) -> Any:
    """q of embeddings `[n, d]` and centres `[k, d]`, one by one."""
    z, centres = np.asarray(z, np.float64), np.asarray(centres, np.float64)
    q = np.zeros((len(z), len(centres)))
    for i, one in enumerate(z):
        for j, centre in enumerate(centres):
            q[i, j] = (1 + ((one - centre) ** 2).sum() / alpha) ** (-(alpha + 1) / 2)
    return q / q.sum(1, keepdims=True)


def targets(q: Any, f: Any) -> Any:
    p = q**2 / f
    return p / p.sum(1, keepdims=True)


# Three numbers on a line, and centres at 0 and 2.
Z, MU = np.array([[0.0], [1.0], [4.0]]), np.array([[0.0], [2.0]])
Q = [[5 / 6, 1 / 6], [1 / 2, 1 / 2], [5 / 22, 17 / 22]]
P = [[0.95843422, 0.04156578], [0.47979798, 0.52020202], [0.07389086, 0.92610914]]


def test_assignments_targets_and_divergence() -> None:
    q = np.asarray(soft_assignment((Z - MU.T) ** 2))
    np.testing.assert_allclose(q, Q, rtol=1e-6)
    np.testing.assert_allclose(q, assigned(Z, MU), rtol=1e-6)
    f = q.sum(0)
    np.testing.assert_allclose(f, [1.56060606, 1.43939394], rtol=1e-6)
    np.testing.assert_allclose(target_distribution(q, f), P, rtol=1e-6)
    divergences = np.asarray(target_divergence(np.array(P), q))
    assert divergences.sum() == pytest.approx(0.16181268795543802, rel=1e-6)


def test_the_gradient_is_the_paper_s() -> None:
    """(α + 1)/α · Σ_j (1 + d²/α)⁻¹ (p_ij − q_ij)(z_i − μ_j), p held constant (eq. 4)."""
    z = tf.Variable(Z)
    with tf.GradientTape() as tape:
        q = soft_assignment(tf.square(z - MU.T))
        loss = tf.reduce_sum(target_divergence(tf.constant(P, tf.float64), q))
    found = np.asarray(tape.gradient(loss, z))[:, 0]
    np.testing.assert_allclose(found, [0.10008071, -0.04040404, 0.05052579], atol=1e-6)
    differences = Z - MU.T
    ours = (2 / (1 + differences**2) * (np.array(P) - Q) * differences).sum(1)
    np.testing.assert_allclose(found, ours, atol=1e-7)


def test_far_off_there_are_still_assignments() -> None:
    """What is far from all centres would be 0 / 0 as powers of float32: DEC's NaN."""
    q = np.asarray(soft_assignment(np.float32([[1e38, 3e38], [0, 1e38]])))
    assert np.isfinite(q).all()
    np.testing.assert_allclose(q.sum(1), 1, rtol=1e-6)
    assert np.isfinite(target_divergence(target_distribution(q, q.sum(0)), q)).all()


def test_targets_are_of_the_whole_set_and_follow_their_images() -> None:
    """Frequencies of a batch, and targets in the order of batches, are known mistakes."""
    model, pairs = clusterer(), image_pairs()
    model.compile()
    # Far enough from one another for assignments to differ.
    model.linear.kernel.assign(30 * model.linear.kernel)
    model.before_epoch(pairs, 0)
    (views, _) = next(iter(pairs.plain_views(0)))
    z = np.asarray(model.linear(model.features(views)))
    q = assigned(z, model.heads["main"].centres)
    p = targets(q, q.sum(0))
    np.testing.assert_allclose(model.targets.values, p, atol=1e-5)
    batch = pairs[1]
    images = batch["image"].numpy()
    assert not np.array_equal(images, np.arange(4, 8))
    own = assigned(model.linear(model.features(batch["x"])), model.heads["main"].centres)
    total = (p[images] * np.log(p[images] / own)).sum()
    np.testing.assert_allclose(model.objective(batch, "clustering", False), [total, 4], atol=1e-4)
    # Of the batch's own frequencies it would be another number.
    wrong = targets(own, own.sum(0))
    assert abs((wrong * np.log(wrong / own)).sum() - total) > 1e-3


def test_centres_begin_with_k_means_and_are_trained() -> None:
    model, pairs = clusterer(), image_pairs()
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    model.before_epoch(pairs, 0)
    before = np.copy(model.heads["main"].centres)
    z = np.asarray(model.linear(model.features(next(iter(pairs.plain_views(0)))[0])))
    nearest = ((z[:, None] - before[None]) ** 2).sum(-1).argmin(1)
    for cluster in range(3):
        np.testing.assert_allclose(z[nearest == cluster].mean(0), before[cluster], atol=1e-4)
    model.fit(pairs, epochs=2, verbose=0, callbacks=[Fit(pairs)])
    assert np.abs(np.asarray(model.heads["main"].centres) - before).max() > 1e-4


def test_an_autoencoder_may_learn_first() -> None:
    model, pairs = clusterer(pretraining=1), image_pairs()
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9))
    assert [model.phase_of(e) for e in (0, 1)] == ["reconstructing", "clustering"]
    batch = pairs[0]
    z = model.linear(model.features(batch["x"]))
    for layer in model.learning["decoder"]:
        z = layer(z)
    squares = np.square(np.asarray(z) - np.asarray(batch["x"]).reshape(4, 64)).mean(1)
    found = model.objective(batch, "reconstructing", False)
    np.testing.assert_allclose(found, [squares.sum(), 4], rtol=1e-4)
    model.fit(pairs, epochs=1, verbose=0, callbacks=[Fit(pairs)])
    # Behind it the centres are those of k-means; then the decoder rests.
    assert np.any(model.heads["main"].centres)
    decoder = [np.copy(v) for v in model.parts()["decoder"]]
    linear = weights(model.linear)
    model.fit(pairs, epochs=2, initial_epoch=1, verbose=0, callbacks=[Fit(pairs)])
    assert same(decoder, [np.copy(v) for v in model.parts()["decoder"]])
    assert not same(linear, weights(model.linear))


def test_steps_before_there_are_targets_are_refused() -> None:
    model = clusterer()
    model.compile(run_eagerly=True)
    with pytest.raises(InputError, match=r"Expected targets.*Fit\(pairs\)"):
        model.fit(image_pairs(), verbose=0)


def test_the_rate_falls_behind_the_pretraining() -> None:
    recipe = DECClustering(pretraining=2, epochs=5)
    rate = recipe.optimizer(10).learning_rate
    assert callable(recipe.scheduled_rate(10))
    found = [float(recipe.scheduled_rate(10)(step)) for step in (0, 19, 20, 49)]
    assert found == pytest.approx([0.1, 0.1, 0.01, 0.01])
    assert float(rate) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"pretraining": 30}, "pretraining below the 30 epochs"),
        ({"pretraining": 1, "schedule": "cosine"}, "schedule constant with pretraining"),
        (
            {"pretraining": 1, "trunk": "keras:MobileNetV2", "fine_tune_trunk": True},
            "no pretraining with --fine-tune-trunk",
        ),
    ],
)
def test_unfit_values_are_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        DECClustering(**values)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"embedding": 0}, "embedding of at least 1"),
        ({"alpha": 0.0}, "alpha > 0"),
        ({"starts": 0}, "starts of at least 1"),
        ({"classes": 1}, "at least 2 clusters in a head"),
    ],
)
def test_construction_messages(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        clusterer(**wrong)


def test_the_paper_s_encoder() -> None:
    network = FullyConnected()
    network.build((None, 28, 28, 1))
    counts = [int(np.prod(w.shape)) for w in network.weights]
    assert counts == [784 * 500, 500, 500 * 500, 500, 500 * 2000, 2000]
    assert network(np.zeros((2, 28, 28, 1), np.float32)).shape == (2, 2000)
    model = clusterer(trunk="dense", width=0.02)
    again = DECClusterer.from_config(model.get_config())
    again.set_weights(model.get_weights())
    x = clustering_batch()["x"]
    np.testing.assert_array_equal(model(x), again(x))
