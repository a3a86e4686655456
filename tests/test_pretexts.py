"""Isola's and Doersch's pretexts: formulas against plain NumPy, pairs, and what is fitted when."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import noise, noise_pairs, two_textures

from iic_tf.errors import InputError
from iic_tf.losses.doersch import direction_sums, second_corner
from iic_tf.losses.isola import near_sums
from iic_tf.models.doersch import DoerschSegmenter, one_band
from iic_tf.models.fitting import Fit
from iic_tf.models.isola import OTHERS_DRAW, IsolaSegmenter
from iic_tf.models.pretext import PRETEXT
from iic_tf.networks.keras_trunk import KerasTrunk
from iic_tf.views.geometry import Geometry
from iic_tf.views.numbered_draws import uniform
from iic_tf.views.pairs import Pairs
from iic_tf.views.photometry import Photometry
from iic_tf.views.place_pairs import DIRECTIONS

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")

SMALL: dict[str, Any] = {
    **{"classes": 2, "overclusters": 4, "channels": 3, "width": 0.05, "patch": 2, "hidden": 8},
    **{"pairs": 6, "sample": 500, "crops": 8},
}


def isola(**arguments: Any) -> IsolaSegmenter:
    return IsolaSegmenter(**{**SMALL, "near": 4, "far": 6, **arguments})


def doersch(**arguments: Any) -> DoerschSegmenter:
    return DoerschSegmenter(**{**SMALL, "gap": 2, "jitter": 0, **arguments})


# --- formulas


def test_near_and_far_by_hand() -> None:
    logits, near = [2.0, -1.0, 0.5], [1.0, 0.0, 1.0]
    each = [math.log1p(math.exp(-2)), math.log1p(math.exp(-1)), math.log1p(math.exp(-0.5))]
    np.testing.assert_allclose(each[:2], [0.12692801, 0.31326169], atol=1e-8)
    found = near_sums(logits, near, [1.0, 1.0, 0.0]).numpy()
    np.testing.assert_allclose(found, [sum(each[:2]), 2], rtol=1e-6)


def test_the_best_logit_is_the_pointwise_mutual_information() -> None:
    """The gradient of the expected loss is zero there: pairs near by P, far by the marginals."""
    joint = np.array([[0.4, 0.1], [0.1, 0.4]])
    apart = np.outer(joint.sum(1), joint.sum(0))
    information = np.log(joint / apart)
    np.testing.assert_allclose(information[0], [0.47000363, -0.91629073], atol=1e-8)
    affinity = joint / (joint + apart)
    np.testing.assert_allclose(affinity[0], [0.61538462, 0.28571429], atol=1e-8)
    np.testing.assert_allclose(1 / (1 + np.exp(-information)), affinity)
    logits = tf.Variable(np.tile(information.ravel(), 2), dtype=tf.float32)
    with tf.GradientTape() as tape:
        near = np.repeat([1.0, 0.0], 4)
        loss = near_sums(logits, near, np.concatenate([joint.ravel(), apart.ravel()]))[0]
    gradient = np.asarray(tape.gradient(loss, logits)).reshape(2, 4)
    assert np.abs(gradient).max() > 0.05
    np.testing.assert_allclose(gradient.sum(0), 0, atol=1e-6)


def test_directions_by_hand() -> None:
    logits = np.array([[1.0, 0, 0, 2, 0, 0, -1, 0], [0.0] * 8])
    expected = np.log(np.exp(logits).sum(1)) - logits[[0, 1], [3, 5]]
    np.testing.assert_allclose(expected, [0.7392398649, math.log(8)], atol=1e-9)
    found = direction_sums(logits, [3, 5], [1.0, 1.0]).numpy()
    np.testing.assert_allclose(found, [expected.sum(), 2], rtol=1e-6)
    assert second_corner((200, 150), 2, patch=96, gap=48, jitter=(3, -5)) == (59, 289)
    assert len({second_corner((0, 0), label, 96, 48) for label in range(8)}) == 8
    with pytest.raises(InputError, match="a direction from 0 to 7; received label=8"):
        second_corner((0, 0), 8, 96, 48)


# --- pairs of patches


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("make", [isola, doersch])
def test_the_loss_is_that_of_the_pairs_that_are_drawn(make: Any, masks: bool) -> None:
    own = {"near": 6, "far": 8, "other_images": 0.5} if make is isola else {}
    model = make(patch=4, margin=2, **own)
    batch = noise_pairs(crop=24, size=(32, 40), batch=3, steps=1, masks=masks)[0]
    features = np.asarray(model.features(model.shown(batch)), np.float64)
    label, *places = (np.asarray(v) for v in model.drawn_pairs(batch, 12, 12))
    valid = np.ones((3, 12, 12))
    if masks:
        flipped = np.asarray(batch["flip"])[:, 0, 0] < 0
        given = np.asarray(batch["valid"])
        given = np.where(flipped[:, None, None], given[:, :, ::-1], given)
        valid = given.reshape(3, 12, 2, 12, 2).mean((2, 4))
    other = np.zeros(label.shape, bool)
    if make is isola:
        draws = uniform(batch["epoch"], batch["number"], model.pairs, OTHERS_DRAW)
        other = (np.asarray(draws) < 0.5) & (label == 0)
        assert other.any()
    # A patch of two cells, and a margin of one.
    assert np.min(places) >= 1
    assert np.max(places) + 2 <= 11
    total, count = 0.0, 0
    for n, p in np.ndindex(*label.shape):
        images = [n, (n + 1) % 3 if other[n, p] else n]
        at = [place[n, p] for place in places]
        told = _told(model, features, valid, images, at, label[n, p])
        total, count = total + told[0], count + told[1]
    found = model.sums(batch, (PRETEXT,), False)[PRETEXT].numpy()
    assert found[1] == count > 0
    np.testing.assert_allclose(found[0], total, rtol=1e-4)
    assert float(model.loss_of(found, PRETEXT)) == pytest.approx(total / count, rel=1e-4)


def _told(
    model: Any, features: Any, valid: Any, images: Any, places: Any, label: int
) -> tuple[float, int]:
    vectors, shares = [], []
    for n, (row, column) in zip(images, places, strict=True):
        patch = np.s_[n, row : row + 2, column : column + 2]
        vectors.append(features[patch].mean((0, 1)))
        shares.append(valid[patch].mean())
    if min(shares) <= 0.5:
        return 0.0, 0
    each = [np.maximum(v @ np.asarray(model.pretext.each.kernel), 0) for v in vectors]
    both = np.maximum(np.concatenate(each) @ np.asarray(model.pretext.both.kernel), 0)
    logits = both @ np.asarray(model.pretext.logits.kernel)
    if len(logits) == 1:
        return float(np.log1p(np.exp(-logits[0] if label else logits[0]))), 1
    return float(np.log(np.exp(logits).sum()) - logits[label]), 1


def test_an_image_alone_has_no_far_pair_of_another() -> None:
    model = isola(other_images=1.0)
    batch = noise_pairs(crop=16, size=(32, 40), batch=1)[0]
    label = np.asarray(model.drawn_pairs(batch, 8, 8)[0])
    assert model.sums(batch, (PRETEXT,), False)[PRETEXT].numpy()[1] == label.sum()


def test_where_g_left_the_crop_there_are_no_pairs() -> None:
    model = doersch(pairs=64)
    far_out = Geometry(flip=0, scale=(0.25, 0.25))
    batch = noise_pairs(crop=16, size=(32, 40), batch=2, geometry=far_out)[0]
    found = model.sums(batch, (PRETEXT,), False)[PRETEXT].numpy()
    assert found[1] == 0
    assert float(model.loss_of(found, PRETEXT)) == 0


def test_one_band_is_kept_and_the_others_are_noise() -> None:
    """They tell nothing of where colours are bent apart; which one is kept is drawn."""
    x = noise(40, 6, 7, 4)
    found = np.asarray(one_band(x, np.zeros(40, np.int32), np.arange(40, dtype=np.int32)))
    same = (found == x).all((1, 2))
    assert (same.sum(1) == 1).all()
    assert set(same.argmax(1)) == {0, 1, 2, 3}
    for image, own, kept in zip(found, x, same.argmax(1), strict=True):
        rest = np.delete(image, kept, -1) - own[..., kept].mean()
        assert 0.005 < rest.std() / own[..., kept].std() < 0.015


def test_the_pretext_s_network_is_small() -> None:
    """Patches are averaged first: flattened maps of 11×11 cells ask for 254 million weights."""
    model = isola(hidden=1024, width=1.0)
    assert 3e6 > model.pretext.count_params() > 2e6


# --- training


def test_centres_are_found_behind_each_epoch_and_by_nothing_before() -> None:
    model, pairs = doersch(), noise_pairs(crop=12, batch=2, steps=2)
    model.compile()
    model.fit(pairs, epochs=1, verbose=0, callbacks=[Fit(pairs)])
    centres = np.copy(model.heads["main"].centres)
    model.fit(pairs, epochs=1, verbose=0, callbacks=[Fit(pairs)])
    assert (np.asarray(model.heads["main"].centres) != centres).any()
    features = np.concatenate(
        [np.asarray(model.features(x)) for x, _ in pairs.views_at(pairs.spread_places(8))]
    ).reshape(-1, model.trunk.features)
    z = np.asarray(model.scaled(features))
    assert (z**2).sum(1).mean() == pytest.approx(1, rel=1e-3)
    nearest = ((z[:, None] - np.asarray(model.heads["main"].centres)) ** 2).sum(-1).argmin(1)
    for i, centre in enumerate(np.asarray(model.heads["main"].centres)):
        np.testing.assert_allclose(z[nearest == i].mean(0), centre, atol=2e-3)


@pytest.mark.parametrize("make", [isola, doersch])
def test_the_pretext_is_learned(make: Any) -> None:
    """On stripes and darkness: better than by chance, of pairs never seen before."""
    keras.utils.set_random_seed(0)
    still = Photometry(0.1, 0.1, 0.1, 0)
    flat = Geometry(flip=0)
    pairs = Pairs(
        two_textures(), crop=20, batch=8, steps=20, photometry=still, geometry=flat, seed=1
    )
    model = make(width=0.1, hidden=32, pairs=32)
    model.compile(keras.optimizers.Adam(3e-3))
    losses = model.fit(pairs, epochs=4, verbose=0, callbacks=[Fit(pairs)]).history["loss"]
    chance = math.log(2 if make is isola else len(DIRECTIONS))
    assert losses[-1] < chance - 0.05, losses


@pytest.mark.parametrize(
    ("make", "wrong", "message"),
    [
        (isola, {"near": 1}, "do not overlap, near >= patch=2; received near=1"),
        (isola, {"far": 4}, "far beyond near=4; received far=4"),
        (isola, {"other_images": 1.5}, "a share from 0 to 1"),
        (doersch, {"gap": 1, "jitter": 1}, "a gap above jitter=1, so that patches never touch"),
        (doersch, {"pairs": 0}, "pairs of at least 1"),
        (doersch, {"crops": 0}, "at least 1 crop"),
    ],
)
def test_construction_messages(make: Any, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**wrong)


def test_small_crops_and_frozen_trunks_are_refused() -> None:
    with pytest.raises(InputError, match=r"crops with room for pairs of patches 3 cells apart"):
        isola().check_crop(6, 6)
    network = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3, 2, "same")])
    with pytest.raises(InputError, match="a trunk that is trained"):
        isola(trunk=KerasTrunk(network))
