"""DEC of pixels: where it begins, whose targets it learns, and that they follow the cells."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from made_up import noise_pairs, two_textures
from test_dec import assigned, targets

from iic_tf.errors import InputError
from iic_tf.models.dense_dec import DECSegmenter, principal_axes
from iic_tf.models.fitting import Fit
from iic_tf.models.phases import EVERYTHING
from iic_tf.views.pairs import Pairs

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def model_of(**arguments: Any) -> DECSegmenter:
    small = {"classes": 2, "channels": 3, "width": 0.05, "places": 12, "embedding": 3}
    return DECSegmenter(**{**small, "starts": 2, "sample": 300, **arguments})


def test_the_embedding_begins_as_principal_components() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 6)) @ np.diag([5, 3, 1, 0.5, 0.1, 0]) + 7
    mean, axes = principal_axes(rows, 3)
    z = (rows - mean) @ axes
    assert np.mean(z**2) == pytest.approx(1)
    _, vectors = np.linalg.eigh(np.cov(rows.T))
    for i in range(3):
        along = vectors[:, -1 - i] * np.sign(vectors[:, -1 - i] @ axes[:, i])
        np.testing.assert_allclose(axes[:, i] / np.linalg.norm(axes[:, i]), along, atol=1e-6)
    # In their proportions, not whitened.
    assert z[:, 0].std() / z[:, 1].std() == pytest.approx(
        np.sqrt(np.linalg.eigvalsh(np.cov(rows.T))[-1] / np.linalg.eigvalsh(np.cov(rows.T))[-2])
    )


@pytest.mark.parametrize("masks", [False, True])
def test_targets_are_of_the_whole_epoch_and_follow_the_cells(masks: bool) -> None:
    """Frequencies of a batch alone, or targets in another order, are faults of public code."""
    pairs = noise_pairs(batch=2, size=(16, 24), masks=masks)
    model = model_of()
    model.compile()
    model.before_epoch(pairs, 1)
    pairs.epoch = 1
    centres = np.asarray(model.heads["main"].centres)
    every, kept, order = [], [], []
    for step in range(len(pairs)):
        batch = pairs[step]
        features = model.features(batch["x"])
        z = model.linear(model.drawn_cells(batch["epoch"], batch["number"], features))
        every.append(assigned(np.asarray(z).reshape(-1, 3), centres).reshape(-1, 12, 2))
        valid = model.counted_cells(batch, back=False)
        kept.append(np.asarray(model.drawn_cells(batch["epoch"], batch["number"], valid))[..., 0])
        order.append(batch["number"].numpy())
    q, counted, numbers = map(np.concatenate, (every, kept, order))
    assert len(q) > 2
    assert (0 < counted.mean() < 1) == masks
    f = q[counted > 0].sum(0)
    np.testing.assert_allclose(model.frequencies, f, rtol=1e-4)
    p = targets(q.reshape(-1, 2), f).reshape(q.shape)
    np.testing.assert_allclose(np.asarray(model.targets.values)[numbers], p, atol=1e-4)
    # A batch's loss is of its own cells' targets, whichever batch it is.
    for step in (len(pairs) - 1, 0):
        batch = pairs[step]
        own = np.isin(numbers, batch["number"].numpy())
        divergences = (p[own] * np.log(p[own] / q[own])).sum(-1)
        sums = model.sums(batch, (EVERYTHING,), True)[EVERYTHING].numpy()
        assert sums[1] == counted[own].sum()
        np.testing.assert_allclose(
            sums[0], (divergences * counted[own]).sum(), rtol=1e-3, atol=1e-5
        )


def test_all_of_it_is_trained_and_statistics_rest() -> None:
    pairs = Pairs(two_textures(), crop=12, batch=8, steps=6)
    model = model_of()
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    model.before_epoch(pairs, 0)
    before = {name: [np.copy(v) for v in own] for name, own in model.parts().items()}
    still = [np.copy(v) for v in model.trunk.non_trainable_variables]
    model.fit(pairs, epochs=2, verbose=0, callbacks=[Fit(pairs)])
    for name, own in model.parts().items():
        assert any((np.asarray(v) != b).any() for v, b in zip(own, before[name], strict=True)), name
    for v, b in zip(model.trunk.non_trainable_variables, still, strict=True):
        np.testing.assert_array_equal(v, b)


def test_what_is_missing_is_said() -> None:
    pairs = noise_pairs(batch=2, steps=1)
    model = model_of()
    model.compile(run_eagerly=True)
    with pytest.raises(InputError, match="Expected targets, which are taken before an epoch"):
        model.fit(pairs, verbose=0)
    with pytest.raises(InputError, match="embedding of at least 1"):
        model_of(embedding=0)
