"""Prototypes: Sinkhorn's assignments and swapped prediction against plain NumPy; what is merged."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import noise_pairs, two_textures

from iic_tf.errors import InputError
from iic_tf.losses.prototypes import sinkhorn, swapped_losses
from iic_tf.models.fitting import Fit
from iic_tf.models.prototypes import HELD, PROTOTYPES, SWAPPED, PrototypeSegmenter
from iic_tf.views.geometry import Geometry, undo
from iic_tf.views.pairs import Pairs
from iic_tf.views.photometry import Photometry

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")

SCORES = np.array([[0.9, 0.1], [0.8, 0.3], [0.2, 0.1]])


def plain_sinkhorn(scores: Any, epsilon: float, iterations: int) -> Any:
    """As the paper's listing: masses 1/k of each prototype, 1/n of each row."""
    q = np.exp(np.asarray(scores, np.float64) / epsilon)
    q /= q.sum()
    n, k = q.shape
    for _ in range(iterations):
        q /= q.sum(0) * k
        q /= q.sum(1, keepdims=True) * n
    return q * n


def plain_losses(scores: Any, q: Any, temperature: float) -> Any:
    logits = np.asarray(scores, np.float64) / temperature
    logits -= logits.max(1, keepdims=True)
    return -(q * (logits - np.log(np.exp(logits).sum(1, keepdims=True)))).sum(1)


def model_of(**arguments: Any) -> PrototypeSegmenter:
    small = {"classes": 2, "overclusters": 5, "channels": 3, "width": 0.05, "places": 12}
    return PrototypeSegmenter(**{**small, "embedding": 6, "hidden": 8, **arguments})


def test_assignments_by_hand() -> None:
    q = plain_sinkhorn(SCORES, 0.25, 3)
    expected = [[0.7837415, 0.2162585], [0.52188721, 0.47811279], [0.1805841, 0.8194159]]
    np.testing.assert_allclose(q, expected, atol=1e-8)
    found = np.asarray(sinkhorn(SCORES, 0.25, 3))
    np.testing.assert_allclose(found, q, atol=1e-6)
    np.testing.assert_allclose(found.mean(0), [0.49540427, 0.50459573], atol=1e-6)


def test_assignments_of_cosines_are_balanced_at_small_epsilons() -> None:
    """A batch whose scores all prefer one prototype does not give it all."""
    rng = np.random.default_rng(0)
    scores = np.clip(rng.normal(size=(300, 6)) * 0.2 + [0.5, 0, 0, 0, 0, 0], -1, 1)
    found = np.asarray(sinkhorn(scores, 0.05, 3))
    np.testing.assert_allclose(found, plain_sinkhorn(scores, 0.05, 3), atol=1e-5)
    assert found.mean(0).min() > 0.1
    # What does not count has an assignment, but no mass.
    counted = np.arange(300) < 120
    half = np.asarray(sinkhorn(scores, 0.05, 3, counted))
    np.testing.assert_allclose(half[:120], plain_sinkhorn(scores[:120], 0.05, 3), atol=1e-5)
    np.testing.assert_allclose(half.sum(1), 1, atol=1e-5)


def test_no_gradient_goes_through_assignments() -> None:
    scores = tf.Variable(SCORES, dtype=tf.float32)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(sinkhorn(scores, 0.25, 3) ** 2)
    assert tape.gradient(loss, scores) is None


