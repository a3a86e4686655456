"""Models on a Keras trunk: what is trained when, and by what the features are scaled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import noise, noise_pairs, same, weights
from tiny_trunks import chain, conv, drawn, pyramid, trunk, vectors

from iic_tf import IICClusterer, IICSegmenter, InfoSeg, KerasTrunk
from iic_tf.errors import InputError
from iic_tf.models.fitting import Fit
from iic_tf.networks.channel_dropout import kept_channels
from iic_tf.training.fine_tune import copied


def segmenter(found: Any = None, overclusters: int = 3, **values: Any) -> IICSegmenter:
    keras.utils.set_random_seed(0)
    found = trunk(stride=4) if found is None else found
    return drawn(IICSegmenter(2, overclusters, 3, trunk=found, **{"radius": 1, **values}))


# --- features of mean 0 and deviation 1


@pytest.mark.parametrize("masks", [False, True])
def test_features_are_standardised_over_valid_cells(masks: bool) -> None:
    model = segmenter(KerasTrunk(pyramid(), stride=4))
    pairs = noise_pairs(16, masks=masks, steps=4)
    assert not model.trunk.fitted
    Fit(pairs).set_model(model)
    model.before_epoch(pairs, 0)
    assert model.trunk.fitted
    rows, shares = [], []
    for views, valid in pairs.plain_views(0):
        rows.append(np.asarray(model.features(views)).reshape(-1, 15))
        shares.append(np.asarray(model.shares_of_cells(views, valid)).ravel())
    every, share = np.concatenate(rows), np.concatenate(shares)[:, None]
    assert masks == bool((share < 1).any())
    mean = (every * share).sum(0) / share.sum()
    np.testing.assert_allclose(mean, 0, atol=1e-4)
    np.testing.assert_allclose((every**2 * share).sum(0) / share.sum(), 1, atol=1e-3)
    # Once for all.
    before = weights(model.trunk)
    model.before_epoch(noise_pairs(16, seed=5), 1)
    assert same(before, weights(model.trunk))


def test_a_feature_that_never_changes_is_zero() -> None:
    steps = [conv(2, 1, bias_initializer="ones", kernel_initializer="zeros")]
    model = segmenter(KerasTrunk(chain(*steps)))
    model.trunk.network.layers[0].kernel.assign(np.array([[[[0, 1], [0, 0], [0, 0]]]], np.float32))
    model.before_epoch(noise_pairs(), 0)
    found = np.asarray(model.features(noise(1, 8, 8, 3, seed=9)))
    assert (np.abs(found[..., 0]) < 1e-6).all()
    assert 0.5 < found[..., 1].std() < 2


def test_scales_are_in_files(tmp_path: Path) -> None:
    model = segmenter(KerasTrunk(pyramid(), stride=4))
    model.before_epoch(noise_pairs(), 0)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert again.trunk.fitted
    x = noise(1, 21, 17, 3)
    np.testing.assert_array_equal(model(x), again(x))


def test_without_scales_no_step_is_taken() -> None:
    model = segmenter(KerasTrunk(pyramid(), stride=4))
    model.compile()
    batch = next(iter(noise_pairs().dataset(0, 1)))
    with pytest.raises(InputError, match="Expected a trunk that was fitted") as caught:
        model.train_on_batch(batch)
    assert "\n" not in str(caught.value)
    model.fit(noise_pairs(), verbose=0)
    model.train_on_batch(batch)


# --- what moves


@pytest.mark.parametrize("bands", [None, "learned"])
def test_a_frozen_trunk_never_moves(bands: Any) -> None:
    model = segmenter(trunk(pyramid(normalised=True), stride=4, bands=bands))
    assert model.turns == ("both",)
    assert list(model.parts()) == ["main", "overclustering", *(["trunk"] if bands else [])]
    before = weights(model.trunk.network)
    mixing = None if model.trunk.mixing is None else weights(model.trunk.mixing)
    heads = [weights(head) for head in model.heads.values()]
    model.compile(keras.optimizers.AdamW(1e-2, weight_decay=0.1))
    model.fit(noise_pairs(steps=2), epochs=2, verbose=0)
    assert same(before, weights(model.trunk.network))
    assert not any(same(h, weights(n)) for h, n in zip(heads, model.heads.values(), strict=True))
    assert mixing is None or not same(mixing, weights(model.trunk.mixing))


@pytest.mark.parametrize("statistics", ["kept", "batch"])
def test_statistics_of_normalisation(statistics: str) -> None:
    network = pyramid(normalised=True)
    model = segmenter(trunk(network, stride=4, frozen=False, statistics=statistics))
    moving = [np.copy(v) for v in network.non_trainable_variables]
    kernels = [np.copy(v) for v in network.trainable_variables]
    model.compile()
    model.fit(noise_pairs(steps=2), verbose=0)
    moved = not same(moving, [np.copy(v) for v in network.non_trainable_variables])
    assert moved == (statistics == "batch")
    assert not same(kernels, [np.copy(v) for v in network.trainable_variables])


def test_micro_batches_do_not_move_statistics_of_others_twice() -> None:
    model = segmenter(trunk(pyramid(True), stride=4, frozen=False, statistics="batch"))
    with pytest.raises(InputError, match="1 micro-batch with a Keras model") as caught:
        model.compile(micro_batches=2)
    assert "\n" not in str(caught.value)
    segmenter(trunk(frozen=False, statistics="batch", stride=4)).compile(micro_batches=2)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(precision: str) -> None:
    model = segmenter(KerasTrunk(pyramid(), stride=4, frozen=False), dtype=precision)
    assert model.features(noise(1, 8, 8, 3)).dtype == precision.removeprefix("mixed_")
    before = weights(model.trunk.network)
    model.compile()
    model.fit(noise_pairs(steps=2), verbose=0)
    assert not same(before, weights(model.trunk.network))
    assert np.isfinite(np.asarray(model(noise(1, 8, 8, 3)))).all()


# --- epochs in which the trunk rests


@pytest.mark.parametrize("star", [False, True])
def test_heads_learn_alone_at_first(star: bool) -> None:
    found = trunk(pyramid(True), stride=4, frozen=False)
    model = segmenter(found, trunk_from=2, overclusters=0 if star else 3)
    assert list(model.parts()) == ["main", *([] if star else ["overclustering"]), "trunk"]
    assert model.phase_of(1).endswith(", trunk frozen")
    assert not model.phase_of(2).endswith(", trunk frozen")
    model.compile({n: keras.optimizers.AdamW(1e-2, weight_decay=0.1) for n in model.parts()})
    before, pairs = weights(found.network), noise_pairs(steps=2)
    main = weights(model.heads["main"])
    model.fit(pairs, epochs=2, verbose=0)
    assert same(before, weights(found.network))
    assert not same(main, weights(model.heads["main"]))
    model.fit(pairs, initial_epoch=2, epochs=3, verbose=0)
    assert not same(before, weights(found.network))
    steps = {n: int(model._by_part.of(n).iterations) for n in model.parts()}
    assert steps.pop("trunk") == 2
    assert set(steps.values()) == {6}


def test_infoseg_has_two_parts() -> None:
    keras.utils.set_random_seed(0)
    found = trunk(stride=4, frozen=False)
    model = InfoSeg(2, 3, 0.05, 8, trunk=found, trunk_from=1)
    assert list(model.parts()) == ["network", "trunk"]
    model.compile()
    before, pairs = weights(found.network), noise_pairs(16, 4, steps=1)
    model.fit(pairs, epochs=1, verbose=0)
    assert same(before, weights(found.network))
    model.fit(pairs, initial_epoch=1, epochs=2, verbose=0)
    assert not same(before, weights(found.network))
    assert list(InfoSeg(2, 3, 0.05, 8).parts()) == ["network"]


def test_turns_are_both_while_the_trunk_rests() -> None:
    for values in ({"found": trunk()}, {"found": trunk(frozen=False), "trunk_from": 1}):
        with pytest.raises(InputError, match=r"turns=\('both',\) while the trunk is frozen"):
            segmenter(**values, turns=("overclustering", "main"))
    with pytest.raises(InputError, match="trunk_from=0 of a frozen trunk"):
        segmenter(trunk_from=1)
    assert segmenter(trunk(frozen=False)).turns == ("overclustering", "main")
    assert list(segmenter(trunk(frozen=False)).parts()) == ["trunk", "main", "overclustering"]


def test_images_are_not_whitened_before_it() -> None:
    with pytest.raises(InputError, match="whitening none of a Keras model's images"):
        segmenter(whitening="channels")


def test_a_model_of_vectors_learns() -> None:
    from iic_tf import ImagePairs, ImageView
    from iic_tf.data.image_set import ImageSet

    images = ImageSet("made up", (noise(8, 16, 16, 3) * 255).astype(np.uint8))
    view = ImageView(crops=(16,), size=16)
    pairs = ImagePairs(images, 4, 2, view, ImageView(crops=(16,), size=16, flip=0.5))
    model = IICClusterer(2, 4, 3, 16, inputs="bands", trunk=vectors(), sub_heads=2)
    model.compile()
    model.fit(pairs, epochs=2, verbose=0)
    assert model.trunk.fitted
    assert model(noise(3, 16, 16, 3)).shape == (3, 2)


# --- features left out of a view


def test_dropout_follows_from_epoch_and_number_alone() -> None:
    epochs, numbers = tf.constant([0, 0, 1, 1]), tf.constant([0, 1, 0, 1])
    every = np.asarray(kept_channels(epochs, numbers, 0, 4000, 0.25))
    assert set(np.unique(every)) == {0.0, np.float32(1 / 0.75)}
    np.testing.assert_allclose((every == 0).mean(1), 0.25, atol=0.03)
    one = np.asarray(kept_channels(epochs[3:], numbers[3:], 0, 4000, 0.25))
    np.testing.assert_array_equal(one[0], every[3])
    # Rows, and the two views of a pair, are drawn apart.
    other = np.asarray(kept_channels(epochs, numbers, 1, 4000, 0.25))
    drawn_ = np.concatenate([every, other]) > 0
    shared = np.corrcoef(drawn_.astype(float)) - np.eye(8)
    assert np.abs(shared).max() < 0.08


def test_micro_batches_leave_out_the_same() -> None:
    found = []
    for micro_batches in (1, 2):
        model = segmenter(dropout=0.5, cells=True)
        model.compile(keras.optimizers.SGD(1.0), micro_batches=micro_batches)
        model.fit(noise_pairs(16, 4, steps=2), verbose=0)
        found.append(np.concatenate([w.ravel() for h in model.heads.values() for w in weights(h)]))
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


def test_dropout_needs_numbers() -> None:
    model = segmenter(dropout=0.5)
    model.compile()
    batch = dict(next(iter(noise_pairs().dataset(0, 1))))
    del batch["number"]
    with pytest.raises(InputError, match="a batch with number, by which dropout is drawn"):
        model.train_on_batch(batch)
    for value in (1, -0.1, float("nan")):
        with pytest.raises(InputError, match="a dropout from 0 to below 1"):
            segmenter(dropout=value)


# --- cells in place of pixels


@pytest.mark.parametrize("masks", [False, True])
def test_the_joint_of_cells(masks: bool) -> None:
    model = segmenter(trunk(stride=4), cells=True, radius=3)
    assert model.reach == 1
    pairs = noise_pairs(16, 3, masks=masks, steps=1)
    data = next(iter(pairs.dataset(0, 1)))
    found = np.asarray(model.sums(data, ["main"], training=False)["main"])
    assert found.shape == (1, 9, 2, 2)
    # Views are brought onto one another by flips, here at the size of cells.
    p, q = (
        np.asarray(model.small_maps(model.features(data[name]), "main", False)[0])
        for name in ("x", "gx")
    )
    share = np.ones(p.shape[:3])
    if masks:
        share = np.asarray(data["valid"]).reshape(3, 4, 4, 4, 4).mean((2, 4))
    from iic_tf.views.geometry import undo

    back = np.asarray(undo(tf.constant(q), data))
    wanted, number = np.zeros((9, 2, 2)), 0
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            for i in range(4):
                for j in range(4):
                    y, x = i + row, j + column
                    if 0 <= y < 4 and 0 <= x < 4:
                        weight = (share[:, i, j] * share[:, y, x])[:, None, None]
                        pair = p[:, i, j, :, None] * back[:, y, x, None, :]
                        wanted[number] += (weight * pair).sum(0)
            number += 1
    shares = found[0] / found[0].sum((1, 2), keepdims=True)
    expected_shares = wanted / wanted.sum((1, 2), keepdims=True)
    either = [expected_shares, expected_shares[::-1]]
    assert min(np.abs(shares - one).max() for one in either) < 1e-4


@pytest.mark.parametrize(("radius", "cells"), [(0, 0), (1, 1), (4, 1), (5, 2)])
def test_a_radius_is_rounded_up_to_cells(radius: int, cells: int) -> None:
    assert segmenter(cells=True, radius=radius).reach == cells
    assert segmenter(radius=radius).reach == radius


@pytest.mark.parametrize("crop", [18, 8])
def test_crops_of_cells(crop: int) -> None:
    model = segmenter(cells=True, radius=6)
    model.compile()
    with pytest.raises(InputError, match="crops of a multiple of 4 pixels, and of more than 2"):
        model.fit(noise_pairs(crop, size=(24, 24)), verbose=0)
    with pytest.raises(InputError, match="no ncut, smooth or reconstruction with cells"):
        segmenter(cells=True, ncut=1.0)


@pytest.mark.parametrize("frozen", [True, False])
def test_fine_tuning_trains_a_copy_that_is_not_frozen(frozen: bool) -> None:
    model = segmenter(KerasTrunk(pyramid(True), stride=4, frozen=frozen))
    model.before_epoch(noise_pairs(), 0)
    copy = copied(drawn(model))
    assert not copy.trunk.frozen
    assert copy.trunk.trainable_variables
    assert model.trunk.frozen == frozen
    x = noise(1, 16, 16, 3)
    np.testing.assert_array_equal(model.features(x), copy.features(x))
    with tf.GradientTape() as tape:
        found = tf.reduce_sum(copy.features(x) ** 2)
    gradients = tape.gradient(found, copy.trunk.trainable_variables)
    assert all(g is not None for g in gradients)
