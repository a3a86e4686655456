"""Exemplar-CNN of scenes: where patches come from, what their copies are, and the loss."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from made_up import noise_pairs

from iic_tf.data.array_scene import from_arrays
from iic_tf.errors import InputError
from iic_tf.models.dense_exemplar import ExemplarSegmenter, strong_places
from iic_tf.models.fitting import Fit
from iic_tf.models.pretext import PRETEXT
from iic_tf.views.pairs import Pairs

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def model_of(**arguments: Any) -> ExemplarSegmenter:
    small = {"classes": 2, "overclusters": 3, "channels": 3, "width": 0.05, "exemplars": 10}
    small |= {"patch": 6, "patches": 3, "sample": 300, "starts": 1, "crops": 6}
    return ExemplarSegmenter(**{**small, **arguments})


def test_places_count_by_their_gradients_and_only_valid_ones() -> None:
    image = np.random.default_rng(0).random((9, 11, 2))
    valid = np.ones((9, 11))
    valid[4, 9] = 0
    found = strong_places(image, valid, 3)
    down, right = np.gradient(image, axis=(0, 1))
    squares = (down**2 + right**2).sum(-1)
    assert found.shape == (7, 9)
    for row in range(7):
        for column in range(9):
            square = np.s_[row : row + 3, column : column + 3]
            expected = squares[square].sum() if valid[square].all() else 0
            assert found[row, column] == pytest.approx(expected)


def test_patches_are_of_the_images_and_found_again() -> None:
    """Edges, not the even ground; of one seed always the same, for resumed runs."""
    image = np.full((48, 48, 3), 60, np.uint8)
    image[20:28, 30:] = 200
    pairs = Pairs(from_arrays([image, image]), crop=24, batch=2, steps=2, seed=5)
    one, two = model_of(), model_of()
    for model in (one, two):
        model.compile()
        model.before_epoch(pairs, 0 if model is one else 3)
    kept = np.asarray(one.kept.values)
    np.testing.assert_array_equal(kept, two.kept.values)
    assert kept.shape[1:] == (12, 12, 3)
    assert 2 <= len(kept) <= 10
    assert set(np.unique(kept.round(4))) == {
        np.float32(60 / 255).round(4),
        np.float32(200 / 255).round(4),
    }
    assert (kept.std((1, 2, 3)) > 0).all()


def test_the_loss_is_of_the_copies_own_patches() -> None:
    model, pairs = model_of(), noise_pairs(crop=16, batch=4, steps=2)
    model.compile()
    model.before_epoch(pairs, 0)
    batch = pairs[1]
    images, labels = (np.asarray(v) for v in model.copies(batch))
    assert images.shape == (12, 6, 6, 3)
    assert len({image.tobytes() for image in images}) == 12
    features = np.asarray(model.features(images)).mean((1, 2))
    logits = np.asarray(model.pretext(features), np.float64)
    expected = np.log(np.exp(logits).sum(1)) - logits[np.arange(12), labels]
    sums = model.sums(batch, (PRETEXT,), False)[PRETEXT].numpy()
    assert sums[1] == 12
    np.testing.assert_allclose(sums[0], expected.sum(), rtol=1e-4)
    # The same by number, whatever stands beside it in a batch.
    alone = {name: value[2:3] for name, value in batch.items()}
    np.testing.assert_allclose(model.copies(alone)[0], images[6:9], atol=1e-6)


def test_copies_are_like_their_patches() -> None:
    model, pairs = model_of(patches=40), noise_pairs(crop=16, batch=3, steps=1)
    model.compile()
    model.before_epoch(pairs, 0)
    ramp = np.broadcast_to(np.linspace(0.2, 0.6, 12, dtype=np.float32)[None, :, None], (12, 12, 3))
    model.kept.values.assign(np.broadcast_to(ramp, model.kept.values.shape))
    images = np.asarray(model.copies(pairs[0])[0])
    right = np.gradient(images.mean(-1), axis=2)[:, 2:-2, 2:-2].mean((1, 2))
    down = np.gradient(images.mean(-1), axis=1)[:, 2:-2, 2:-2].mean((1, 2))
    turns = np.degrees(np.arctan2(down, right))
    # 20 degrees, and none at all of copies that were not made.
    assert np.abs(turns).max() < 20.5
    assert turns.std() > 5
    assert images.mean((1, 2, 3)).std() > 0.02


def test_copies_are_told_apart_better_than_by_chance() -> None:
    pairs = noise_pairs(crop=16, batch=6, steps=15)
    model = model_of(width=0.1, exemplars=6, patches=4)
    model.compile(keras.optimizers.Adam(3e-3))
    losses = model.fit(pairs, epochs=3, verbose=0, callbacks=[Fit(pairs)]).history["loss"]
    assert losses[-1] < np.log(6) - 0.3, losses


def test_what_does_not_fit_is_said() -> None:
    model, pairs = model_of(patch=9), noise_pairs(crop=16, batch=2, steps=1)
    model.compile(run_eagerly=True)
    with pytest.raises(InputError, match="Expected exemplars, which are taken before an epoch"):
        model.fit(pairs, verbose=0)
    with pytest.raises(InputError, match=r"crops of at least 18 pixels, twice a patch"):
        model.before_epoch(pairs, 0)
    flat = Pairs(from_arrays([np.full((24, 24, 3), 9, np.uint8)]), crop=16, batch=2, steps=1)
    with pytest.raises(InputError, match="that are not even; received 0"):
        model_of().before_epoch(flat, 0)
    with pytest.raises(InputError, match="exemplars of at least 2"):
        model_of(exemplars=1)
