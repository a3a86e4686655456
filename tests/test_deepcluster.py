"""DeepCluster: its formulas against plain NumPy, and what is fitted when."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import noise, noise_pairs, two_textures
from small_images import image_pairs

from iic_tf.data.array_scene import from_arrays
from iic_tf.errors import InputError
from iic_tf.losses.deepcluster import balanced_weights
from iic_tf.models.centroids import Centroids, Whitening
from iic_tf.models.deepcluster import DeepClusterClusterer, DeepClusterSegmenter
from iic_tf.models.fitting import Fit
from iic_tf.views.geometry import Geometry
from iic_tf.views.pairs import Pairs
from iic_tf.views.photometry import Photometry

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def segmenter(**arguments: Any) -> DeepClusterSegmenter:
    small = {"classes": 2, "overclusters": 5, "channels": 3, "width": 0.05, "components": 8}
    return DeepClusterSegmenter(**{**small, **arguments})


def clusterer(**arguments: Any) -> DeepClusterClusterer:
    small = {"classes": 2, "overclusters": 5, "channels": 1, "size": 8, "network": "B"}
    return DeepClusterClusterer(**{**small, "width": 0.06, "inputs": "bands", **arguments})


def cross_entropies(logits: Any, labels: Any) -> Any:
    """−log softmax of the label's logit, of rows one by one."""
    found = []
    for row, label in zip(np.asarray(logits, np.float64), labels, strict=True):
        found.append(np.log(np.exp(row - row.max()).sum()) + row.max() - row[label])
    return np.asarray(found)


# --- whitening


@pytest.mark.parametrize(
    ("points", "gram"),
    [
        (
            [(3, 1), (-3, -1), (1, -1), (-1, 1)],
            [(1, -1, 0, 0), (-1, 1, 0, 0), (0, 0, 1, -1), (0, 0, -1, 1)],
        ),
        (
            [(2, 0), (0, 1), (1, 1), (-3, -2)],
            [
                (1, -0.76376262, -0.16666667, -0.32025631),
                (-0.76376262, 1, 0.76376262, -0.36689969),
                (-0.16666667, 0.76376262, 1, -0.88070485),
                (-0.32025631, -0.36689969, -0.88070485, 1),
            ],
        ),
    ],
)
def test_whitened_rows_have_these_products(points: Any, gram: Any) -> None:
    layer = Whitening(2)
    layer.build((None, 2))
    rows = layer.fit(np.asarray(points, np.float64))
    np.testing.assert_allclose(rows @ rows.T, gram, atol=1e-6)
    np.testing.assert_array_equal(layer(np.asarray(points, np.float32)), rows)


