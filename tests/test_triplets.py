"""Triplets against plain NumPy: the losses, who is whose negative, and what k-means sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from made_up import clustering_batch
from small_images import image_pairs

from iic_tf.errors import InputError
from iic_tf.losses.triplets import triplet_hinge, triplet_kl
from iic_tf.models.fitting import Fit
from iic_tf.models.triplets import TripletClusterer

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def clusterer(**arguments: Any) -> TripletClusterer:
    small = {"classes": 2, "overclusters": 3, "channels": 1, "size": 8, "network": "B"}
    small |= {"width": 0.06, "inputs": "bands", "embedding": 4}
    return TripletClusterer(**{**small, **arguments})


def softmax(logits: Any) -> Any:
    exponents = np.exp(np.asarray(logits, np.float64))
    return exponents / exponents.sum(-1, keepdims=True)


def test_the_hinge_of_weighted_squared_distances() -> None:
    anchor, positive, negative = [0.0, 0.0], [1.0, 0.0], [0.0, 1.2]
    # d²: 1 and 1.2² = 1.44; 1 + 1 − 1.44.
    assert float(triplet_hinge(anchor, positive, negative, 1.0)) == pytest.approx(0.56)
    # Weights 1/2 and 2: 0.5 and 2.88; 1 + 0.5 − 2.88 is below 0.
    weighted = triplet_hinge(anchor, positive, negative, 1.0, np.float32([0.5, 2]))
    assert float(weighted) == 0


def test_the_divergences_of_softmax_outputs() -> None:
    """The form of IIC's authors: a mean over the numbers, and no lowest value."""
    anchor, positive, negative = (softmax([a, 0.0]) for a in (1.0, 0.5, -1.0))
    near = (positive * np.log(positive / anchor)).mean()
    far = (negative * np.log(negative / anchor)).mean()
    assert near == pytest.approx(0.013977518868594462)
    assert far == pytest.approx(0.2310585786300049)
    found = triplet_kl(anchor, positive, negative)
    assert float(found) == pytest.approx(-0.21708105976141043)
    never = np.array([0.0, 1.0])
    assert np.isfinite(triplet_kl(never, positive, negative))
    assert float(triplet_kl(anchor, never, never)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("form", ["hinge", "kl"])
def test_negatives_are_copies_of_the_image_before(form: str) -> None:
    model, batch = clusterer(form=form), clustering_batch(4, 2)
    # The third image is the second again, which nobody's negative must be.
    batch["image"] = tf.constant([0, 1, 1, 2])
    z = np.asarray(model.embedded(model.features(batch["x"])))
    copies = [np.asarray(model.embedded(model.features(batch["gx"][:, j]))) for j in (0, 1)]
    total = 0.0
    for i, before in ((0, 3), (1, 0), (3, 2)):
        for c in copies:
            a, p, n = z[i].astype(np.float64), c[i], c[before]
            if form == "hinge":
                total += max(0.0, 0.2 + ((a - p) ** 2).sum() - ((a - n) ** 2).sum())
            else:
                total += (p * np.log(p / a)).mean() - (n * np.log(n / a)).mean()
    sums = model.objective(batch, "", training=False)
    np.testing.assert_allclose(sums, [total, 6], rtol=1e-3)
    lengths = (z**2).sum(1) if form == "hinge" else z.sum(1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)


def test_an_image_alone_has_no_negative() -> None:
    model = clusterer()
    model.compile()
    logs = model.train_step(clustering_batch(1, 2))
    assert float(logs["loss"]) == 0


def test_k_means_sees_distances_in_their_proportions() -> None:
    model, pairs = clusterer(), image_pairs()
    model.compile()
    model.fit(pairs, epochs=2, verbose=0, callbacks=[Fit(pairs)])
    (views, _) = next(iter(pairs.plain_views(0)))
    z = np.asarray(model.embedded(model.features(views)), np.float64)
    scaled = np.asarray(model.scaled(z))
    squares = ((z[:, None] - z[None]) ** 2).sum(-1)
    np.testing.assert_allclose(
        ((scaled[:, None] - scaled[None]) ** 2).sum(-1), squares / z.var(0).sum(), atol=1e-3
    )
    centres = np.asarray(model.heads["main"].centres)
    distances = ((scaled[:, None] - centres[None]) ** 2).sum(-1)
    nearest = distances.argmin(1)
    np.testing.assert_array_equal(np.argmax(model(views), -1), nearest)
    # Of all images, and not of one vector a batch, as in IIC's release: nothing would move.
    for cluster in range(2):
        np.testing.assert_allclose(scaled[nearest == cluster].mean(0), centres[cluster], atol=1e-4)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"embedding": 1}, "at least 2 numbers; received embedding=1"),
        ({"margin": 0.0}, "a margin > 0"),
        ({"form": "contrastive"}, "one of hinge, kl; received form='contrastive'"),
        ({"starts": 0}, "at least 1 start"),
        ({"sample": 1}, "a sample of at least 2"),
        ({"channels": 0}, "at least 1 channel"),
        ({"classes": 1}, "at least 2 clusters in a head"),
    ],
)
def test_construction_messages(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        clusterer(**wrong)
