"""Exemplars against plain NumPy: the loss, which images they are, and which class each is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from small_images import image_pairs

from iic_tf.errors import InputError
from iic_tf.losses.exemplar import exemplar_losses
from iic_tf.models.exemplar import ExemplarClusterer
from iic_tf.views.image_pairs import ImagePairs

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def clusterer(**arguments: Any) -> ExemplarClusterer:
    small = {"classes": 2, "overclusters": 3, "channels": 1, "size": 8, "network": "B"}
    small |= {"width": 0.06, "inputs": "bands", "exemplars": 12}
    return ExemplarClusterer(**{**small, **arguments})


def only(count: int, images: int = 12) -> ImagePairs:
    theirs = image_pairs(images)
    return ImagePairs(theirs.images, 4, 2, theirs.x, theirs.gx, seed=3, only=count)


def test_cross_entropies_of_each_copy() -> None:
    # ln(e² + 2) − 2 and ln(1 + e + e^½) − 1.
    found = np.asarray(exemplar_losses(np.array([[2.0, 0, 0], [0, 1, 0.5]]), np.array([0, 1])))
    np.testing.assert_allclose(found, [0.23954477, 0.68026967], rtol=1e-6)
    assert found.mean() == pytest.approx(0.4599072184318096)
    # Nothing known of 8,000: ln 8000. Large logits do not overflow.
    chance = exemplar_losses(np.zeros((1, 8000)), [7])
    assert float(chance[0]) == pytest.approx(8.987196820661973)
    assert float(exemplar_losses(np.float32([[1e4, 0]]), [0])[0]) == 0


def test_exemplars_alone_are_drawn_each_once_a_round() -> None:
    pairs = only(8)
    chosen = pairs.chosen
    assert len(set(chosen.tolist())) == 8 == 4 * len(pairs)
    for epoch in range(3):
        drawn = np.concatenate([pairs.indices(epoch, step) for step in range(2)])
        np.testing.assert_array_equal(np.sort(drawn), chosen)
    np.testing.assert_array_equal(only(99).chosen, np.arange(12))
    with pytest.raises(InputError, match="at least 1 image to draw from"):
        only(0)


def test_the_class_of_an_image_is_its_place_among_exemplars() -> None:
    model, pairs = clusterer(exemplars=8), only(8)
    model.compile()
    model.before_epoch(pairs, 0)
    batch = pairs[1]
    total = 0.0
    for i, image in enumerate(batch["image"].numpy()):
        label = int(np.flatnonzero(pairs.chosen == image)[0])
        logits = np.asarray(model.classifier(model.features(batch["gx"][i])), np.float64)
        total += (np.log(np.exp(logits).sum(1)) - logits[:, label]).sum()
    np.testing.assert_allclose(model.objective(batch, "", False), [total, 8], rtol=1e-4)


def test_more_images_than_exemplars_are_refused() -> None:
    model = clusterer(exemplars=8)
    model.compile()
    with pytest.raises(InputError, match="at most 8 images, one an exemplar; received 12"):
        model.before_epoch(image_pairs(), 0)
    with pytest.raises(InputError, match="at least 2 exemplars"):
        clusterer(exemplars=1)