def test_whitening_equals_the_covariance_s_inverse() -> None:
    """Of all components, the products are those under the Mahalanobis metric."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4)) + 3
    layer = Whitening(4)
    layer.build((None, 4))
    rows = layer.fit(x)
    centred = x - x.mean(0)
    products = centred @ np.linalg.inv(np.cov(x.T)) @ centred.T
    lengths = np.sqrt(np.diag(products))
    np.testing.assert_allclose(rows @ rows.T, products / np.outer(lengths, lengths), atol=1e-5)


def test_directions_of_no_variance_and_rows_without_length_are_no_trouble() -> None:
    x = np.zeros((6, 3))
    x[:, 0] = [1, -1, 2, -2, 0, 0]
    layer = Whitening(3)
    layer.build((None, 3))
    rows = layer.fit(x)
    assert np.isfinite(rows).all()
    np.testing.assert_allclose(np.abs(rows[:, 0]), [1, 1, 1, 1, 0, 0], atol=1e-6)
    np.testing.assert_array_equal(rows[:, 1:], 0)
    assert np.isfinite(layer.fit(np.ones((4, 3)))).all()


# --- centres


def test_the_likeliest_cluster_is_the_one_of_the_nearest_centre() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(40, 3)).astype(np.float32)
    head = Centroids(4)
    head.build((None, 3))
    head.fit(points, seed=0)
    (p,) = head(points.reshape(5, 8, 3))
    distances = ((points[:, None] - np.asarray(head.centres)[None]) ** 2).sum(-1)
    np.testing.assert_allclose(head.distances(points), distances, atol=1e-5)
    np.testing.assert_array_equal(np.argmax(p, -1).ravel(), distances.argmin(1))
    expected = np.exp(-distances / 0.1) / np.exp(-distances / 0.1).sum(1, keepdims=True)
    np.testing.assert_allclose(np.reshape(p, (40, 4)), expected, atol=1e-4)


def test_four_distinct_points_make_four_of_ten_clusters() -> None:
    points = np.repeat(np.eye(4, dtype=np.float32), 5, axis=0)
    head = Centroids(10)
    head.build((None, 4))
    head.fit(points, seed=0)
    (p,) = head(points)
    assert len(set(np.argmax(p, -1).tolist())) == 4
    assert np.isfinite(p).all()


# --- the loss


def test_clusters_of_unequal_size_count_alike() -> None:
    # As likely as under the authors' sampling, 1/16 and 1/4 of all draws each, times 10 images.
    np.testing.assert_allclose(balanced_weights(np.array([8, 2, 0])), [0.625, 2.5, 0])
    counts = np.array([7, 1, 0, 4])
    assert (balanced_weights(counts) * counts).sum() == pytest.approx(counts.sum())


def test_the_loss_of_images_is_the_weighted_cross_entropy() -> None:
    model, pairs = clusterer(), image_pairs()
    model.compile()
    model.before_epoch(pairs, 0)
    batch = pairs[0]
    labels = np.asarray(model.targets.values)[batch["image"].numpy()]
    weights = balanced_weights(np.bincount(np.asarray(model.targets.values), minlength=5))
    total = 0.0
    for j in range(2):
        logits = model.classifier(model.features(batch["gx"][:, j]))
        total += (weights[labels] * cross_entropies(logits, labels)).sum()
    sums = model.sums(batch, ("classifier",), training=False)["classifier"]
    np.testing.assert_allclose(sums, [total, 8], rtol=1e-5)
    assert float(model.loss_of(sums, "classifier")) == pytest.approx(total / 8, rel=1e-5)


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize(
    "geometry",
    [Geometry(flip=0.5), Geometry(flip=0.5, quarter_turns=True), Geometry(rotation=20)],
    ids=["flips", "quarter turns", "rotation"],
)
def test_the_loss_of_pixels_goes_back_to_where_they_were(geometry: Any, masks: bool) -> None:
    """Cells of gx answer for the cells of x that they show; those g left the crop for do not."""
    model = segmenter()
    pairs = noise_pairs(batch=6, masks=masks, geometry=geometry, steps=2)
    model.compile()
    model.before_epoch(pairs, 0)
    batch = {name: value.numpy() for name, value in pairs[1].items()}
    labels = np.asarray(model.targets.values)[batch["number"]]
    valid = np.ones((6, 4, 4))
    if masks:
        valid = batch["valid"].reshape(6, 4, 2, 4, 2).mean((2, 4))
    weight = np.asarray(model.balance.values)
    logits = np.asarray(model.classifier(model.features(batch["gx"])))
    total, count = 0.0, 0
    for n in range(6):
        matrix = batch["affine" if geometry.affine else "flip"][n].astype(np.float64)
        for y in range(4):
            for x in range(4):
                # Where in gx this cell of x is seen: the inverse of g about the centre.
                at = np.linalg.inv(matrix) @ [x - 1.5, y - 1.5] + 1.5
                left, top = np.floor(at + 1e-9).astype(int)
                row, inside = np.zeros(5), 0.0
                for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
                    if 0 <= top + j <= 3 and 0 <= left + i <= 3:
                        part = (1 - abs(at[0] - left - i)) * (1 - abs(at[1] - top - j))
                        row += logits[n, top + j, left + i] * part
                        inside += part
                if inside <= 0.99 or valid[n, y, x] <= 0.5:
                    continue
                label = labels[n, y, x]
                total += weight[label] * cross_entropies(row[None], [label])[0]
                count += 1
    sums = model.sums(pairs[1], ("classifier",), training=False)["classifier"].numpy()
    assert sums[1] == count > 0
    np.testing.assert_allclose(sums[0], total, rtol=2e-4)


def test_monitors_are_distances_to_the_nearest_centre() -> None:
    model, pairs = clusterer(), image_pairs()
    model.compile()
    model.after_epoch(pairs, 0)
    model.evaluate(pairs, verbose=0)
    z = np.concatenate(
        [model.whitening(model.features(b["x"])) for b in (pairs[i] for i in range(3))]
    )
    for name, monitor in model.monitors().items():
        centres = np.asarray(model.heads[name].centres)
        distances = ((z[:, None] - centres[None]) ** 2).sum(-1)
        assert monitor.losses == [pytest.approx(distances.min(1).mean(), rel=1e-4)]
        shares = np.bincount(distances.argmin(1), minlength=len(centres)) / len(z)
        np.testing.assert_allclose(monitor.shares[0], shares, atol=1e-6)
        assert monitor.bound == 0


# --- what is fitted when


def test_an_epoch_begins_with_the_nearest_centres_and_a_fresh_classifier() -> None:
    model, pairs = clusterer(), image_pairs()
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    model.fit(pairs, epochs=2, verbose=0, callbacks=[Fit(pairs)])
    optimizer = model.other_optimizers["classifier"]
    assert int(optimizer.iterations) == 3  # of the second epoch alone
    assert int(model.optimizer.iterations) == 6
    centres = np.asarray(model.heads["overclustering"].centres)
    model.before_epoch(pairs, 2)
    (views, _) = next(iter(pairs.plain_views(2)))
    z = np.asarray(model.whitening(model.features(views)))
    nearest = ((z[:, None] - centres[None]) ** 2).sum(-1).argmin(1)
    np.testing.assert_array_equal(model.targets.values, nearest)
    assert all(not np.any(np.asarray(v)) for v in optimizer.variables)
    kernel = np.asarray(model.classifier.kernel)
    assert kernel.std() == pytest.approx(0.01, rel=0.2)
    # The same again, whatever was before: from seed and epoch.
    model.classifier.kernel.assign(np.zeros_like(kernel))
    model.before_epoch(pairs, 2)
    np.testing.assert_array_equal(model.classifier.kernel, kernel)


def test_without_pseudo_labels_training_says_what_is_missing() -> None:
    model, pairs = clusterer(), image_pairs()
    model.compile(run_eagerly=True)
    with pytest.raises(InputError, match=r"callbacks=\[iic_tf.models.fitting.Fit\(pairs\)\]"):
        model.fit(pairs, verbose=0)


def test_pixels_of_no_class_alone_are_refused() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)]
    labels = [np.full((16, 16), -1)]
    labels[0][0, 0] = 0
    pairs = Pairs(from_arrays(images, labels), crop=8, batch=2, masks=True)
    model = segmenter()
    model.compile()
    with pytest.raises(InputError, match=r"2 cells of valid pixels .* received 0"):
        model.fit(pairs, verbose=0, callbacks=[Fit(pairs)])


@pytest.mark.parametrize("_precision", ["mixed_float16", "mixed_bfloat16"], indirect=True)
@pytest.mark.usefixtures("_precision")
def test_steps_in_mixed_precision_are_finite() -> None:
    model, pairs = segmenter(), noise_pairs(masks=True, steps=2)
    model.compile(keras.optimizers.SGD(0.05))
    before = model.get_weights()
    history = model.fit(pairs, epochs=2, verbose=0, callbacks=[Fit(pairs)])
    assert np.isfinite(history.history["loss"]).all()
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    assert model.predict(np.zeros((1, 8, 9, 3), np.float32), verbose=0).dtype == np.float32


@pytest.mark.parametrize("seed", [0, 1])
def test_the_features_learn_to_tell_their_own_clusters(seed: int) -> None:
    """Each epoch's classifier begins anew, but finds more of its labels in the features."""
    keras.utils.set_random_seed(seed)
    still = Photometry(0.1, 0.1, 0.1, 0)
    pairs = Pairs(two_textures(), crop=12, batch=8, steps=12, seed=seed, photometry=still)
    model = segmenter(overclusters=8, width=0.1)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9))
    losses = model.fit(pairs, epochs=4, verbose=0, callbacks=[Fit(pairs)]).history["loss"]
    assert losses[0] < np.log(8)
    # Six seeds: from 1.84 to 1.88 in the first epoch to 1.02 to 1.19 in the last.
    assert losses[-1] < losses[0] - 0.4


@pytest.mark.parametrize(
    ("make", "wrong", "message"),
    [
        (clusterer, {"classes": 1}, "at least 2 clusters in a head; received clusters=1"),
        (clusterer, {"network": "Z"}, "one of A, B; received network='Z'"),
        (clusterer, {"channels": 0}, "at least 1 channel"),
        (segmenter, {"components": 0}, "at least 1 component"),
        (segmenter, {"sample": 1}, "a sample of at least 2 features"),
        (segmenter, {"inputs": "hsv"}, "received inputs='hsv'"),
    ],
)
def test_construction_messages(make: Any, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**wrong)


def test_images_of_other_channels_are_refused() -> None:
    with pytest.raises(InputError, match="of 3 channels; received channels=4"):
        segmenter()(noise(1, 8, 8, 4))
    with pytest.raises(InputError, match="of 8×8 pixels"):
        clusterer()(tf.zeros((1, 9, 9, 1)))
