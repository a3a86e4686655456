"""DAC of pixels: pairs of the cells that are drawn, of what is valid alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_up import noise_pairs

from iic_tf.errors import InputError
from iic_tf.losses.dac import thresholds
from iic_tf.models.dense_dac import DACSegmenter
from iic_tf.models.phases import EVERYTHING
from iic_tf.views.geometry import Geometry

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def model_of(**arguments: Any) -> DACSegmenter:
    small = {"classes": 3, "channels": 3, "width": 0.05, "places": 6}
    return DACSegmenter(**{**small, **arguments})


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("epoch", [0, 20])
def test_pairs_are_of_the_cells_that_are_drawn(masks: bool, epoch: int) -> None:
    model = model_of()
    pairs = noise_pairs(crop=12, batch=4, steps=1, masks=masks, geometry=Geometry(0, rotation=30))
    pairs.epoch = epoch
    batch = pairs[0]
    # Far from 1/3, so that there are pairs of both kinds.
    for norm in model.heads["main"].norms:
        norm.gamma.assign([3.0, 2.0, 4.0])
    (maps,) = model.small_maps(model.features(batch["gx"], True), "main", True)
    cells = np.asarray(model.drawn_of(batch, maps), np.float64)
    shares = np.asarray(model.drawn_of(batch, model.shares_of_gx(batch)[..., None]))[:, 0]
    # Corners are lost to the turn.
    assert np.asarray(model.shares_of_gx(batch)).min() < 0.5
    upper, lower = (float(v) for v in thresholds(epoch))
    total, count = 0.0, 0
    for i in range(len(cells)):
        for j in range(i + 1, len(cells)):
            if min(shares[i], shares[j]) <= 0.5:
                continue
            g = cells[i] @ cells[j] / np.linalg.norm(cells[i]) / np.linalg.norm(cells[j])
            if g > upper or g < lower:
                total -= np.log(g if g > upper else 1 - g)
                count += 1
    sums = model.sums(batch, (EVERYTHING,), True)[EVERYTHING].numpy()
    assert sums[1] == count > 0
    np.testing.assert_allclose(sums[0], total, rtol=1e-3)


def test_wrong_values_are_named() -> None:
    with pytest.raises(InputError, match="eta > 0"):
        model_of(eta=0)
