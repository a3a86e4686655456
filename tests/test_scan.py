"""SCAN against plain NumPy: contrast, neighbours, answers, and labels that are sure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import clustering_batch
from small_images import image_pairs

from iic_tf.errors import InputError
from iic_tf.losses.scan import consistency, scan_loss, self_label_loss, self_label_sums
from iic_tf.losses.simclr import contrastive_losses
from iic_tf.models.fitting import Fit
from iic_tf.models.neighbours import nearest_neighbours
from iic_tf.models.scan import ScanClusterer
from iic_tf.training.methods.scan import ScanClustering

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def clusterer(**arguments: Any) -> ScanClusterer:
    small = {"classes": 3, "channels": 1, "size": 8, "network": "B", "width": 0.06}
    small |= {"inputs": "bands", "dimension": 6, "neighbours": 3}
    stages = {"epochs_of_all": 4, "feature_epochs": 1, "self_labelling_epochs": 1}
    return ScanClusterer(**{**small, **stages, **arguments})


def softmax(logits: Any) -> Any:
    exponents = np.exp(np.asarray(logits, np.float64))
    return exponents / exponents.sum(-1, keepdims=True)


def test_consistency_and_entropy() -> None:
    p, q = np.array([[0.8, 0.2], [0.3, 0.7]]), np.array([[0.6, 0.4], [0.1, 0.9]])
    # ⟨p, q⟩ 0.48 + 0.08 and 0.03 + 0.63; the mean p is (0.55, 0.45).
    losses = np.asarray(consistency(p, q))
    np.testing.assert_allclose(losses, [-np.log(0.56), -np.log(0.66)])
    assert losses.mean() == pytest.approx(0.49766696960730394)
    sums = np.array([losses.sum(), 2, *p.sum(0)])
    assert float(scan_loss(sums, 0.0)) == pytest.approx(0.49766696960730394)
    assert float(scan_loss(sums, 5.0)) == pytest.approx(0.4976669696 - 5 * 0.6881388137135884)
    assert float(scan_loss(sums, 5.0)) == pytest.approx(-2.943027098960638)
    assert np.isfinite(consistency(np.eye(2), np.eye(2)[::-1])).all()


def test_contrast_of_two_views_is_simclr_s() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(6, 4))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    images = np.array([0, 1, 2, 0, 1, 2])
    expected = []
    for i in range(6):
        others = [a for a in range(6) if a != i]
        total = np.log(sum(np.exp(z[i] @ z[a] / 0.1) for a in others))
        expected.append(total - z[i] @ z[(i + 3) % 6] / 0.1)
    np.testing.assert_allclose(contrastive_losses(z, images, 0.1), expected, rtol=1e-6)
    # With three views of the first image: the mean over its two others.
    images = np.array([0, 1, 2, 0, 1, 0])
    total = np.log(sum(np.exp(z[0] @ z[a] / 0.1) for a in range(1, 6)))
    near = (z[0] @ z[3] + z[0] @ z[5]) / 2 / 0.1
    assert float(contrastive_losses(z, images, 0.1)[0]) == pytest.approx(total - near, rel=1e-6)


def test_neighbours_are_the_nearest_others_by_angle() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(1005, 5)) * rng.uniform(0.1, 10, (1005, 1))
    found = nearest_neighbours(z, 4)
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    for i in (0, 999, 1000, 1004):
        order = np.argsort(-(unit @ unit[i]), kind="stable")
        assert order[0] == i
        np.testing.assert_array_equal(found[i], order[1:5])
    assert nearest_neighbours(np.eye(3), 20).shape == (3, 2)


def test_sure_labels_count_alike_and_others_not_at_all() -> None:
    sure = np.array([[0.995, 0.005], [0.997, 0.003], [0.001, 0.999], [0.6, 0.4]])
    rng = np.random.default_rng(0)
    logs = np.log(softmax(rng.normal(size=(4, 2, 2))))
    first = -(logs[0, :, 0].sum() + logs[1, :, 0].sum()) / 4
    second = -logs[2, :, 1].sum() / 2
    sums = self_label_sums(tf.constant(sure), tf.constant(logs), 0.99)
    np.testing.assert_allclose(np.asarray(sums)[2:], [4, 2])
    assert float(self_label_loss(sums)) == pytest.approx((first + second) / 2)
    # Of one label alone, its mean; of none, 0 and no NaN.
    alone = self_label_sums(tf.constant(sure[:2]), tf.constant(logs[:2]), 0.99)
    assert float(self_label_loss(alone)) == pytest.approx(first)
    with tf.GradientTape() as tape:
        none = tf.constant(logs)
        tape.watch(none)
        loss = self_label_loss(self_label_sums(tf.constant(sure), none, 0.9999))
    assert float(loss) == 0
    np.testing.assert_array_equal(tape.gradient(loss, none), 0)


def test_stages_follow_one_another_and_train_their_parts() -> None:
    model, pairs = clusterer(confidence=0.1), image_pairs()
    model.compile(keras.optimizers.SGD(0.1))
    names = [model.phase_of(epoch) for epoch in range(4)]
    assert names == ["features", "clustering", "clustering", "self-labelling"]
    for epoch, moved in enumerate(("projection", "main", "main", "main")):
        before = {n: [np.copy(v) for v in part] for n, part in model.parts().items()}
        model.fit(pairs, epochs=epoch + 1, initial_epoch=epoch, verbose=0, callbacks=[Fit(pairs)])
        for name, part in model.parts().items():
            changed = any(
                np.any(a != np.asarray(v)) for a, v in zip(before[name], part, strict=True)
            )
            assert changed == (name in ("trunk", moved)), (epoch, name)


def test_the_loss_is_of_copies_and_a_neighbour_s_plain_view() -> None:
    model, pairs = clusterer(feature_epochs=0), image_pairs()
    model.compile()
    model.before_epoch(pairs, 0)
    # What is answered begins near 1/k.
    model.heads["main"].linear.kernel.assign(40 * model.heads["main"].linear.kernel)
    batch = pairs[1]
    (views, _) = next(iter(pairs.plain_views(0)))
    total, masses = 0.0, np.zeros(3)
    for i, image in enumerate(batch["image"].numpy()):
        partner = int(np.asarray(model.partners.values)[image])
        assert partner in model.found[image]
        assert partner != image
        theirs = np.rint(np.asarray(views[partner]) * 255) / 255
        q = np.asarray(model.probabilities(theirs[None].astype(np.float32))[0])[0]
        for copy in batch["gx"][i].numpy():
            p = np.asarray(model.probabilities(copy[None])[0])[0]
            total -= np.log(p @ q)
            masses += p
    sums = model.objective(batch, "clustering", training=False)
    np.testing.assert_allclose(sums, [total, 8, *masses], rtol=1e-4)


def test_neighbours_stay_where_a_training_is_resumed(tmp_path: Path) -> None:
    """They are of the features before the second stage, which a later epoch no longer has."""
    model, pairs = clusterer(epochs_of_all=6), image_pairs()
    model.compile(keras.optimizers.SGD(0.5))
    model.fit(pairs, epochs=3, verbose=0, callbacks=[Fit(pairs)])
    kept = model.beside_weights()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    again.go_on_with(kept)
    for one in (model, again):
        one.before_epoch(pairs, 3)
    np.testing.assert_array_equal(model.partners.values, again.partners.values)
    anew = nearest_neighbours(model._embeddings(pairs), 3)
    assert np.any(np.sort(anew) != np.sort(kept["neighbours"]))


def test_the_entropy_of_small_parts_is_that_of_the_whole() -> None:
    """A mean of the losses of parts would be another one: their entropies are smaller."""
    model, batch = clusterer(feature_epochs=0), clustering_batch(4, 2)
    pairs = image_pairs()
    model.compile()
    model.before_epoch(pairs, 0)
    whole = np.asarray(model.objective(batch, "clustering", False))
    halves = [
        np.asarray(model.objective({k: v[part] for k, v in batch.items()}, "clustering", False))
        for part in (slice(0, 2), slice(2, 4))
    ]
    np.testing.assert_allclose(sum(halves), whole, rtol=1e-5)
    of_all = float(model.loss_of(tf.constant(sum(halves)), "clustering"))
    assert of_all == pytest.approx(float(scan_loss(whole, 5.0)), rel=1e-5)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"feature_epochs": 30}, "that leave some of 30 epochs; received 30 and 0"),
        ({"trunk": "keras:MobileNetV2"}, "feature_epochs=0 of a trunk that learned elsewhere"),
        ({"schedule": "cosine"}, "schedule constant with feature_epochs"),
    ],
)
def test_unfit_values_are_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        ScanClustering(**values)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"feature_epochs": 3}, "leave some of 4 epochs"),
        ({"feature_epochs": -1}, "0 epochs or more of each stage"),
        ({"neighbours": 0}, "neighbours of at least 1"),
        ({"temperature": 0.0}, "a temperature > 0"),
        ({"confidence": 1.0}, "confidence from 0 to below 1"),
    ],
)
def test_construction_messages(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        clusterer(**wrong)