def test_swapped_prediction_by_hand() -> None:
    q = plain_sinkhorn(SCORES, 0.25, 3)
    same = np.asarray(swapped_losses(SCORES, SCORES, q, q, 0.1))
    assert same.mean() == pytest.approx(1.7534534295, rel=1e-6)
    other = SCORES[::-1].copy()
    other_q = plain_sinkhorn(other, 0.25, 3)
    expected = (plain_losses(other, q, 0.1) + plain_losses(SCORES, other_q, 0.1)) / 2
    np.testing.assert_allclose(swapped_losses(SCORES, other, q, other_q, 0.1), expected, rtol=1e-5)
    flat = np.zeros((4, 6))
    even = np.full((4, 6), 1 / 6)
    np.testing.assert_allclose(swapped_losses(flat, flat, even, even, 0.1), math.log(6), rtol=1e-6)


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize(
    "geometry", [Geometry(flip=0.5, quarter_turns=True), Geometry(flip=0, rotation=20)]
)
def test_the_loss_is_of_the_same_places_in_both_views(geometry: Geometry, masks: bool) -> None:
    model = model_of()
    batch = noise_pairs(batch=4, steps=1, masks=masks, geometry=geometry)[0]
    of_x = np.asarray(model.scores(model.features(batch["x"])))
    of_gx = np.asarray(undo(model.scores(model.features(batch["gx"])), batch))
    counted = np.asarray(model.counted_cells(batch, back=True))[..., 0]
    if geometry.affine:
        inside = np.asarray(undo(tf.ones((4, 4, 4, 1)), batch))[..., 0] > 0.99
        assert not inside.all()
        assert (counted <= inside).all()
    if masks:
        valid = np.asarray(batch["valid"]).reshape(4, 4, 2, 4, 2).mean((2, 4)) > 0.5
        assert (counted <= valid).all()
    # Which cells are drawn: read off a map of their numbers.
    numbers = np.tile(np.arange(16.0).reshape(1, 4, 4, 1), (4, 1, 1, 1)).astype(np.float32)
    at = np.asarray(model.drawn_cells(batch["epoch"], batch["number"], tf.constant(numbers)))
    at = at[..., 0].astype(int)
    assert len({tuple(row) for row in at}) == 4
    rows = [np.stack([m.reshape(4, 16, -1)[n, at[n]] for n in range(4)]) for m in (of_x, of_gx)]
    kept = np.stack([counted.reshape(4, 16)[n, at[n]] for n in range(4)]) > 0
    s, t = (own[kept] for own in rows)
    q, p = plain_sinkhorn(s, 0.05, 3), plain_sinkhorn(t, 0.05, 3)
    expected = (plain_losses(t, q, 0.1) + plain_losses(s, p, 0.1)) / 2
    sums = model.sums(batch, (SWAPPED,), False)[SWAPPED].numpy()
    assert sums[1] == kept.sum() > 0
    np.testing.assert_allclose(sums[0], expected.sum(), rtol=1e-4)


def test_prototypes_are_held_at_first_and_merged_behind_each_epoch() -> None:
    model, pairs = model_of(held=1), noise_pairs(batch=4, steps=2)
    assert (model.stage(0), model.stage(1)) == (HELD, SWAPPED)
    model.compile(keras.optimizers.Adam(1e-2))
    before = np.copy(model.prototypes.kernel)
    model.fit(pairs, epochs=1, verbose=0, callbacks=[Fit(pairs)])
    np.testing.assert_array_equal(model.prototypes.kernel, before)
    model.fit(pairs, epochs=1, verbose=0, callbacks=[Fit(pairs)])
    assert (np.asarray(model.prototypes.kernel) != before).all(1).any()
    assert (np.asarray(model.classes_of).sum(1) == 1).all()
    x = pairs[0]["x"]
    many, few = (np.asarray(model.maps(x, head)[0]) for head in ("overclustering", "main"))
    np.testing.assert_allclose(few, many @ np.asarray(model.classes_of), atol=1e-6)


def test_prototypes_that_lie_beside_one_another_are_one_class() -> None:
    """Whatever their directions: on either side of an edge there are two of them in turns."""
    model = model_of(overclusters=4)

    def striped(features: Any, head: str, training: bool) -> list[Any]:
        rows, columns = (tf.range(tf.shape(features)[axis]) for axis in (1, 2))
        of = 2 * tf.cast(columns >= 6, tf.int32)[None] + (rows[:, None] + columns[None]) % 2
        return [tf.one_hot(of, 4)[None] * tf.ones_like(features[..., :1])]

    model.small_maps = striped
    model.after_epoch(noise_pairs(crop=24, size=(32, 40), batch=2, steps=1), 0)
    classes = np.asarray(model.classes_of).argmax(1)
    assert list(classes == classes[0]) == [True, True, False, False]


def test_it_learns_more_than_chance() -> None:
    pairs = Pairs(
        two_textures(), crop=12, batch=8, steps=12, photometry=Photometry(0.1, 0.1, 0.1, 0)
    )
    model = model_of(overclusters=6, width=0.1, embedding=16, hidden=32, places=36)
    model.compile(keras.optimizers.Adam(3e-3))
    losses = model.fit(pairs, epochs=3, verbose=0, callbacks=[Fit(pairs)]).history["loss"]
    assert losses[-1] < math.log(6) - 0.3, losses
    model.evaluate(pairs, verbose=0)
    shares = model.monitors()["overclustering"].shares[0]
    assert max(shares) < 0.5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epsilon": 0.01}, "epsilon of at least 0.025; received epsilon=0.01"),
        ({"overclusters": 1}, "a prototype for each of 2 classes"),
        ({"held": -1}, "held of at least 0"),
        ({"places": 0}, "places of at least 1"),
    ],
)
def test_construction_messages(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        model_of(**wrong)
    assert PROTOTYPES in model_of().parts()
